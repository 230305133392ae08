"""What a reviewer reads: his queue, one checkpoint with all that surrounds it, and what he decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, literal, select, tuple_

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import from_ms, to_ms
from mixus.core.database import Row, Transaction
from mixus.core.errors import NotFound
from mixus.core.events import events
from mixus.core.pages import Page, cut, place_of
from mixus.evals import access
from mixus.evals.lifecycle import CheckpointStatus
from mixus.evals.tables import checkpoints, executions

EXECUTION: Final = "exe_"
RECENTLY: Final = timedelta(days=30)
MOST_DECIDED: Final = 25

# Beside the columns of a checkpoint.
_execution = [
    executions.c[name]
    for name in ("task_name", "model", "environment", "test_mode", "assigned_reviewer", "user_id")
]
_queued: Select[Any] = select(checkpoints, *_execution).join(
    executions, executions.c.id == checkpoints.c.execution_id
)


class Tab(StrEnum):
    MINE = "mine"
    OVERDUE = "overdue"
    ALL = "all"
    DECIDED = "decided"


@dataclass(frozen=True)
class Desk:
    """A checkpoint, its execution, and the execution's other checkpoints in order."""

    execution: Row
    checkpoint: Row
    others: Sequence[Row]

    @property
    def attempt(self) -> int:
        return int(self.checkpoint["attempt"])

    def is_open(self, attempt: int) -> bool:
        """Whether this attempt of it can still be decided."""
        return self.checkpoint["status"] is CheckpointStatus.AWAITING and self.attempt == attempt


@dataclass(frozen=True)
class Neighbours:
    """In the reviewer's own queue."""

    before: Row | None
    after: Row | None


def missing_review(review_id: str) -> NotFound:
    """The same answer for what is not there and for what is another's."""
    return NotFound(f"There is no checkpoint {access.printable(review_id)} that you may see.")


def queue(
    tx: Transaction, principal: Principal, tab: Tab, now: datetime, limit: int, cursor: str | None
) -> Page[Row]:
    """What waits, longest first. Overdue is of one's own, and for who sees all, of all."""
    principal.require(Scope.READ)
    statement = _queued.where(checkpoints.c.status == CheckpointStatus.AWAITING, _of(tab, principal, now))
    statement = statement.order_by(checkpoints.c.requested_at, checkpoints.c.id).limit(limit + 1)
    if cursor is not None:
        at, checkpoint_id = place_of(cursor)
        statement = statement.where(_order() > _place(from_ms(at), checkpoint_id))
    rows = tx.execute(statement).mappings().all()
    return cut(rows, limit, lambda row: (to_ms(row["requested_at"]), row["id"]))


def decided_by(tx: Transaction, principal: Principal, now: datetime) -> Sequence[Row]:
    """One's own decisions of late, hints too, newest first; each with `at` and `data` of its event."""
    principal.require(Scope.READ)
    statement = (
        select(*_queued.selected_columns, events.c.at, events.c.data)
        .join_from(events, checkpoints, checkpoints.c.id == events.c.subject_id)
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .where(
            events.c.actor_id == principal.user_id,
            events.c.kind == "checkpoint.decided",
            events.c.at > now - RECENTLY,
            access.visible_to(principal),
        )
        .order_by(events.c.at.desc(), events.c.id.desc())
        .limit(MOST_DECIDED)
    )
    return tx.execute(statement).mappings().all()


def desk_of(tx: Transaction, principal: Principal, review_id: str) -> Desk:
    """By a checkpoint's id; or by an execution's, and then the one that waits, or was asked last."""
    principal.require(Scope.READ)
    of = (
        executions.c.id == review_id
        if review_id.startswith(EXECUTION)
        else executions.c.id.in_(select(checkpoints.c.execution_id).where(checkpoints.c.id == review_id))
    )
    execution = tx.execute(select(executions).where(of)).mappings().one_or_none()
    if execution is None or not access.is_visible(execution, principal):
        raise missing_review(review_id)
    found = select(checkpoints).where(checkpoints.c.execution_id == execution["id"])
    rows = tx.execute(found.order_by(checkpoints.c.position)).mappings().all()
    if not rows:
        raise missing_review(review_id)
    wanted = next((row for row in rows if row["id"] == review_id), None) or max(rows, key=_last_move)
    return Desk(execution, wanted, [row for row in rows if row["id"] != wanted["id"]])


def why_not(principal: Principal, execution: Row) -> str | None:
    """Why this caller may not decide, and who may; None where he may."""
    reviewer = execution["assigned_reviewer"]
    if not principal.may(Scope.MANAGE):
        return (
            f"Viewers see everything and decide nothing. The reviewer is {reviewer}; admins may decide too."
        )
    if not access.may_decide(execution, principal):
        is_maker = execution["user_id"] == principal.user_id
        whose = "You started this execution, so another person decides" if is_maker else "Another one decides"
        return f"{whose}: its reviewer {reviewer}, or an admin."
    if access.needs_person(execution, principal):
        return "This is live: who decides it signs in."
    return None


def neighbours(tx: Transaction, principal: Principal, checkpoint: Row) -> Neighbours:
    """Of one that waits: what waits longer and what waits less. Of any other: what waits longest."""
    mine = _queued.where(
        checkpoints.c.status == CheckpointStatus.AWAITING,
        executions.c.assigned_reviewer == principal.email,
        checkpoints.c.id != checkpoint["id"],
    )
    forwards = mine.order_by(checkpoints.c.requested_at, checkpoints.c.id).limit(1)
    if checkpoint["status"] is not CheckpointStatus.AWAITING:
        return Neighbours(None, _first(tx, forwards))
    here = _place(checkpoint["requested_at"], checkpoint["id"])
    backwards = mine.order_by(checkpoints.c.requested_at.desc(), checkpoints.c.id.desc()).limit(1)
    return Neighbours(
        _first(tx, backwards.where(_order() < here)), _first(tx, forwards.where(_order() > here))
    )


def _of(tab: Tab, principal: Principal, now: datetime) -> ColumnElement[bool]:
    mine = executions.c.assigned_reviewer == principal.email
    if tab is Tab.ALL:
        return access.visible_to(principal)
    if tab is Tab.OVERDUE:
        whose = access.visible_to(principal) if principal.sees_all else mine
        return whose & (checkpoints.c.due_at <= now)
    return mine


def _first(tx: Transaction, statement: Select[Any]) -> Row | None:
    return tx.execute(statement).mappings().first()


def _order() -> Any:
    return tuple_(checkpoints.c.requested_at, checkpoints.c.id)


def _place(at: datetime, checkpoint_id: str) -> Any:
    return tuple_(literal(at, checkpoints.c.requested_at.type), literal(checkpoint_id))


def _last_move(row: Row) -> tuple[bool, int, int]:
    """What waits comes before what was decided, and that before what nobody was asked."""
    moments = [row["requested_at"], row["decided_at"]]
    latest = max((to_ms(moment) for moment in moments if moment is not None), default=0)
    return row["status"] is CheckpointStatus.AWAITING, latest, len(row["hints"])
