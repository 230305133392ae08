"""How often something may happen: a sliding log, in memory or on a row of Postgres."""

from sqlalchemy import BigInteger, Column, String, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from mixus.core.database import metadata

rate_windows = Table(
    "rate_windows",
    metadata,
    # On Postgres UNLOGGED: a crash of the database forgets the last window. Stays empty on SQLite.
    Column("name", String(128), primary_key=True),
    # When each was admitted, oldest first: microseconds of the database's clock since 1970.
    Column("admitted", ARRAY(BigInteger).with_variant(Text, "sqlite"), nullable=False),
)
