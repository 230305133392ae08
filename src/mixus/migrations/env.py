"""What Alembic runs to migrate: on the connection, and in the transaction, that cli/database.py gives it."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import TypeDecorator

import mixus.accounts.tables
import mixus.core.deliveries
import mixus.core.events
import mixus.core.idempotency
import mixus.core.limits
import mixus.evals.tables
import mixus.keys.tables  # noqa: F401 - importing a room's tables adds them to the metadata
from mixus.core.database import metadata


def stored_type(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Scripts name what is stored; our own types may change their names."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making a new one.
    render_as_batch=True,
    render_item=stored_type,
)
with context.begin_transaction():
    context.run_migrations()
