"""What a tool is: a name, typed arguments, a declared effect and the function that performs it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from mixus.evals.lifecycle import Effect


class ToolFailed(Exception):
    """The tool says for certain that nothing was done; its sentence goes back to the agent."""


class Arguments(BaseModel):
    """Base of every tool's arguments: what is not declared is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Tool:
    """`run` performs the call and answers JSON.

    With `is_recorded`, nothing happens outside the database: the answer is what a sandbox shows instead
    of the act, and is stored in one transaction with the intent. Without, an intent is committed first.
    """

    name: str
    description: str
    effect: Effect
    arguments: type[Arguments]
    run: Callable[[Any], Awaitable[Any]]
    is_recorded: bool = False


Registry = Mapping[str, Tool]


def registry(*tools: Tool) -> Registry:
    return {tool.name: tool for tool in tools}
