"""The people of the team, their sign-ins, and the one-time links that let them in."""

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Table

from mixus.accounts.principal import Role
from mixus.core.columns import Instant, Word
from mixus.core.database import metadata


class Purpose(StrEnum):
    """What a one-time link is for."""

    FIRST_ACCOUNT = "first-account"
    INVITATION = "invitation"
    PASSWORD = "password"  # noqa: S105 - a word, not a password


accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("role", Word(Role), nullable=False),
    # Argon2id with its parameters and salt; none until the person has chosen a password.
    Column("password_hash", String(255)),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("accounts.id"), nullable=False),
    # SHA-256 of 256 random bits: what is stored here opens nothing.
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("network", String(64)),
    Column("agent", String(200)),
    Column("ended_at", Instant),
    Index("ix_sessions_user_id_created_at", "user_id", "created_at"),
)

links = Table(
    "links",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("purpose", Word(Purpose), nullable=False),
    # Whose password it sets; none for the first account and for an invitation.
    Column("user_id", String(32), ForeignKey("accounts.id")),
    Column("email", String(254)),
    Column("role", Word(Role)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)
