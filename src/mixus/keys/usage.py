"""How often each key is used, for what and from where: counted in memory, written in batches.

A batch has a number, so that one whose commit was not answered is written again and counted once.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Insert, case, delete, insert

from mixus.core import clock
from mixus.core.database import Transaction, upsert
from mixus.core.ids import new_id
from mixus.keys.tables import key_streams, key_usage, key_use, usage_writers

MS_PER_DAY: Final = 86_400_000
LONGEST_AGENT: Final = 200
# How many rounds without news a process with open streams stays silent.
STREAM_ROUNDS: Final = 5


class Cell(NamedTuple):
    """What is counted together. `refusal` says why the key itself was refused, and is empty otherwise."""

    key_id: str
    day: int
    route: str
    status: int
    refusal: str
    scope: str | None


class Last(NamedTuple):
    at_ms: int
    network: str | None
    agent: str | None


@dataclass(frozen=True)
class Batch:
    """What one process counted since its last batch."""

    number: int
    counts: Mapping[Cell, int]
    used: Mapping[str, Last]
    refused: Mapping[str, Last]
    streams: Mapping[str, int]


@dataclass
class Usage:
    """The counts of one process. Any thread may count; one writes."""

    writer_id: str = field(default_factory=lambda: new_id("wrk"))
    _number: int = 0
    _counts: dict[Cell, int] = field(default_factory=dict)
    _used: dict[str, Last] = field(default_factory=dict)
    _refused: dict[str, Last] = field(default_factory=dict)
    _streams: dict[str, int] = field(default_factory=dict)
    # What was taken last, until it is taken over by the next: it may not be written yet.
    _taken: dict[str, Last] = field(default_factory=dict)
    _told_streams: dict[str, int] = field(default_factory=dict)
    _idle_rounds: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, cell: Cell, last: Last) -> None:
        """One request that was answered. Costs about a microsecond."""
        with self._lock:
            self._counts[cell] = self._counts.get(cell, 0) + 1
            (self._refused if cell.refusal else self._used)[cell.key_id] = last

    @contextmanager
    def stream(self, key_id: str) -> Iterator[None]:
        """For as long as a stream or a held poll of this key is open."""
        with self._lock:
            self._streams[key_id] = self._streams.get(key_id, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[key_id] -= 1
                if not self._streams[key_id]:
                    del self._streams[key_id]

    def is_due(self) -> bool:
        """Whether there is something to write. Open streams are told again now and then: they may be lost."""
        with self._lock:
            self._idle_rounds += 1
            is_silent = bool(self._streams) and self._idle_rounds >= STREAM_ROUNDS
            return bool(self._counts) or self._streams != self._told_streams or is_silent

    def last_use(self, key_id: str) -> Last | None:
        """The last one of this process that may not be written yet."""
        with self._lock:
            return self._used.get(key_id) or self._taken.get(key_id)

    def take(self) -> Batch:
        """All that was counted since the last time; the caller writes it until it stands."""
        with self._lock:
            self._number += 1
            batch = Batch(self._number, self._counts, self._used, self._refused, dict(self._streams))
            self._taken = self._used
            self._counts, self._used, self._refused = {}, {}, {}
            self._told_streams, self._idle_rounds = dict(self._streams), 0
        return batch


def day_of(at_ms: int) -> int:
    """Days since 1970-01-01 UTC."""
    return at_ms // MS_PER_DAY


def write(tx: Transaction, writer_id: str, batch: Batch, now: datetime) -> bool:
    """Add the batch up with what stands; False when it stood already.

    Rows are touched in one order by every process, so that no two wait for each other.
    """
    if not _is_first(tx, writer_id, batch.number, now):
        return False
    if batch.counts:
        _add_cells(tx, batch)
        _add_totals(tx, batch)
    tx.execute(delete(key_streams).where(key_streams.c.writer_id == writer_id))
    if batch.streams:
        rows = [{"writer_id": writer_id, "key_id": key_id, "count": n} for key_id, n in batch.streams.items()]
        tx.execute(insert(key_streams), rows)
    return True


def _is_first(tx: Transaction, writer_id: str, number: int, now: datetime) -> bool:
    statement = upsert(tx, usage_writers).values(id=writer_id, batch=number, at=now)
    excluded = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={"batch": excluded.batch, "at": excluded.at},
        where=usage_writers.c.batch < excluded.batch,
    )
    return tx.execute(statement.returning(usage_writers.c.id)).one_or_none() is not None


def _add_cells(tx: Transaction, batch: Batch) -> None:
    rows = [{**cell._asdict(), "count": count} for cell, count in sorted(batch.counts.items(), key=str)]
    statement = upsert(tx, key_usage)
    statement = statement.on_conflict_do_update(
        index_elements=["key_id", "day", "route", "status", "refusal"],
        set_={"count": key_usage.c.count + statement.excluded.count, "scope": statement.excluded.scope},
    )
    tx.execute(statement, rows)


def _add_totals(tx: Transaction, batch: Batch) -> None:
    accepted, refused = Counter[str](), Counter[str]()
    for cell, count in batch.counts.items():
        (refused if cell.refusal else accepted)[cell.key_id] += count
    rows = [
        {
            "key_id": key_id,
            "accepted": accepted[key_id],
            "refused": refused[key_id],
            **_last("last_used", batch.used.get(key_id)),
            **_last("last_refused", batch.refused.get(key_id)),
        }
        for key_id in sorted({*accepted, *refused})
    ]
    statement = upsert(tx, key_use)
    tx.execute(statement.on_conflict_do_update(index_elements=["key_id"], set_=_merged(statement)), rows)


def _last(prefix: str, last: Last | None) -> dict[str, Any]:
    return {
        f"{prefix}_at": None if last is None else clock.from_ms(last.at_ms),
        f"{prefix}_network": None if last is None else last.network,
        f"{prefix}_agent": None if last is None else last.agent,
    }


def _merged(statement: Insert) -> dict[str, ColumnElement[Any]]:
    """Sums add up, and the last use never goes back: another process may have written a later one."""
    new: Any = statement.excluded  # type: ignore[attr-defined] # both dialects' inserts have it
    values: dict[str, ColumnElement[Any]] = {
        "accepted": key_use.c.accepted + new.accepted,
        "refused": key_use.c.refused + new.refused,
    }
    for prefix in ("last_used", "last_refused"):
        at = key_use.c[f"{prefix}_at"]
        is_later = new[f"{prefix}_at"].is_not(None) & (at.is_(None) | (new[f"{prefix}_at"] >= at))
        for name in (f"{prefix}_at", f"{prefix}_network", f"{prefix}_agent"):
            values[name] = case((is_later, new[name]), else_=key_use.c[name])
    return values
