"""The one way to change an execution: a conditional UPDATE that keeps time, numbers the trace and fences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, insert, literal, type_coerce, update

from mixus.core.clock import to_ms
from mixus.core.database import Row, Transaction
from mixus.evals.lifecycle import FINAL, REACHED_FROM, UNDECIDED, CheckpointStatus, Status
from mixus.evals.tables import checkpoints, executions, trace


@dataclass(frozen=True)
class Entry:
    """One line of the journal: `data` is shown, `message` is the model's side of it."""

    kind: str
    data: Mapping[str, Any]
    message: Any = None


@dataclass(frozen=True)
class Move:
    """A change of one execution. `to=None` writes to the journal and leaves the status.

    `seq`, `status` and `leased_at` are the fence: where one of them is no longer so, nothing is written.
    `is_takeover` counts the time since the lost worker's last sign of life as queued.
    """

    execution_id: str
    entries: Sequence[Entry] = ()
    to: Status | None = None
    seq: int | None = None
    status: Status | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    leased_at: datetime | None = None
    is_seen: bool = False
    is_takeover: bool = False


def apply(tx: Transaction, move: Move, now: datetime) -> Row | None:
    """The execution after the move, or None when its state did not allow it and nothing was written."""
    row = (
        tx.execute(
            update(executions)
            .where(executions.c.id == move.execution_id, *_conditions(move))
            .values(**_values(move, now))
            .returning(executions)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    _append(tx, row, move.entries, now)
    if move.to in FINAL:
        _skip_undecided(tx, move.execution_id)
    return row


def _conditions(move: Move) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if move.to is not None:
        conditions.append(executions.c.status.in_(REACHED_FROM[move.to]))
    if move.seq is not None:
        conditions.append(executions.c.seq == move.seq)
    if move.status is not None:
        conditions.append(executions.c.status == move.status)
    if move.leased_at is not None:
        conditions.append(executions.c.leased_at == move.leased_at)
    return conditions


def _values(move: Move, now: datetime) -> dict[str, Any]:
    values = dict(move.values)
    if move.entries:
        values["trace_count"] = executions.c.trace_count + len(move.entries)
    if move.to is not None or move.is_seen:
        values["version"] = executions.c.version + 1
    if move.to is not None:
        values |= _time_kept(move, now)
    return values


def _time_kept(move: Move, now: datetime) -> dict[str, Any]:
    """Book the time since the last change to the status that it was spent in.

    The clock of another process may be behind; time then stands still instead of running backwards.
    """
    since = type_coerce(executions.c.since, BigInteger)
    at = literal(to_ms(now), BigInteger)
    moment = case((since > at, since), else_=at)
    left = moment
    if move.is_takeover:
        leased = type_coerce(executions.c.leased_at, BigInteger)
        left = case((leased > moment, moment), (leased > since, leased), else_=since)
    status = executions.c.status
    values = {
        "queued_ms": executions.c.queued_ms
        + case((status == Status.QUEUED, moment - since), (status == Status.RUNNING, moment - left), else_=0),
        "agent_ms": executions.c.agent_ms + case((status == Status.RUNNING, left - since), else_=0),
        "waiting_ms": executions.c.waiting_ms + case((status == Status.AWAITING, moment - since), else_=0),
        "since": moment,
        "status": move.to,
    }
    if move.to in FINAL:
        values["finished_at"] = moment
    return values


def _append(tx: Transaction, row: Row, entries: Sequence[Entry], now: datetime) -> None:
    if not entries:
        return
    first = row["trace_count"] - len(entries) + 1
    tx.execute(
        insert(trace),
        [
            {
                "execution_id": row["id"],
                "number": first + index,
                "at": now,
                "kind": entry.kind,
                "data": entry.data,
                "message": entry.message,
            }
            for index, entry in enumerate(entries)
        ],
    )


def _skip_undecided(tx: Transaction, execution_id: str) -> None:
    tx.execute(
        update(checkpoints)
        .where(checkpoints.c.execution_id == execution_id, checkpoints.c.status.in_(UNDECIDED))
        .values(status=CheckpointStatus.SKIPPED, due_at=None)
    )
