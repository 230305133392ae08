"""What leaves the house because of an event: one row per recipient, made once, tried until it arrives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    case,
    func,
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
# So many go at once to one recipient within the window; what comes then leaves together at its end.
AT_ONCE: Final = 3
WINDOW: Final = timedelta(minutes=10)
# Any number, the same in every release and no other lock's.
GATHERING_LOCK: Final = 7_215_308_442

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
    # The delivery whose mail this one goes with; it is never tried by itself.
    Column("carried_by", String(32)),
    UniqueConstraint("event_id", "channel", "recipient"),
    Index("ix_deliveries_next_at", "next_at"),
    Index("ix_deliveries_carried_by", "carried_by"),
    Index("ix_deliveries_recipient_created_at", "recipient", "created_at"),
)


class Channel(StrEnum):
    """How it leaves, and what about: each is planned, and gathered, by itself."""

    MAIL = "mail"
    REVIEW_MAIL = "review-mail"


@dataclass(frozen=True)
class Delivery:
    """One that was claimed, to be tried now by whoever claimed it. `attempts` includes this one.

    `event_ids` are its own and those that it carries.
    """

    id: str
    event_ids: Sequence[str]
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


def gather(tx: Transaction, channel: Channel, event_id: str, recipient: str, now: datetime) -> None:
    """Plan one, and keep a flood away: after `AT_ONCE` within `WINDOW` the rest goes together at its end.

    Whoever gathers does so alone (`gather_alone`), or two would each count less than there are.
    """
    carrier = _open_carrier(tx, channel, recipient, now)
    recent = [] if carrier else _recent(tx, channel, recipient, now)
    # A clock may have been ahead for a while: nothing waits longer than the window for that.
    next_at = now if len(recent) < AT_ONCE else min(*recent, now) + WINDOW
    row = {
        "id": new_id("dlv"),
        "event_id": event_id,
        "channel": channel,
        "recipient": recipient,
        "created_at": now,
        "attempts": 0,
        "next_at": None if carrier else next_at,
        "carried_by": carrier,
    }
    tx.execute(upsert(tx, deliveries).values(row).on_conflict_do_nothing())


def gather_alone(tx: Transaction) -> None:
    """Wait for everybody else who gathers. SQLite has one writer at a time anyway."""
    if tx.connection.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(GATHERING_LOCK)))


def _open_carrier(tx: Transaction, channel: Channel, recipient: str, now: datetime) -> str | None:
    """The one that is still to leave, held, so that nobody claims it before it has been added to."""
    found = (
        select(deliveries.c.id)
        .where(
            *_mails_of(channel, recipient),
            deliveries.c.attempts == 0,
            deliveries.c.next_at > now,
            deliveries.c.next_at <= now + WINDOW,
            deliveries.c.next_at > deliveries.c.created_at,
        )
        .order_by(deliveries.c.next_at)
        .limit(1)
        .with_for_update()
    )
    carrier: str | None = tx.execute(found).scalar_one_or_none()
    return carrier


def _recent(tx: Transaction, channel: Channel, recipient: str, now: datetime) -> Sequence[datetime]:
    recent = select(deliveries.c.created_at).where(
        *_mails_of(channel, recipient), deliveries.c.created_at > now - WINDOW
    )
    return tx.execute(recent).scalars().all()


def _mails_of(channel: Channel, recipient: str) -> Sequence[ColumnElement[bool]]:
    own = deliveries.c.carried_by.is_(None)
    return (deliveries.c.channel == channel, deliveries.c.recipient == recipient, own)


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
    if row is None:
        return None
    carried = select(deliveries.c.event_id).where(deliveries.c.carried_by == row.id)
    event_ids = [row.event_id, *tx.execute(carried.order_by(deliveries.c.created_at)).scalars()]
    return Delivery(row.id, event_ids, row.recipient, row.attempts)


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
    """Of what was claimed anew since then, the new claimer has the say. What it carries fares as it does."""
    mine = (deliveries.c.id == delivery.id) & (deliveries.c.attempts == delivery.attempts)
    noted = tx.execute(
        update(deliveries).where(mine, deliveries.c.delivered_at.is_(None)).values(**values)
    ).rowcount
    if noted:
        carried = deliveries.c.carried_by == delivery.id
        tx.execute(update(deliveries).where(carried).values({**values, "next_at": None}))


def _after_a_crash(now: datetime) -> Any:
    """When it is due again if nothing is noted any more."""
    pauses = {number: literal(now + max(pause, LEASE), Instant) for number, pause in enumerate(BACK_OFF)}
    return case(pauses, value=deliveries.c.attempts, else_=literal(now + BACK_OFF[-1], Instant))
