"""The MCP servers of a deployment as the rest sees them: their tools, and how each of them is."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixus.agents.tools.registry import Tool


@dataclass(frozen=True)
class ServerState:
    """As it was seen last; the tools of one that is away stay, and say so."""

    name: str
    answers: bool
    tool_count: int


class Servers(Mapping[str, Tool]):
    @abstractmethod
    def states(self) -> Sequence[ServerState]: ...

    @abstractmethod
    def ask_again(self, name: str) -> bool:
        """Ask this one now, for the state that follows; False when it took too long to wait for."""
