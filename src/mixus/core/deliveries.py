"""What leaves the house because of an event: one row per recipient, made once, tried until it arrives."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from mixus.core.columns import Instant
from mixus.core.database import metadata

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
