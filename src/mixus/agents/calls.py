"""A tool call that a model asked for, checked and given a digest that an approval can be bound to."""

import json
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_ai.messages import ToolCallPart

from mixus.agents.kept import is_kept_exactly
from mixus.agents.tools.builtin import CHECKPOINT
from mixus.agents.tools.registry import AnyArguments, Arguments, Context, Registry, Tool
from mixus.core.text import storable
from mixus.evals.digests import digest
from mixus.evals.lifecycle import Effect

INEXACT: Final = "The arguments hold a number that is too large or none, or are too deep; say it otherwise."


@dataclass(frozen=True)
class Call:
    """A call that can be made: the tool exists and its arguments are valid."""

    action_id: str
    tool: Tool
    arguments: Arguments

    @property
    def has_effect(self) -> bool:
        return self.tool.effect is not Effect.READ

    @property
    def asks(self) -> bool:
        """Whether this is the agent itself asking for a reviewer."""
        return self.tool.name == CHECKPOINT

    @property
    def canonical(self) -> dict[str, Any]:
        return self.arguments.model_dump(mode="json")

    @property
    def digest(self) -> str:
        return digest(self.tool.name, self.canonical)

    def shown(self) -> dict[str, Any]:
        """The action as a reviewer and the trace see it: the raw arguments, never a summary."""
        return {
            "actionId": self.action_id,
            "tool": self.tool.name,
            "effect": self.tool.effect.value,
            "arguments": self.canonical,
        }


@dataclass(frozen=True)
class BadCall:
    """A call that cannot be made; the sentence tells the model what to mend."""

    action_id: str
    tool_name: str
    problem: str


def read(part: ToolCallPart, registry: Registry, allowed: frozenset[str]) -> Call | BadCall:
    tool = registry.get(part.tool_name) if part.tool_name in allowed else None
    if tool is None:
        problem = f"There is no such tool. The tools are: {', '.join(sorted(allowed))}."
        return BadCall(part.tool_call_id, part.tool_name, problem)
    try:
        call = Call(part.tool_call_id, tool, tool.arguments.model_validate(_arguments(part)))
        is_exact = is_kept_exactly(call.canonical)
    except ValidationError as invalid:
        return BadCall(part.tool_call_id, part.tool_name, _sentence(invalid))
    except (ValueError, RecursionError):
        return BadCall(part.tool_call_id, part.tool_name, "The arguments are not a JSON object.")
    if not is_exact:
        # A reviewer would be shown something else than what runs.
        return BadCall(part.tool_call_id, part.tool_name, INEXACT)
    return call


def as_intended(part: ToolCallPart, effect: Effect) -> Call | None:
    """A call that was about to happen when its tool still was what it is no more; None where it is none."""
    try:
        arguments = AnyArguments.model_validate(_arguments(part))
    except (ValueError, RecursionError):
        return None
    return Call(part.tool_call_id, Tool(part.tool_name, "", effect, AnyArguments, _gone), arguments)


async def _gone(_arguments: AnyArguments, _context: Context) -> Any:
    raise RuntimeError("what was intended is never run again")


def _arguments(part: ToolCallPart) -> dict[str, Any]:
    arguments = json.loads(part.args or "{}") if isinstance(part.args, str | None) else part.args
    if not isinstance(arguments, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for all that is not a JSON object
    return {str(name): value for name, value in storable(arguments).items()}


def _sentence(invalid: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(place) for place in error['loc']) or 'arguments'}: {error['msg']}"
        for error in invalid.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "The arguments are not valid: " + "; ".join(problems[:5]) + "."
