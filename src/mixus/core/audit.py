"""What is read of the events: a page of the newest, or all of them in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, literal, select, text, tuple_

from mixus.core.clock import from_ms, to_ms
from mixus.core.database import Row, Transaction
from mixus.core.events import events
from mixus.core.pages import Page, cut, place_of

ROWS_AT_ONCE = 1000
# From one kind to the next along its index: a look for each kind, however many events there are.
KINDS = text("""
with recursive found (kind) as (
  select min(kind) from events
  union all
  select (select min(events.kind) from events where events.kind > found.kind) from found
  where found.kind is not null
)
select kind from found where kind is not null
""")


@dataclass(frozen=True)
class Filters:
    """None does not filter."""

    kind: str | None = None
    subject_id: str | None = None
    actor_id: str | None = None
    # At or after, and before.
    since: datetime | None = None
    until: datetime | None = None


def list_events(tx: Transaction, filters: Filters, limit: int, cursor: str | None = None) -> Page[Row]:
    """Newest first."""
    statement = (
        select(events)
        .where(*_conditions(filters))
        .order_by(events.c.at.desc(), events.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, event_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), events.c.at.type), literal(event_id))
        statement = statement.where(tuple_(events.c.at, events.c.id) < place)
    rows: Sequence[Row] = tx.execute(statement).mappings().all()
    return cut(rows, limit, lambda row: (to_ms(row["at"]), row["id"]))


def kinds(tx: Transaction) -> list[str]:
    """What has happened so far, by name."""
    return list(tx.execute(KINDS).scalars())


def all_events(tx: Transaction, filters: Filters) -> Iterator[Row]:
    """Oldest first, a thousand at a time in memory, however many there are."""
    statement = select(events).where(*_conditions(filters)).order_by(events.c.at, events.c.id)
    yield from tx.execute(statement.execution_options(yield_per=ROWS_AT_ONCE)).mappings()


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.kind is not None:
        found.append(events.c.kind == filters.kind)
    if filters.subject_id is not None:
        found.append(events.c.subject_id == filters.subject_id)
    if filters.actor_id is not None:
        found.append(events.c.actor_id == filters.actor_id)
    if filters.since is not None:
        found.append(events.c.at >= filters.since)
    if filters.until is not None:
        found.append(events.c.at < filters.until)
    return found
