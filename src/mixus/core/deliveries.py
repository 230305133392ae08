"""What leaves the house because of an event: one row per recipient, made once, tried until it arrives."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    case,
    literal,
    select,
    update,
)

from mixus.core.columns import Instant
from mixus.core.database import Transaction, metadata, upsert
from mixus.core.ids import new_id

# How long after each failure it is tried again; after the last of these it is given up.
BACK_OFF: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
)
# Longer than a slow receiver takes to answer, so that none sends what another is still sending.
LEASE: Final = timedelta(minutes=5)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("event_id", String(32), ForeignKey("events.id"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("recipient", String(254), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it may be tried; moved on by whoever tries it, so that no other does meanwhile.
    Column("next_at", Instant),
    Column("delivered_at", Instant),
    Column("failure", String(200)),
    UniqueConstraint("event_id", "channel", "recipient"),
    Index("ix_deliveries_next_at", "next_at"),
)


class Channel(StrEnum):
    MAIL = "mail"


@dataclass(frozen=True)
class Delivery:
    """One that was claimed, to be tried now by whoever claimed it. `attempts` includes this one."""

    id: str
    event_id: str
    recipient: str
    attempts: int


def plan(tx: Transaction, channel: Channel, addressed: Iterable[tuple[str, str]], now: datetime) -> None:
    """One delivery for each event id and recipient; what was planned before is left as it is."""
    planned = [
        {
            "id": new_id("dlv"),
            "event_id": event_id,
            "channel": channel,
            "recipient": recipient,
            "created_at": now,
            "attempts": 0,
            "next_at": now,
        }
        for event_id, recipient in addressed
    ]
    if planned:
        tx.execute(upsert(tx, deliveries).values(planned).on_conflict_do_nothing())


def claim(tx: Transaction, channel: Channel, now: datetime) -> Delivery | None:
    """The one that has been due for longest, if any. Commit before acting on it.

    Of two that claim at once the second gets another one, or none. When the claimer dies before it notes
    what became of it, the delivery is due again after a while: so it may arrive twice, and is never lost.
    """
    waiting = deliveries.alias()
    first = (
        select(waiting.c.id)
        .where(
            waiting.c.channel == channel,
            waiting.c.next_at <= now,
            # Also what crashes whoever tries it is given up in the end.
            waiting.c.attempts <= len(BACK_OFF),
        )
        .order_by(waiting.c.next_at, waiting.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = tx.execute(
        update(deliveries)
        .where(deliveries.c.id == first.scalar_subquery(), deliveries.c.next_at <= now)
        .values(attempts=deliveries.c.attempts + 1, next_at=_after_a_crash(now))
        .returning(deliveries.c.id, deliveries.c.event_id, deliveries.c.recipient, deliveries.c.attempts)
    ).one_or_none()
    return None if row is None else Delivery(row.id, row.event_id, row.recipient, row.attempts)


def arrived(tx: Transaction, delivery: Delivery, now: datetime) -> None:
    _note(tx, delivery, next_at=None, delivered_at=now, failure=None)


def failed(tx: Transaction, delivery: Delivery, failure: str, now: datetime) -> None:
    """`failure` is a few words of ours; what a server says may hold anything."""
    pauses = BACK_OFF[delivery.attempts - 1 : delivery.attempts]
    _note(tx, delivery, next_at=now + pauses[0] if pauses else None, failure=failure)


def drop(tx: Transaction, delivery: Delivery, reason: str) -> None:
    """It is not needed any more, and is never tried again."""
    _note(tx, delivery, next_at=None, failure=reason)


def _note(tx: Transaction, delivery: Delivery, **values: Any) -> None:
    """Of what was claimed anew since then, the new claimer has the say."""
    mine = (deliveries.c.id == delivery.id) & (deliveries.c.attempts == delivery.attempts)
    tx.execute(update(deliveries).where(mine, deliveries.c.delivered_at.is_(None)).values(**values))


def _after_a_crash(now: datetime) -> Any:
    """When it is due again if nothing is noted any more."""
    pauses = {number: literal(now + max(pause, LEASE), Instant) for number, pause in enumerate(BACK_OFF)}
    return case(pauses, value=deliveries.c.attempts, else_=literal(now + BACK_OFF[-1], Instant))
