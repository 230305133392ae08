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
    # The account, and the key or session that it used; none for a command on the server itself.
    Column("actor_id", String(64)),
    Column("credential_id", String(64)),
    Column("network", String(64)),
    Column("at", Instant, nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_events_subject_id_at", "subject_id", "at"),
    Index("ix_events_kind_at", "kind", "at"),
    Index("ix_events_at_id", "at", "id"),
    Index("ix_events_actor_id_at", "actor_id", "at"),
)


@dataclass(frozen=True)
class Actor:
    """Who did it: an account, and with what and from where, if over the network.

    Without an account it was a command on the server's own data, or the service itself.
    """

    id: str | None
    network: str | None = None
    credential_id: str | None = None


def record(tx: Transaction, kind: str, subject_id: str, actor: Actor, now: datetime, **data: Any) -> None:
    """Write one event in the caller's transaction. `kind` is `subject.verb`: `key.revoked`."""
    tx.execute(
        insert(events).values(
            id=new_id("evt"),
            kind=kind,
            subject_id=subject_id,
            actor_id=actor.id,
            credential_id=actor.credential_id,
            network=actor.network,
            at=now,
            data=data,
        )
    )
