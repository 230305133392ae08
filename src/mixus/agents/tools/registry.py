"""What a tool is: a name, typed arguments, a declared effect and the function that performs it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict

from mixus.evals.lifecycle import Area, Effect, Environment
from mixus.evals.tasks import Place

TIMEOUT_SECONDS: Final = 30.0
# A longer result is cut: a text in characters of its own, anything else as JSON, which then is a text too.
MOST_RESULT_CHARACTERS: Final = 50_000


class ToolFailed(Exception):
    """The tool says for certain that nothing was done; its sentence goes back to the agent."""


class Arguments(BaseModel):
    """Base of every tool's arguments: what is not declared is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnyArguments(Arguments):
    """Of a call whose tool is not ours to check, or is there no more: kept and passed on as they came."""

    model_config = ConfigDict(extra="allow")


class Workspace(Protocol):
    """The execution's own copy, as it was when the call began."""

    async def find(self, place: Place) -> tuple[bytes | None] | None:
        """Its own content, None in a tuple where it deleted it, None where it has no copy."""

    async def entries(self, area: Area) -> Mapping[str, bytes | None]:
        """Everything of an area that it has a copy of, by path."""


@dataclass(frozen=True)
class Context:
    """Where a call happens. `action_id` is its own, for a receiver that knows idempotency keys."""

    execution_id: str
    action_id: str
    environment: Environment
    workspace: Workspace


@dataclass(frozen=True)
class Changed:
    """A result that comes with changes to the execution's own copy: one transaction stores both.

    None as a content deletes.
    """

    result: Any
    changes: Mapping[Place, bytes | None] = field(default_factory=dict)


Act = Callable[[Any, Context], Awaitable[Any]]


async def recorded(_arguments: Any, _context: Context) -> Any:
    """What a sandbox does instead of an effect outside: nothing but to keep it."""
    return {"status": "recorded", "sandbox": True}


@dataclass(frozen=True)
class Tool:
    """`run` performs the call and answers JSON, or Changed; a read does so in both environments.

    `record` is what a sandbox does instead of an effect; its result, what it changes and the intent are
    one transaction. Live, an intent is committed before `run`, and its result after it.
    `needs_seed`: only a task whose own copy begins with something of that area is offered the tool.
    """

    name: str
    description: str
    effect: Effect
    arguments: type[Arguments]
    run: Act
    record: Act = recorded
    timeout_seconds: float = TIMEOUT_SECONDS
    needs_seed: Area | None = None

    def is_recorded(self, environment: Environment) -> bool:
        return self.effect is not Effect.READ and environment is Environment.SANDBOX


Registry = Mapping[str, Tool]


def registry(*tools: Tool) -> Registry:
    return {tool.name: tool for tool in tools}
