"""What follows when a process outside says nothing any more. Nobody else runs what it ran."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, exists, or_, select, type_coerce

from mixus.core.clock import to_ms
from mixus.core.database import Database, Row, Transaction
from mixus.evals import external, external_asking, external_effects, progress
from mixus.evals.external_asking import leg_of
from mixus.evals.external_rules import IS_EXTERNAL
from mixus.evals.lifecycle import Failure, Status
from mixus.evals.tables import effects, executions

# How long an effect that was begun may be without a result and without a sign of life of its process.
SILENCE: Final = timedelta(minutes=10)
BATCH: Final = 200


def sweep(database: Database, now: datetime) -> int:
    """Ask about effects that were begun and left, and end what has used its time; how many there were."""
    with database.snapshot() as tx:
        found = _overdue(tx, now)
    for execution_id in found:
        with database.transaction() as tx:
            _look_after(tx, execution_id, now)
    return len(found)


def _overdue(tx: Transaction, now: datetime) -> Sequence[str]:
    statement = select(executions.c.id).where(_is_overdue(now)).limit(BATCH)
    return tx.execute(statement).scalars().all()


def _look_after(tx: Transaction, execution_id: str, now: datetime) -> None:
    """Held and looked at again: its process may have come back meanwhile."""
    row = _held(tx, execution_id, now)
    if row is None:
        return
    actions = external_effects.open_actions(tx, execution_id)
    if actions:
        row = external.resumed(tx, row, now)
        external_asking.ask_uncertain(tx, row, actions, now)
    else:
        message = f"Its process used its {row['timeout_ms']} ms, or was gone."
        progress.fail(tx, leg_of(row), Failure.TIME_LIMIT, message, now)


def _held(tx: Transaction, execution_id: str, now: datetime) -> Row | None:
    statement = select(executions).where(executions.c.id == execution_id, _is_overdue(now))
    return tx.execute(statement.with_for_update()).mappings().one_or_none()


def _is_overdue(now: datetime) -> ColumnElement[bool]:
    """A decided one that nobody goes on with has time, but what it began before is still not known."""
    is_running = executions.c.status == Status.RUNNING
    is_going_on = is_running | (executions.c.status == Status.QUEUED)
    return IS_EXTERNAL & or_(is_going_on & _is_silent(now), is_running & _is_late(now))


def _is_silent(now: datetime) -> ColumnElement[bool]:
    is_open = exists().where(effects.c.execution_id == executions.c.id, effects.c.finished_at.is_(None))
    moment = now - SILENCE
    # `since`: one that waited for a decision has its ten minutes from there.
    return (executions.c.leased_at <= moment) & (executions.c.since <= moment) & is_open


def _is_late(now: datetime) -> ColumnElement[bool]:
    since = type_coerce(executions.c.since, BigInteger)
    return executions.c.agent_ms + to_ms(now) - since >= executions.c.timeout_ms
