"""One call of the model: its answer, tokens and cost go to the journal before anything follows from it."""

from typing import Any

import orjson
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestParameters

from mixus.agents import conversation, offering, planning
from mixus.agents.calls import Call
from mixus.agents.instructions import system_prompt
from mixus.agents.kept import kept
from mixus.agents.prompts import CUT_REMINDER, PLAN_REMINDER, REMINDER
from mixus.agents.tools.registry import Tool
from mixus.core.database import Row
from mixus.evals import progress
from mixus.evals.lifecycle import Failure, Source
from mixus.evals.progress import Leg
from mixus.evals.transitions import Entry
from mixus.worker import requesting, spending, telemetry
from mixus.worker.bench import Bench, Failed
from mixus.worker.requesting import Prompt
from mixus.worker.state import State


async def ask_model(bench: Bench, leg: Leg, state: State) -> None:
    """Ask what comes next and write the answer down; raises Failed."""
    if not state.conversation.messages:
        await _write_prompt(bench, leg, state)
        return
    _check_limits(state)
    started = bench.now()
    with telemetry.model_call(bench.tracer, state.row) as span:
        response = await _request(bench, leg, state)
        usage = spending.usage_of(bench, state.row["model"], response)
        telemetry.used(span, usage["inputTokens"], usage["outputTokens"])
    elapsed = bench.now() - started
    entries = [_entry(state, response, usage, int(elapsed.total_seconds() * 1000))]
    entries += _reminders(state, response)
    counts = spending.after_call(state.row, usage, is_first=not state.row["steps"])
    await bench.write(progress.note, leg, entries, **counts)


async def take_plan(bench: Bench, leg: Leg, state: State, call: Call) -> None:
    """Keep the plan where everybody sees it, before any of it is carried out."""
    steps = planning.steps_of(call)
    message = conversation.dump(conversation.answered(state.part(call.action_id), planning.NOTED))
    await bench.write(progress.plan, leg, Entry("plan", {"steps": steps}, message), steps)


def _reminders(state: State, response: ModelResponse) -> list[Entry]:
    if _calls(response):
        return []
    if state.is_planning:
        reason, sentence = "no plan", PLAN_REMINDER
    elif not conversation.text_of(response):
        reason, sentence = "neither a call nor a text", REMINDER
    elif response.finish_reason == "length":
        # Half of an answer is none: it would be completed, and scored.
        reason, sentence = "cut off at its length limit", CUT_REMINDER
    else:
        return []
    return [Entry("reminder", {"reason": reason}, conversation.dump(conversation.reminded(sentence)))]


async def _write_prompt(bench: Bench, leg: Leg, state: State) -> None:
    manual = [row for row in state.board.checkpoints if row["source"] is Source.MANUAL]
    system = system_prompt(manual, plans=state.is_planning)
    task = bench.redact(state.row["task_description"])
    message = conversation.dump(conversation.prompt(system, task))
    await bench.write(progress.note, leg, [Entry("prompt", {"system": system, "task": task}, message)])


def _check_limits(state: State) -> None:
    row = state.row
    if row["steps"] >= row["max_steps"]:
        message = f"It took all of its {row['max_steps']} model calls; raise maxSteps or split the task."
        raise Failed(Failure.STEP_LIMIT, message)
    if row["steps"]:
        _check_spending(row)
    if state.is_planning and state.conversation.bad_answers > planning.MAX_BAD_PLANS:
        raise Failed(Failure.PLAN_REFUSED, "The model gave no plan that can be used; say the task otherwise.")
    if state.conversation.bad_answers > conversation.MAX_BAD_ANSWERS:
        raise _useless(state)


def _check_spending(row: Row) -> None:
    budget, limit, used = row["max_cost_usd"], row["max_tokens"], spending.tokens(row)
    if spending.is_over(row["cost_usd"], budget):
        message = f"It spent its budget of ${budget:g}; raise maxCostUsd."
        if row["cost_usd"] is None:
            message = "The provider told no usage or no price is known, so its budget cannot hold."
        raise Failed(Failure.COST_LIMIT, message)
    if spending.is_over(used, limit):
        message = f"It used its {limit} tokens; raise maxTokens or split the task."
        if used is None:
            message = "The provider told no usage, so its token limit cannot hold."
        raise Failed(Failure.TOKEN_LIMIT, message)


def _useless(state: State) -> Failed:
    if state.journal[-1]["kind"] == "reminder":
        return Failed(
            Failure.PROVIDER_ERROR, "The model kept answering with neither a call nor a whole text."
        )
    return Failed(Failure.TOOL_ERROR, "The model kept asking for calls that cannot be made.")


async def _request(bench: Bench, leg: Leg, state: State) -> ModelResponse:
    parameters = ModelRequestParameters(
        function_tools=[offering.definition(tool) for tool in _offered(bench, state.row)]
    )
    return await requesting.request(bench, leg, state, Prompt(state.conversation.messages, parameters))


def _offered(bench: Bench, row: Row) -> list[Tool]:
    """The same at each step, so that a provider can keep what it has read."""
    first = [planning.TOOL] if bench.catalog.plans(row["model"]) else []
    return [*first, *(bench.catalog.tools[name] for name in row["tools"] if name in bench.catalog.tools)]


def _entry(state: State, response: ModelResponse, usage: dict[str, Any], duration_ms: int) -> Entry:
    calls = [
        {"actionId": part.tool_call_id, "tool": part.tool_name, "arguments": _arguments(part)}
        for part in _calls(response)
    ]
    data = {
        "model": state.row["model"],
        "text": conversation.text_of(response),
        "calls": calls,
        "durationMs": duration_ms,
        **usage,
    }
    return Entry("model-call", data, conversation.dump(response))


def _arguments(part: ToolCallPart) -> Any:
    """As JSON where they are JSON that a row can hold; else the text that the model wrote."""
    if not isinstance(part.args, str):
        return part.args
    try:
        return kept(orjson.loads(part.args))
    except ValueError:
        return part.args


def _calls(response: ModelResponse) -> list[ToolCallPart]:
    return [part for part in response.parts if isinstance(part, ToolCallPart)]
