"""One call of the model: its answer, tokens and cost go to the journal before anything follows from it."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import orjson
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from mixus.agents import conversation
from mixus.agents.catalog import OFFLINE
from mixus.agents.instructions import system_prompt
from mixus.agents.models.rehearsal.plan import BeyondRehearsal
from mixus.agents.tools.registry import Registry
from mixus.core.database import Row, Transaction
from mixus.evals import progress
from mixus.evals.lifecycle import Failure, Source
from mixus.evals.progress import Leg
from mixus.evals.transitions import Entry
from mixus.worker.bench import Bench, Failed
from mixus.worker.state import State

logger = logging.getLogger(__name__)


async def ask_model(bench: Bench, leg: Leg, state: State) -> None:
    """Ask what comes next and write the answer down; raises Failed."""
    if not state.conversation.messages:
        await _write_prompt(bench, leg, state)
        return
    _check_limits(state)
    started = bench.now()
    response = conversation.received(await _request(bench, state))
    elapsed = bench.now() - started
    entries = [_entry(state, response, int(elapsed.total_seconds() * 1000))]
    if not conversation.text_of(response) and not _calls(response):
        reminder = conversation.dump(conversation.reminded())
        entries.append(Entry("reminder", {"reason": "neither a call nor a text"}, reminder))
    await bench.write(_note, leg, entries, _counts(state, response))


def _note(tx: Transaction, leg: Leg, entries: list[Entry], counts: dict[str, Any], now: datetime) -> None:
    progress.note(tx, leg, entries, now, **counts)


async def _write_prompt(bench: Bench, leg: Leg, state: State) -> None:
    manual = [row for row in state.board.checkpoints if row["source"] is Source.MANUAL]
    system, task = system_prompt(manual), state.row["task_description"]
    message = conversation.dump(conversation.prompt(system, task))
    await bench.write(progress.note, leg, [Entry("prompt", {"system": system, "task": task}, message)])


def _check_limits(state: State) -> None:
    row = state.row
    if row["steps"] >= row["max_steps"]:
        message = f"It took all of its {row['max_steps']} model calls; raise maxSteps or split the task."
        raise Failed(Failure.STEP_LIMIT, message)
    _check_budget(row)
    if state.conversation.bad_answers > conversation.MAX_BAD_ANSWERS:
        raise _useless(state)


def _useless(state: State) -> Failed:
    if state.journal[-1]["kind"] == "reminder":
        return Failed(Failure.PROVIDER_ERROR, "The model kept answering with neither a call nor a text.")
    return Failed(Failure.TOOL_ERROR, "The model kept asking for calls that cannot be made.")


def _check_budget(row: Row) -> None:
    budget = row["max_cost_usd"]
    if budget is None or not row["steps"]:
        return
    if row["cost_usd"] is None:
        message = "The provider told no usage or no price is known, so its budget cannot hold."
        raise Failed(Failure.COST_LIMIT, message)
    if row["cost_usd"] >= budget:
        raise Failed(Failure.COST_LIMIT, f"It spent its budget of ${budget:g}; raise maxCostUsd.")


async def _request(bench: Bench, state: State) -> ModelResponse:
    row = state.row
    model = bench.catalog.model(row["model"], row["script"])
    parameters = ModelRequestParameters(function_tools=_definitions(bench.catalog.tools, row["tools"]))
    try:
        async with asyncio.timeout(max(0.0, state.seconds_left(bench.now()))):
            return await model_request(
                model, state.conversation.messages, model_request_parameters=parameters
            )
    except TimeoutError as late:
        raise Failed(Failure.TIME_LIMIT, "Its agent time ran out during a model call.") from late
    except BeyondRehearsal as beyond:
        raise Failed(Failure.BEYOND_REHEARSAL, str(beyond)) from beyond
    except ModelHTTPError as refused:
        message = (
            f"The provider of {row['model']} answered {refused.status_code}; "
            "look at its key, the model's name and its limits."
        )
        raise Failed(Failure.PROVIDER_ERROR, message) from refused
    except Exception as broken:
        # The library raises what it likes of a malformed answer, and its words may quote a secret.
        logger.warning("%s: the call of %s failed: %s", row["id"], row["model"], type(broken).__name__)
        message = f"The model {row['model']} could not be called, or its answer not read."
        raise Failed(Failure.PROVIDER_ERROR, message) from broken


def _definitions(registry: Registry, names: list[str]) -> list[ToolDefinition]:
    return [
        ToolDefinition(
            name=tool.name,
            description=tool.description,
            parameters_json_schema=tool.arguments.model_json_schema(),
        )
        for tool in (registry[name] for name in names if name in registry)
    ]


def _entry(state: State, response: ModelResponse, duration_ms: int) -> Entry:
    calls = [
        {"actionId": part.tool_call_id, "tool": part.tool_name, "arguments": _arguments(part)}
        for part in _calls(response)
    ]
    data = {
        "model": state.row["model"],
        "text": conversation.text_of(response),
        "calls": calls,
        "durationMs": duration_ms,
        **_usage(state, response),
    }
    return Entry("model-call", data, conversation.dump(response))


def _arguments(part: ToolCallPart) -> Any:
    """As JSON where they are JSON; else the text that the model wrote."""
    if not isinstance(part.args, str):
        return part.args
    try:
        return orjson.loads(part.args)
    except orjson.JSONDecodeError:
        return part.args


def _counts(state: State, response: ModelResponse) -> dict[str, Any]:
    usage = _usage(state, response)
    columns = {"inputTokens": "input_tokens", "outputTokens": "output_tokens", "costUsd": "cost_usd"}
    sums = {column: _sum(state, column, usage[name]) for name, column in columns.items()}
    return {"steps": state.row["steps"] + 1, "takeovers": 0, **sums}


def _sum(state: State, column: str, added: float | None) -> float | None:
    """Once unknown, a sum stays unknown: half a bill is no bill."""
    before = state.row[column] if state.row["steps"] else 0
    return None if before is None or added is None else round(before + added, 12)


def _usage(state: State, response: ModelResponse) -> dict[str, Any]:
    usage = response.usage
    if state.row["model"] in OFFLINE or not usage.has_values():
        return {"inputTokens": None, "outputTokens": None, "costUsd": None}
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "costUsd": _cost(response),
    }


def _cost(response: ModelResponse) -> float | None:
    """In US dollars; None where no price is known."""
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError):
        return None


def _calls(response: ModelResponse) -> list[ToolCallPart]:
    return [part for part in response.parts if isinstance(part, ToolCallPart)]
