"""What an agent's progress writes: each verb is one fenced transaction of a running segment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, literal, select, update

from mixus.core import clock, dispatch, events
from mixus.core.database import Row, Transaction
from mixus.core.events import Actor
from mixus.evals import asks
from mixus.evals.asks import News
from mixus.evals.lifecycle import CheckpointStatus, Failure, Source, Status
from mixus.evals.service import checkpoint_row, dispatch_segment
from mixus.evals.tables import checkpoints, executions, trace
from mixus.evals.tasks import NewCheckpoint
from mixus.evals.transitions import Entry, Move, apply

WORKER = Actor(None)


class LostSegment(Exception):
    """The execution was cancelled, deleted or taken over: whoever holds this segment writes nothing more."""


@dataclass(frozen=True)
class Leg:
    """The segment that a worker is running: its fence."""

    execution_id: str
    seq: int
    worker_id: str

    def move(
        self, entries: Sequence[Entry], to: Status | None = None, values: Mapping[str, Any] | None = None
    ) -> Move:
        """A change that only whoever runs this segment can make. Who makes one is not stuck."""
        changed = {"takeovers": 0, **(values or {})}
        return Move(self.execution_id, entries, to, self.seq, Status.RUNNING, changed)


@dataclass(frozen=True)
class Pause:
    """What a reviewer is asked, at a checkpoint that is already there or at a new one."""

    checkpoint_id: str
    is_new: bool
    source: Source
    spec: NewCheckpoint
    work: str
    actions: Sequence[Mapping[str, Any]]
    digests: Mapping[str, str]


def claim(tx: Transaction, leg: Leg, now: datetime) -> Row | None:
    """Begin the segment; None when it is no longer the one to run."""
    started = func.coalesce(executions.c.started_at, literal(now, executions.c.started_at.type))
    values = {"worker_id": leg.worker_id, "leased_at": now, "started_at": started}
    entry = Entry("started", {"segment": leg.seq})
    return apply(tx, Move(leg.execution_id, [entry], to=Status.RUNNING, seq=leg.seq, values=values), now)


def note(tx: Transaction, leg: Leg, entries: Sequence[Entry], now: datetime, **values: Any) -> Row:
    """Write to the journal, and the counts that go with it."""
    return _write(tx, leg.move(entries, values=values), now)


def plan(tx: Transaction, leg: Leg, entry: Entry, steps: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Keep the agent's plan; the status shows it from here on."""
    _write(tx, replace(leg.move([entry], values={"plan": list(steps)}), is_seen=True), now)


def pause(tx: Transaction, leg: Leg, ask: Pause, now: datetime) -> None:
    """Hand over to the reviewer: the execution waits as rows from here on."""
    entry = Entry("checkpoint", _asked(ask))
    row = _write(tx, leg.move([entry], to=Status.AWAITING), now)
    attempt = _raise(tx, row, ask, CheckpointStatus.AWAITING, now)
    news = News(row["id"], ask.checkpoint_id, attempt, row["assigned_reviewer"])
    asks.announce(tx, asks.AWAITING, news, WORKER, now)


def pass_by(tx: Transaction, leg: Leg, ask: Pause, now: datetime) -> None:
    """The baseline: record the pause that would have been, and go on."""
    entry = Entry("checkpoint-skipped", _asked(ask))
    row = _write(tx, replace(leg.move([entry]), is_seen=True), now)
    _raise(tx, row, ask, CheckpointStatus.SKIPPED, now)


def complete(
    tx: Transaction, leg: Leg, answer: str, now: datetime, *, score: Mapping[str, Any] | None = None
) -> None:
    """`score` is how the answer compares to what was expected; None where nothing was."""
    entry = Entry("completed", {"result": answer} | ({"score": score} if score else {}))
    values = {"result": answer, "score": score, "passed": score and score["passed"]}
    _write(tx, leg.move([entry], to=Status.COMPLETED, values=values), now)
    events.record(tx, "execution.completed", leg.execution_id, WORKER, now)


def fail(tx: Transaction, leg: Leg, code: Failure, message: str, now: datetime) -> None:
    entry = Entry("failed", {"code": code.value, "message": message})
    values = {"error_code": code.value, "error_message": message}
    _write(tx, leg.move([entry], to=Status.FAILED, values=values), now)
    events.record(tx, "execution.failed", leg.execution_id, WORKER, now, code=code.value)


@dataclass(frozen=True)
class Parked:
    """How often in a row the provider was down, and since when (None where it is not)."""

    times: int
    since: datetime | None


def parked(tx: Transaction, execution_id: str) -> Parked:
    times = tx.execute(select(executions.c.parks).where(executions.c.id == execution_id)).scalar_one_or_none()
    if not times:
        return Parked(0, None)
    latest = (
        select(trace.c.at)
        .where(trace.c.execution_id == execution_id, trace.c.kind == "parked")
        .order_by(trace.c.number.desc())
        .limit(times)
    )
    return Parked(times, min(tx.execute(latest).scalars(), default=None))


def park(tx: Transaction, leg: Leg, reason: str, delay_seconds: float, now: datetime) -> None:
    """The provider is down: the execution is queued, and comes back after the delay."""
    retry_at = now + timedelta(seconds=delay_seconds)
    entry = Entry("parked", {"reason": reason, "retryAt": clock.shown(retry_at)})
    values = {"seq": executions.c.seq + 1, "parks": executions.c.parks + 1}
    row = _write(tx, leg.move([entry], to=Status.QUEUED, values=values), now)
    dispatch_segment(tx, row, dispatch.RESUMED, delay_seconds)


def journal_after(tx: Transaction, execution_id: str, number: int) -> list[Row]:
    return list(
        tx.execute(
            select(trace)
            .where(trace.c.execution_id == execution_id, trace.c.number > number)
            .order_by(trace.c.number)
        )
        .mappings()
        .all()
    )


def _write(tx: Transaction, move: Move, now: datetime) -> Row:
    row = apply(tx, move, now)
    if row is None:
        raise LostSegment
    return row


def _asked(ask: Pause) -> dict[str, Any]:
    return {
        "checkpointId": ask.checkpoint_id,
        "stage": ask.spec.stage,
        "source": ask.source.value,
        "actions": list(ask.actions),
    }


def _raise(tx: Transaction, execution: Row, ask: Pause, status: CheckpointStatus, now: datetime) -> int:
    """Show the checkpoint as it is now; the attempt that this is."""
    is_skipped = status is CheckpointStatus.SKIPPED
    shown = {
        "status": status,
        "requested_at": now,
        "due_at": None if is_skipped else asks.due_at(execution, now),
        **asks.UNSEEN,
        "work": ask.work,
        "proposed_actions": list(ask.actions),
        "digests": dict(ask.digests),
        "effective_actions": list(ask.actions) if is_skipped else [],
    }
    if not ask.is_new:
        asked = {**asdict(ask.spec), "source": ask.source, **shown}
        statement = update(checkpoints).where(checkpoints.c.id == ask.checkpoint_id).values(**asked)
        return int(tx.execute(statement.returning(checkpoints.c.attempt)).scalar_one())
    row = {**checkpoint_row(ask.spec, ask.source, status), **shown, "id": ask.checkpoint_id}
    position = _next_position(tx, execution["id"])
    tx.execute(insert(checkpoints).values(**row, execution_id=execution["id"], position=position))
    return int(row["attempt"])


def _next_position(tx: Transaction, execution_id: str) -> int:
    last = tx.execute(
        select(func.max(checkpoints.c.position)).where(checkpoints.c.execution_id == execution_id)
    ).scalar_one()
    return int(last or 0) + 1
