"""Making a tool call: reads run and are noted; an effect is intended first, done once, and then noted."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_ai.messages import ToolCallPart

from mixus.agents import conversation
from mixus.agents.calls import BadCall, Call
from mixus.agents.tools.registry import ToolFailed
from mixus.core.database import Transaction
from mixus.core.text import storable
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

COUNT = {False: ONE_CALL, True: ONE_ERROR}


@dataclass(frozen=True)
class Outcome:
    """What came of a call: its result, or the tool's own word that nothing was done."""

    result: Any
    is_error: bool = False


FAILED = Outcome("The tool failed; nothing was done.", is_error=True)


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
    outcome = Outcome(row["result"], bool(row["is_error"]))
    await bench.write(_note, leg, _entry(state.part(call.action_id), call, outcome), ONE_CALL)


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
    outcome = await _outcome(call) or FAILED
    await bench.write(_note, leg, _entry(part, call, outcome), COUNT[outcome.is_error])


async def _record(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """A sandbox effect: its intent, its result and the journal are one transaction."""
    outcome = await _outcome(call) or FAILED

    def record(tx: Transaction, now: datetime) -> None:
        progress.note(tx, leg, [_entry(part, call, outcome)], now, **COUNT[outcome.is_error])
        effects.intend(tx, _intent(leg, call), now)
        effects.finish(tx, call.action_id, outcome.result, now, is_error=outcome.is_error)

    await bench.write(record)


async def _perform(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """An effect outside the database. Cancelling the segment does not cancel what is under way."""

    def intend(tx: Transaction, now: datetime) -> None:
        progress.note(tx, leg, [Entry("effect-intended", call.shown())], now)
        effects.intend(tx, _intent(leg, call), now)

    await bench.write(intend)
    task = asyncio.create_task(_do(bench, leg, part, call))
    bench.in_flight.add(task)
    await asyncio.shield(task)


async def _do(bench: Bench, leg: Leg, part: ToolCallPart, call: Call) -> None:
    """Without a result or the tool's own word the intent stays open, and the gate finds it uncertain."""
    outcome = await _outcome(call)
    if outcome is None:
        return
    entry = _entry(part, call, outcome)

    def settle(tx: Transaction, now: datetime) -> bool:
        """The journal first, to lock in the order of everyone else; the result in any case."""
        row = apply(tx, leg.move([entry], values=COUNT[outcome.is_error]), now)
        effects.finish(tx, call.action_id, outcome.result, now, is_error=outcome.is_error)
        return row is not None

    if not await bench.write(settle):
        raise LostSegment


async def _outcome(call: Call) -> Outcome | None:
    """None when the tool broke and nobody knows what it did.

    A tool is foreign code: what it raises may hold secrets, so nobody but the log is told.
    """
    try:
        return Outcome(storable(await call.tool.run(call.arguments)))
    except ToolFailed as failed:
        return Outcome(storable(str(failed)), is_error=True)
    except Exception:
        logger.exception("the tool %s failed", call.tool.name)
        return None


def _note(tx: Transaction, leg: Leg, entry: Entry, counts: dict[str, Any], now: datetime) -> None:
    progress.note(tx, leg, [entry], now, **counts)


def _entry(part: ToolCallPart, call: Call, outcome: Outcome) -> Entry:
    if outcome.is_error:
        message = conversation.failed(part, str(outcome.result))
        return Entry("tool-call", {**call.shown(), "error": outcome.result}, conversation.dump(message))
    message = conversation.answered(part, outcome.result)
    return Entry("tool-call", {**call.shown(), "result": outcome.result}, conversation.dump(message))


def _intent(leg: Leg, call: Call) -> Intent:
    return Intent(call.action_id, leg.execution_id, call.tool.name, call.tool.effect, call.digest)
