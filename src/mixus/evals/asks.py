"""One ask of a reviewer: when it is due, what is known of how it was met, and the event that tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from mixus.core import events
from mixus.core.clock import MILLISECOND, shown
from mixus.core.database import Row, Transaction
from mixus.core.events import Actor
from mixus.evals.lifecycle import CheckpointStatus
from mixus.evals.tables import checkpoints

# What an ask begins with.
UNSEEN: Final[Mapping[str, None]] = {"notified_at": None, "first_viewed_at": None, "active_review_ms": None}

# Somebody is to decide who was not to decide before; a mail to him follows from each.
AWAITING: Final = "checkpoint.awaiting"
ESCALATED: Final = "checkpoint.escalated"
REASSIGNED: Final = "checkpoint.reassigned"


@dataclass(frozen=True)
class News:
    """Whose it is to decide from now on, and whose it was."""

    execution_id: str
    checkpoint_id: str
    attempt: int
    after: str
    before: str | None = None


def due_at(execution: Row, now: datetime) -> datetime | None:
    """When a decision is due that is asked for now."""
    timeout_ms = execution["review_timeout_ms"]
    return None if timeout_ms is None else now + timeout_ms * MILLISECOND


def seen(checkpoint: Row) -> dict[str, Any]:
    """What a hint keeps of the ask that it ends."""
    moments = {
        "requestedAt": checkpoint["requested_at"],
        "notifiedAt": checkpoint["notified_at"],
        "firstViewedAt": checkpoint["first_viewed_at"],
    }
    spelled = {name: None if at is None else shown(at) for name, at in moments.items()}
    return {**spelled, "activeReviewMs": checkpoint["active_review_ms"]}


def announce(tx: Transaction, kind: str, news: News, actor: Actor, now: datetime) -> None:
    events.record(
        tx,
        kind,
        news.checkpoint_id,
        actor,
        now,
        executionId=news.execution_id,
        attempt=news.attempt,
        before=news.before,
        after=news.after,
    )


def hand_over(tx: Transaction, before: Row, after: Row, actor: Actor, now: datetime) -> None:
    """Of the execution before and after a change: where another reviewer is to decide, say so."""
    if before["assigned_reviewer"] == after["assigned_reviewer"]:
        return
    awaiting = select(checkpoints.c.id, checkpoints.c.attempt).where(
        checkpoints.c.execution_id == after["id"], checkpoints.c.status == CheckpointStatus.AWAITING
    )
    for row in tx.execute(awaiting).all():
        news = News(after["id"], row.id, row.attempt, after["assigned_reviewer"], before["assigned_reviewer"])
        announce(tx, REASSIGNED, news, actor, now)
