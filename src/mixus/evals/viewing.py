"""When a checkpoint was first opened by somebody who may decide it, and how long he worked at its page."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, case, func, literal, type_coerce, update

from mixus.core.clock import to_ms
from mixus.core.database import Transaction
from mixus.evals.lifecycle import CheckpointStatus
from mixus.evals.tables import checkpoints


def note_view(tx: Transaction, checkpoint_id: str, attempt: int, now: datetime) -> None:
    """The first look of this ask; later ones change nothing. The caller checks `access.may_decide`."""
    tx.execute(
        update(checkpoints)
        .where(
            *_awaits(checkpoint_id, attempt),
            checkpoints.c.first_viewed_at.is_(None),
        )
        .values(first_viewed_at=now)
    )


def note_active(tx: Transaction, checkpoint_id: str, attempt: int, milliseconds: int, now: datetime) -> None:
    """Add what a page measured, never beyond the time since the first look: a page may say anything.

    The caller checks `access.may_decide`. Of an attempt that no longer waits nothing is counted: its page
    may still be open when the next one is asked for.
    """
    at = literal(to_ms(now), BigInteger)
    first = func.coalesce(type_coerce(checkpoints.c.first_viewed_at, BigInteger), at)
    before = func.coalesce(checkpoints.c.active_review_ms, 0)
    room, after = at - first, before + max(milliseconds, 0)
    # The clock of another process may be ahead: what was counted stays counted.
    bounded = case((room < before, before), (after > room, room), else_=after)
    tx.execute(
        update(checkpoints)
        .where(*_awaits(checkpoint_id, attempt))
        .values(active_review_ms=bounded, first_viewed_at=first)
    )


def note_told(tx: Transaction, checkpoint_id: str, attempt: int, now: datetime) -> None:
    """The mail server took the first mail about this ask."""
    tx.execute(
        update(checkpoints)
        .where(
            checkpoints.c.id == checkpoint_id,
            checkpoints.c.attempt == attempt,
            checkpoints.c.notified_at.is_(None),
        )
        .values(notified_at=now)
    )


def _awaits(checkpoint_id: str, attempt: int) -> Sequence[ColumnElement[bool]]:
    is_same = (checkpoints.c.id == checkpoint_id, checkpoints.c.attempt == attempt)
    return (*is_same, checkpoints.c.status == CheckpointStatus.AWAITING)
