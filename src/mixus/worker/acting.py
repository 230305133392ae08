"""Making a tool call: reads run and are noted; an effect is intended first, done once, and then noted."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from mixus.agents import conversation
from mixus.agents.calls import BadCall, Call
from mixus.agents.kept import kept
from mixus.agents.redaction import Redactor
from mixus.agents.tools.registry import MOST_RESULT_CHARACTERS, Changed, Context, ToolFailed
from mixus.core.database import Transaction
from mixus.core.errors import Invalid
from mixus.core.text import storable
from mixus.evals import effects, progress, workspace
from mixus.evals.effects import Intent
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg, LostSegment
from mixus.evals.tables import executions
from mixus.evals.tasks import Place
from mixus.evals.transitions import Entry, apply
from mixus.worker import telemetry
from mixus.worker.bench import Bench, Failed
from mixus.worker.own_copy import OwnCopy
from mixus.worker.requesting import ONE_RETRY
from mixus.worker.state import State

logger = logging.getLogger(__name__)

ONE_CALL = {"tool_calls": executions.c.tool_calls + 1}
ONE_ERROR = {**ONE_CALL, "errors": executions.c.errors + 1}


@dataclass(frozen=True)
class Outcome:
    """What came of a call: its result, or the tool's own word that nothing was done."""

    result: Any
    is_error: bool = False
    changes: Mapping[Place, bytes | None] = field(default_factory=dict)
    # None where it is not known: the result was written by another.
    duration_ms: int | None = None

    @property
    def counts(self) -> dict[str, Any]:
        return ONE_ERROR if self.is_error else ONE_CALL


UNREADABLE = "The tool answered, with a result that no row can hold."
FAILED = Outcome("The tool failed; nothing was done.", is_error=True)


@dataclass(frozen=True)
class Act:
    """One call of a segment."""

    bench: Bench
    leg: Leg
    state: State
    call: Call

    @property
    def is_recorded(self) -> bool:
        return self.call.tool.is_recorded(self.state.row["environment"])

    @property
    def is_outside(self) -> bool:
        """Whether it does something that no roll-back undoes."""
        return self.call.has_effect and not self.is_recorded

    @property
    def context(self) -> Context:
        own_copy = OwnCopy(self.bench, self.leg.execution_id)
        return Context(self.leg.execution_id, self.call.action_id, self.state.row["environment"], own_copy)

    @property
    def intent(self) -> Intent:
        tool = self.call.tool
        return Intent(self.call.action_id, self.leg.execution_id, tool.name, tool.effect, self.call.digest)

    def entry(self, outcome: Outcome) -> Entry:
        part = self.state.part(self.call.action_id)
        note = self.state.conversation.edit_of(self.call.action_id)
        said = conversation.failed if outcome.is_error else conversation.answered
        word = "error" if outcome.is_error else "result"
        data = {**self.call.shown(), word: outcome.result, "durationMs": outcome.duration_ms}
        message = said(part, outcome.result, note)
        return Entry("tool-call", data, conversation.dump(message))


async def run_call(bench: Bench, leg: Leg, state: State, call: Call | BadCall) -> None:
    """Make the call and journal what came of it; raises Failed when the agent's time is over."""
    if isinstance(call, BadCall):
        await _refuse(bench, leg, state, call)
        return
    act = Act(bench, leg, state, call)
    try:
        async with asyncio.timeout(max(0.0, state.seconds_left(bench.now()))):
            await _make(act)
    except TimeoutError as late:
        if act.is_outside:
            # What was intended goes on, and without its result a reviewer is asked before anything ends.
            return
        raise Failed(Failure.TIME_LIMIT, f"Its agent time ran out during {call.tool.name}.") from late


async def take_result(bench: Bench, leg: Leg, state: State, call: Call) -> None:
    """The effect is settled, by its own result or by a reviewer's word; tell the agent."""
    row = state.effects[call.action_id]
    outcome = Outcome(row["result"], bool(row["is_error"]))
    entry = Act(bench, leg, state, call).entry(outcome)
    await bench.write(progress.note, leg, [entry], **ONE_CALL)


async def _refuse(bench: Bench, leg: Leg, state: State, call: BadCall) -> None:
    data = {"actionId": call.action_id, "tool": call.tool_name, "error": call.problem}
    message = conversation.dump(conversation.retried(state.part(call.action_id), call.problem))
    await bench.write(progress.note, leg, [Entry("tool-call", data, message)], **ONE_RETRY)


async def _make(act: Act) -> None:
    if not act.call.has_effect:
        await _read(act)
    elif act.is_recorded:
        await _record(act)
    else:
        await _perform_if_allowed(act)


async def _perform_if_allowed(act: Act) -> None:
    try:
        act.bench.catalog.require_live(act.call.tool.name, act.state.row["test_mode"])
    except Invalid as forbidden:
        outcome = Outcome(f"{forbidden.detail} Nothing was done.", is_error=True)
        await act.bench.write(progress.note, act.leg, [act.entry(outcome)], **outcome.counts)
    else:
        await _perform(act)


async def _read(act: Act) -> None:
    outcome = await _timed_call(act) or FAILED
    await act.bench.write(progress.note, act.leg, [act.entry(outcome)], **outcome.counts)


async def _record(act: Act) -> None:
    """A sandbox effect: its intent, its result, what it changed and the journal are one transaction."""
    outcome = await _timed_call(act) or FAILED

    def record(tx: Transaction, now: datetime) -> None:
        progress.note(tx, act.leg, [act.entry(outcome)], now, **outcome.counts)
        effects.intend(tx, act.intent, now)
        effects.finish(tx, act.call.action_id, outcome.result, now, is_error=outcome.is_error)
        workspace.change(tx, act.leg.execution_id, outcome.changes)

    await act.bench.write(record)


async def _perform(act: Act) -> None:
    """An effect outside the database. Cancelling the segment does not cancel what is under way."""

    def intend(tx: Transaction, now: datetime) -> None:
        progress.note(tx, act.leg, [Entry("effect-intended", act.call.shown())], now)
        effects.intend(tx, act.intent, now)

    await act.bench.write(intend)
    task = asyncio.create_task(_carry_through(act))
    act.bench.in_flight.add(task)
    await asyncio.shield(task)


async def _carry_through(act: Act) -> None:
    """Without a result or the tool's own word the intent stays open, and the gate finds it uncertain."""
    outcome = await _timed_call(act)
    if outcome is None:
        return
    entry = act.entry(outcome)

    def settle(tx: Transaction, now: datetime) -> bool:
        """The journal first, to lock in the order of everyone else; the result in any case."""
        row = apply(tx, act.leg.move([entry], values=outcome.counts), now)
        effects.finish(tx, act.call.action_id, outcome.result, now, is_error=outcome.is_error)
        if act.call.action_id in effects.of_execution(tx, act.leg.execution_id):
            # Else the execution was deleted meanwhile, and has no copy any more.
            workspace.change(tx, act.leg.execution_id, outcome.changes)
        return row is not None

    if not await act.bench.write(settle):
        raise LostSegment


async def _timed_call(act: Act) -> Outcome | None:
    """None when the tool broke and nobody knows what it did."""
    started = act.bench.now()
    with telemetry.tool_call(act.bench.tracer, act.call.tool.name, act.call.action_id) as span:
        outcome = await _call_tool(act)
        if outcome is None or outcome.is_error:
            telemetry.failed(span, "tool-error")
    elapsed = act.bench.now() - started
    return outcome and replace(outcome, duration_ms=int(elapsed.total_seconds() * 1000))


async def _call_tool(act: Act) -> Outcome | None:
    """A tool is foreign code: what it raises may hold secrets, so nobody but the log is told."""
    tool = act.call.tool
    perform = tool.record if act.is_recorded else tool.run
    try:
        async with asyncio.timeout(tool.timeout_seconds):
            return _outcome_of(await perform(act.call.arguments, act.context), act.bench.redact)
    except ToolFailed as failed:
        return Outcome(act.bench.redact(str(failed)), is_error=True)
    except TimeoutError:
        logger.warning("the tool %s gave no answer within %g s", tool.name, tool.timeout_seconds)
        sentence = f"The tool gave no answer within {tool.timeout_seconds:g} seconds."
        return None if act.call.has_effect else Outcome(sentence, is_error=True)
    except Exception:
        logger.exception("the tool %s failed", tool.name)
        return None


def _outcome_of(answer: Any, redact: Redactor) -> Outcome:
    changed = answer if isinstance(answer, Changed) else Changed(answer)
    return Outcome(_readable(changed.result, redact), changes=changed.changes)


def _readable(result: Any, redact: Redactor) -> Any:
    """The tool has answered, so what it did is known, even where its result cannot be read."""
    try:
        # JSON before anything is looked for in it: a secret may stand in whatever can be written as JSON.
        return _clipped(redact(kept(storable(result))))
    except (TypeError, ValueError, RecursionError):
        return UNREADABLE


def _clipped(result: Any) -> Any:
    """A result that is too long for a conversation is cut, and says so."""
    written = result if isinstance(result, str) else orjson.dumps(result).decode()
    left_out = len(written) - MOST_RESULT_CHARACTERS
    if left_out <= 0:
        return result
    return f"{written[:MOST_RESULT_CHARACTERS]}\n[Cut: {left_out} more characters.]"
