"""The people of the team."""

from sqlalchemy import Column, String, Table

from mixus.accounts.principal import Role
from mixus.core.columns import Instant, Word
from mixus.core.database import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("role", Word(Role), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)
