"""Keys as they are stored: never the secret, only what recognises it; their use; the canary of the pepper."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from mixus.core.columns import Instant, Json
from mixus.core.database import metadata

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("accounts.id"), nullable=False),
    # The first key of a rotation's line; all of the line share one rate limit.
    Column("lineage_id", String(32), nullable=False),
    Column("replaced_by", String(32)),
    Column("name", String(80), nullable=False),
    Column("description", String(500), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("allow_live", Boolean, nullable=False),
    # HMAC-SHA-256 of the whole key; whoever can write here and lacks the pepper cannot mint a key.
    Column("lookup_hash", LargeBinary(32), nullable=False, unique=True),
    Column("pepper_id", String(8), nullable=False),
    Column("last4", String(4), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("disabled_at", Instant),
    Column("disabled_by", String(64)),
    Column("revoked_at", Instant),
    Column("revoked_by", String(64)),
    Column("revoke_reason", String(500)),
    Index("ix_keys_user_id_created_at", "user_id", "created_at"),
    Index("ix_keys_expires_at", "expires_at"),
)

key_canary = Table(
    "key_canary",
    metadata,
    # One row at most, so that of two processes with two peppers the second cannot plant its own.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("pepper_id", String(8), nullable=False),
    Column("song", LargeBinary(32), nullable=False),
)

key_usage = Table(
    "key_usage",
    metadata,
    Column("key_id", String(32), ForeignKey("keys.id"), primary_key=True),
    # Days since 1970-01-01 UTC; what is older than we keep by the day is added up under day 0.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("route", String(120), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    # Why the key itself was refused; empty where the request was answered.
    Column("refusal", String(32), primary_key=True),
    Column("scope", String(32)),
    Column("count", BigInteger, nullable=False),
    Index("ix_key_usage_day", "day"),
)

key_use = Table(
    "key_use",
    metadata,
    Column("key_id", String(32), ForeignKey("keys.id"), primary_key=True),
    # Totals of their own, which the days must add up to.
    Column("accepted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("last_used_at", Instant),
    Column("last_used_network", String(64)),
    Column("last_used_agent", String(200)),
    Column("last_refused_at", Instant),
    Column("last_refused_network", String(64)),
    Column("last_refused_agent", String(200)),
)

usage_writers = Table(
    "usage_writers",
    metadata,
    # One row per process: the number of its last batch, so that none is counted twice.
    Column("id", String(32), primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("at", Instant, nullable=False),
)

key_streams = Table(
    "key_streams",
    metadata,
    # Event streams and held polls that a process has open with a key.
    Column("writer_id", String(32), ForeignKey("usage_writers.id", ondelete="CASCADE"), primary_key=True),
    Column("key_id", String(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Index("ix_key_streams_key_id", "key_id"),
)

key_notices = Table(
    "key_notices",
    metadata,
    # One row per notice that was given, so that none is given twice however many look.
    Column("key_id", String(32), ForeignKey("keys.id"), primary_key=True),
    Column("notice", String(16), primary_key=True),
    Column("at", Instant, nullable=False),
)
