"""Making a tool call: reads run and are noted; an effect is intended first, done once, and then noted."""

import asyncio
import logging
from datetime import datetime
from typing import Any

from pydantic_ai.messages import ModelRequest, ToolCallPart

from mixus.agents import conversation
from mixus.agents.calls import BadCall, Call
from mixus.agents.tools.registry import ToolFailed
from mixus.core.database import Transaction
from mixus.evals import effects, progress
from mixus.evals.effects import Intent
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg, LostSegment
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry, apply
from mixus.worker.bench import Bench, Failed
from mixus.worker.state import State

logger = logging.getLogger(__name__)

ONE_CALL = {"tool_calls": executions.c.tool_calls + 1}
ONE_ERROR = {**ONE_CALL, "errors": executions.c.errors + 1}
ONE_RETRY = {"retries": executions.c.retries + 1}

# A cancelled segment leaves its effect in flight; it is kept here until its result is written.
_in_flight: set[asyncio.Task[None]] = set()


async def run_call(bench: Bench, leg: Leg, state: State, call: Call | BadCall) -> None:
    """Make the call and journal what came of it; raises Failed when the agent's time is over."""
    part = state.part(call.action_id)
    try:
        async with asyncio.timeout(max(0.0, state.seconds_left(bench.now()))):
            await _dispatch(bench, leg, part, call)
    except TimeoutError as late:
        raise Failed(Failure.TIME_LIMIT, f"Its agent time ran out during {part.tool_name}.") from late


async def take_result(bench: Bench, leg: Leg, state: State, call: Call) -> None:
    """The effect is settled, by its own result or by a reviewer's word; tell the agent."""
    row = state.effects[call.action_id]
    part = state.part(call.action_id)
    message = _message(part, row["result"], is_error=row["is_error"])
    await bench.write(_note, leg, _entry(call, row["result"], message), ONE_CALL)


async def _dispatch(bench: Bench, leg: Leg, part: ToolCallPart, call: Call | BadCall) -> None:
    if isinstance(call, BadCall):
        data = {"actionId": call.action_id, "tool": call.tool_name, "error": call.problem}
        message = conversation.dump(conversation.retried(part, call.problem))
        await bench.write(_note, leg, Entry("tool-call", data, message), ONE_RETRY)
    elif not call.has_effect:
        await _read(bench, leg, part, call)
    elif call.tool.is_recorded:
        await _record(bench, leg, part, call)
    else:
        await _perform(bench, leg, part, call)


async def _read(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    try:
        result = await call.tool.run(call.arguments)
    except ToolFailed as failed:
        await _note_error(bench, leg, part, call, str(failed))
    except Exception:
        # A tool is foreign code; what it raises may hold secrets, so the agent learns only that it failed.
        logger.exception("the tool %s failed", call.tool.name)
        await _note_error(bench, leg, part, call, "The tool failed.")
    else:
        await bench.write(_note, leg, _entry(call, result, conversation.answered(part, result)), ONE_CALL)


async def _record(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """A sandbox effect: its intent, its result and the journal are one transaction."""
    result = await call.tool.run(call.arguments)
    entry = _entry(call, result, conversation.answered(part, result))

    def record(tx: Transaction, now: datetime) -> None:
        progress.note(tx, leg, [entry], now, **ONE_CALL)
        effects.perform_here(tx, _intent(leg, call), result, now)

    await bench.write(record)


async def _perform(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """An effect outside the database. Cancelling the segment does not cancel what is under way."""

    def intend(tx: Transaction, now: datetime) -> None:
        progress.note(tx, leg, [Entry("effect-intended", call.shown())], now)
        effects.intend(tx, _intent(leg, call), now)

    await bench.write(intend)
    task = asyncio.create_task(_do(bench, leg, part, call))
    _in_flight.add(task)
    task.add_done_callback(_in_flight.discard)
    await asyncio.shield(task)


async def _do(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """Without a result or the tool's own word the intent stays open, and the gate finds it uncertain."""
    try:
        result, is_error = await call.tool.run(call.arguments), False
    except ToolFailed as failed:
        result, is_error = str(failed), True
    except Exception:
        logger.exception("the effect of %s is uncertain", call.tool.name)
        return
    entry = _entry(call, result, _message(part, result, is_error=is_error), is_error=is_error)
    counts = ONE_ERROR if is_error else ONE_CALL

    def settle(tx: Transaction, now: datetime) -> bool:
        """The journal first, to lock in the order of everyone else; the result in any case."""
        row = apply(tx, leg.move([entry], values=counts), now)
        effects.finish(tx, call.action_id, result, now, is_error=is_error)
        return row is not None

    if not await bench.write(settle):
        raise LostSegment


async def _note_error(bench: Bench, leg: Leg, part: ToolCallPart, call: Call, sentence: str) -> None:
    entry = _entry(call, sentence, conversation.failed(part, sentence), is_error=True)
    await bench.write(_note, leg, entry, ONE_ERROR)


def _note(tx: Transaction, leg: Leg, entry: Entry, counts: dict[str, Any], now: datetime) -> None:
    progress.note(tx, leg, [entry], now, **counts)


def _entry(call: Call, result: Any, message: ModelRequest, *, is_error: bool = False) -> Entry:
    outcome = {"error": result} if is_error else {"result": result}
    return Entry("tool-call", {**call.shown(), **outcome}, conversation.dump(message))


def _message(part: ToolCallPart, result: Any, *, is_error: bool) -> ModelRequest:
    return conversation.failed(part, str(result)) if is_error else conversation.answered(part, result)


def _intent(leg: Leg, call: Call) -> Intent:
    return Intent(call.action_id, leg.execution_id, call.tool.name, call.tool.effect, call.digest)
