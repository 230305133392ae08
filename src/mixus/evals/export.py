"""All executions of a selection, page by page: no page needs the transaction of the one before."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import literal, select, tuple_

from mixus.accounts.principal import Principal, Scope
from mixus.core.database import Read, Row, Transaction
from mixus.evals import access, queries
from mixus.evals.lifecycle import REHEARSAL
from mixus.evals.queries import CHECKPOINT_PREFIX, Filters
from mixus.evals.tables import checkpoints, executions

# Finding them may mean to sort all that the caller sees, so it is done for many at once: 1 MB of ids.
PLACES_AT_ONCE: Final = 10_000

Place = tuple[datetime, str]

# What the agent alone needs, and a script, which may be long.
_UNEXPORTED = {"script", "tools", "credential_id", "state_format", "worker_id", "leased_at"}
_execution = [column for column in executions.c if column.name not in _UNEXPORTED]
_checkpoint = [
    column.label(CHECKPOINT_PREFIX + column.name)
    for column in checkpoints.c
    if column.name not in {"execution_id", "position", "digests", "comment"}
]
# Never run as it stands: a page adds which ones.
_EXPORTED = Read(
    select(*_execution, *_checkpoint)
    .outerjoin_from(executions, checkpoints, checkpoints.c.execution_id == executions.c.id)
    .order_by(executions.c.created_at, executions.c.id, checkpoints.c.position)
)


def places_after(
    tx: Transaction, principal: Principal, filters: Filters, place: Place | None, *, include_rehearsal: bool
) -> Sequence[Place]:
    """Where the next executions stand, oldest first; none after the last one."""
    principal.require(Scope.READ)
    key = tuple_(executions.c.created_at, executions.c.id)
    statement = (
        select(executions.c.created_at, executions.c.id)
        .where(access.visible_to(principal), *queries.conditions(filters))
        .order_by(executions.c.created_at, executions.c.id)
        .limit(PLACES_AT_ONCE)
    )
    if not include_rehearsal:
        statement = statement.where(executions.c.model != REHEARSAL)
    if place is not None:
        at, execution_id = place
        statement = statement.where(
            key > tuple_(literal(at, executions.c.created_at.type), literal(execution_id))
        )
    return [(row.created_at, row.id) for row in tx.execute(statement)]


def read_at(tx: Transaction, principal: Principal, places: Sequence[Place]) -> list[Sequence[Row]]:
    """Each execution joined with its checkpoints, as plain rows.

    What was deleted, or is no longer the caller's to see, since its place was read is left out.
    """
    principal.require(Scope.READ)
    ids: list[Any] = [execution_id for _, execution_id in places]
    rows = tx.execute(_EXPORTED.statement.where(executions.c.id.in_(ids))).mappings()
    # Looked at here, because SQLite would find all that the caller sees and then look for the ids.
    seen = (row for row in rows if access.is_visible(row, principal))
    return [list(joined) for _, joined in groupby(seen, key=lambda row: row["id"])]
