"""Keys as they are stored: never the secret, only what recognises it; and the canary of the pepper."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from mixus.core.columns import Instant, Json
from mixus.core.database import metadata

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("description", String(500), nullable=False),
    Column("scopes", Json, nullable=False),
    # HMAC-SHA-256 of the whole key; whoever can write here and lacks the pepper cannot mint a key.
    Column("lookup_hash", LargeBinary(32), nullable=False, unique=True),
    Column("pepper_id", String(8), nullable=False),
    Column("last4", String(4), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("disabled_at", Instant),
    Column("revoked_at", Instant),
    Column("revoked_by", String(64)),
    Column("revoke_reason", String(500)),
    Index("ix_keys_user_id_created_at", "user_id", "created_at"),
)

key_canary = Table(
    "key_canary",
    metadata,
    # One row at most, so that of two processes with two peppers the second cannot plant its own.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("pepper_id", String(8), nullable=False),
    Column("song", LargeBinary(32), nullable=False),
)
