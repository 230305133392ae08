"""The append-only record of what happened: the audit, and where mails and webhooks leave from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Table, insert

from mixus.core.columns import Instant, Json
from mixus.core.database import Transaction, metadata
from mixus.core.ids import new_id

events = Table(
    "events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("actor_id", String(64)),
    Column("network", String(64)),
    Column("at", Instant, nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_events_subject_id_at", "subject_id", "at"),
)


@dataclass(frozen=True)
class Actor:
    """Who did it: an account or key id, and the network that the request came from, where there was one."""

    id: str | None
    network: str | None = None


def record(tx: Transaction, kind: str, subject_id: str, actor: Actor, now: datetime, **data: Any) -> None:
    """Write one event in the caller's transaction. `kind` is `subject.verb`: `key.revoked`."""
    tx.execute(
        insert(events).values(
            id=new_id("evt"),
            kind=kind,
            subject_id=subject_id,
            actor_id=actor.id,
            network=actor.network,
            at=now,
            data=data,
        )
    )
