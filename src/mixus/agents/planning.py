"""The plan of a task: what a language model says it will do, before it may do anything."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field
from pydantic_ai.messages import ToolCallPart

from mixus.agents import calls
from mixus.agents.calls import BadCall, Call
from mixus.agents.gate import AskModel, RunCall
from mixus.agents.prompts import PLAN_REMINDER
from mixus.agents.tools.registry import Arguments, Context, Tool
from mixus.evals.lifecycle import Effect

PLAN: Final = "plan"
MOST_STEPS: Final = 30
MAX_BAD_PLANS: Final = 2
NOTED: Final = "The plan is noted. Carry it out."
ONCE: Final = "The plan is noted already; carry it out."


class Step(Arguments):
    description: str = Field(min_length=1, max_length=300)
    effect: Effect
    stage: str | None = Field(default=None, max_length=200, description="The stage to verify, if any.")


class Plan(Arguments):
    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS)


async def _never(_arguments: Plan, _context: Context) -> Any:
    raise RuntimeError("a plan is noted, not performed")


TOOL: Final = Tool(PLAN, "Say what you will do.", Effect.READ, Plan, _never)


@dataclass(frozen=True)
class TakePlan:
    """The model has planned; what follows is carried out."""

    call: Call


def read(part: ToolCallPart, stages: Collection[str]) -> Call | BadCall:
    """What was asked for while there is no plan: one, or something that has to wait."""
    if part.tool_name != PLAN:
        return BadCall(part.tool_call_id, part.tool_name, PLAN_REMINDER)
    call = calls.read(part, {PLAN: TOOL}, frozenset({PLAN}))
    if isinstance(call, BadCall):
        return call
    unknown = [step["stage"] for step in call.canonical["steps"] if step["stage"] not in {None, *stages}]
    if unknown:
        problem = f"{unknown[0]!r} is no stage to verify; leave it out, or name one of {sorted(stages)}."
        return BadCall(part.tool_call_id, PLAN, problem)
    return call


def again(part: ToolCallPart) -> BadCall | None:
    """A second plan is none."""
    return BadCall(part.tool_call_id, PLAN, ONCE) if part.tool_name == PLAN else None


def steps_of(call: Call) -> list[dict[str, Any]]:
    """As the status shows them, numbered from one."""
    return [{"step": number, **step} for number, step in enumerate(call.canonical["steps"], start=1)]


def next_move(open_calls: Sequence[Call | BadCall]) -> TakePlan | RunCall | AskModel:
    """While there is no plan; whatever was asked for beside it comes afterwards."""
    for call in open_calls:
        if isinstance(call, Call):
            return TakePlan(call)
    return RunCall(open_calls[0]) if open_calls else AskModel()
