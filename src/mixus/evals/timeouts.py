"""What follows when nobody decides in time: another reviewer is asked once, then the execution ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from mixus.core import events
from mixus.core.clock import shown
from mixus.core.database import Row, Transaction
from mixus.core.errors import Invalid
from mixus.core.events import Actor
from mixus.evals import asks
from mixus.evals.asks import News
from mixus.evals.lifecycle import AFTER_TIMEOUT, TIMED_OUT, CheckpointStatus, OnTimeout, Status
from mixus.evals.tables import checkpoints, executions, trace
from mixus.evals.tasks import NewTask
from mixus.evals.transitions import Entry, Move, apply

SHORTEST_MS: Final = 60_000
LONGEST_MS: Final = 365 * 86_400_000
CLOCK: Final = Actor(None)


def columns(task: NewTask, reviewer: str) -> dict[str, Any]:
    """What an execution keeps of it. Raises Invalid for what has no sense together."""
    escalate_to = task.escalate_to and task.escalate_to.lower()
    if task.review_timeout_ms is None:
        dependent = {"escalateTo": escalate_to, "onReviewTimeout": task.on_review_timeout}
        for field in (name for name, value in dependent.items() if value is not None):
            raise Invalid(
                f"{field} goes with reviewTimeoutMs: say how long a reviewer may take.", field=field
            )
        return {"review_timeout_ms": None, "escalate_to": None, "on_review_timeout": None}
    if escalate_to == reviewer:
        raise Invalid(f"{reviewer} is the reviewer; name somebody else.", field="escalateTo")
    return {
        "review_timeout_ms": task.review_timeout_ms,
        "escalate_to": escalate_to,
        "on_review_timeout": task.on_review_timeout or OnTimeout.EXPIRE,
    }


def escalates(execution: Row) -> bool:
    """Whether somebody else is asked when the present reviewer does not decide in time. It moves once."""
    is_open = execution["escalate_to"] is not None and execution["escalated_at"] is None
    return is_open and execution["escalate_to"] != execution["assigned_reviewer"]


def first_reviewer(tx: Transaction, execution: Row) -> str:
    """Who is asked first when the same is run again: not whom it was escalated to."""
    reviewer = str(execution["assigned_reviewer"])
    if execution["escalated_at"] is None or reviewer != execution["escalate_to"]:
        return reviewer
    escalated = select(trace.c.data).where(
        trace.c.execution_id == execution["id"], trace.c.kind == "escalated"
    )
    data = tx.execute(escalated).scalar_one_or_none() or {}
    return str(data.get("from", reviewer))


def overdue(tx: Transaction, now: datetime, limit: int) -> Sequence[Row]:
    """Ids of checkpoints that should have been decided, and of their executions, longest overdue first."""
    statement = (
        select(checkpoints.c.id, checkpoints.c.execution_id)
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .where(_is_overdue(now), executions.c.status == Status.AWAITING)
        .order_by(checkpoints.c.due_at, checkpoints.c.id)
        .limit(limit)
    )
    return tx.execute(statement).mappings().all()


def settle(tx: Transaction, execution_id: str, checkpoint_id: str, now: datetime) -> None:
    """Ask the next reviewer, or end it. Nothing where it was decided, ended or settled meanwhile.

    The execution is held first, as by a decision: of the two one comes second and finds what the other did.
    """
    held = select(executions).where(executions.c.id == execution_id, executions.c.status == Status.AWAITING)
    execution = tx.execute(held.with_for_update()).mappings().one_or_none()
    late = select(checkpoints).where(checkpoints.c.id == checkpoint_id, _is_overdue(now))
    checkpoint = None if execution is None else tx.execute(late).mappings().one_or_none()
    if execution is None or checkpoint is None:
        return
    if escalates(execution):
        _escalate(tx, execution, checkpoint, now)
    else:
        _end(tx, execution, checkpoint, now)


def _escalate(tx: Transaction, execution: Row, checkpoint: Row, now: datetime) -> None:
    before, after = execution["assigned_reviewer"], execution["escalate_to"]
    due = asks.due_at(execution, now)
    entry = Entry(
        "escalated",
        {
            "checkpointId": checkpoint["id"],
            "attempt": checkpoint["attempt"],
            "from": before,
            "to": after,
            "dueAt": due and shown(due),
        },
    )
    values = {"assigned_reviewer": after, "escalated_at": now}
    apply(tx, Move(execution["id"], [entry], status=Status.AWAITING, values=values, is_seen=True), now)
    tx.execute(update(checkpoints).where(checkpoints.c.id == checkpoint["id"]).values(due_at=due))
    news = News(execution["id"], checkpoint["id"], checkpoint["attempt"], after, before)
    asks.announce(tx, asks.ESCALATED, news, CLOCK, now)


def _end(tx: Transaction, execution: Row, checkpoint: Row, now: datetime) -> None:
    on_timeout = execution["on_review_timeout"] or OnTimeout.EXPIRE
    checkpoint_status, to = AFTER_TIMEOUT[on_timeout]
    decided = {"status": checkpoint_status, "decision": TIMED_OUT, "decided_at": now, "due_at": None}
    tx.execute(update(checkpoints).where(checkpoints.c.id == checkpoint["id"]).values(**decided))
    data = {
        "checkpointId": checkpoint["id"],
        "stage": checkpoint["stage"],
        "attempt": checkpoint["attempt"],
        "action": TIMED_OUT,
        "hint": None,
        "comment": None,
        "by": None,
        "via": None,
        "edited": {},
    }
    end = {"checkpointId": checkpoint["id"], "by": None}
    entries = [
        Entry("decision", data),
        Entry("expired" if on_timeout is OnTimeout.EXPIRE else "rejected", end),
    ]
    apply(tx, Move(execution["id"], entries, to, status=Status.AWAITING), now)
    events.record(tx, "checkpoint.decided", checkpoint["id"], CLOCK, now, **data)


def _is_overdue(now: datetime) -> Any:
    return (checkpoints.c.status == CheckpointStatus.AWAITING) & (checkpoints.c.due_at <= now)
