"""Answers kept under the client's Idempotency-Key, so that a request that is sent twice acts once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Index, Integer, String, Table, delete, select, update

from mixus.core.columns import Instant, Json
from mixus.core.database import Transaction, metadata, upsert
from mixus.core.errors import Conflict

KEPT: Final = timedelta(hours=24)

idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", String(32), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    # Of method, path and body: the same key with another request is a mistake of the client.
    Column("digest", String(64), nullable=False),
    Column("status", Integer),
    Column("body", Json),
    Column("created_at", Instant, nullable=False),
    Index("ix_idempotency_created_at", "created_at"),
)


class IdempotencyMismatch(Conflict):
    code = "idempotency-mismatch"


@dataclass(frozen=True)
class Ticket:
    """One request, as its sender names it."""

    user_id: str
    key: str
    digest: str


@dataclass(frozen=True)
class Kept:
    """The answer to a request that was carried out before."""

    status: int
    body: Any


def claim(tx: Transaction, ticket: Ticket, now: datetime) -> Kept | None:
    """None when this transaction is the one that acts; else the answer of the one that did.

    A rival with the same key waits here until the first has committed or is rolled back: the primary
    key decides, on both stores.
    """
    fresh = {"digest": ticket.digest, "status": None, "body": None, "created_at": now}
    statement = (
        upsert(tx, idempotency)
        .values(user_id=ticket.user_id, idempotency_key=ticket.key, **fresh)
        .on_conflict_do_update(
            index_elements=["user_id", "idempotency_key"],
            set_=fresh,
            where=idempotency.c.created_at <= now - KEPT,
        )
        .returning(idempotency.c.digest)
    )
    return None if tx.execute(statement).one_or_none() else _kept(tx, ticket)


def keep(tx: Transaction, ticket: Ticket, answer: Kept) -> None:
    tx.execute(update(idempotency).where(*_named(ticket)).values(status=answer.status, body=answer.body))


def forget_old(tx: Transaction, now: datetime) -> int:
    """Delete what is no longer kept; how many there were."""
    return tx.execute(delete(idempotency).where(idempotency.c.created_at <= now - KEPT)).rowcount


def _kept(tx: Transaction, ticket: Ticket) -> Kept:
    row = tx.execute(select(idempotency).where(*_named(ticket))).one()
    if row.digest != ticket.digest:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used for another request; take a new key for each request."
        )
    return Kept(row.status, row.body)


def _named(ticket: Ticket) -> tuple[Any, Any]:
    return idempotency.c.user_id == ticket.user_id, idempotency.c.idempotency_key == ticket.key
