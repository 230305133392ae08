"""How often something may happen: a sliding log, in memory or on a row of Postgres."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import BigInteger, Column, Row, String, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from mixus.core.database import Database, Transaction, metadata

SECOND_NS: Final = 1_000_000_000
SECOND_US: Final = 1_000_000
MICROSECOND_NS: Final = 1_000
# More than one, so that names are dropped faster than new ones can come.
DROPPED_PER_CALL: Final = 8
REMEMBERED_REFUSALS: Final = 10_000

rate_windows = Table(
    "rate_windows",
    metadata,
    # On Postgres UNLOGGED: a crash of the database forgets the last window. Stays empty on SQLite.
    Column("name", String(128), primary_key=True),
    # When each was admitted, oldest first: microseconds of the database's clock since 1970. If the last call
    # was refused, its time follows as a negative number, which lies in no window.
    Column("admitted", ARRAY(BigInteger).with_variant(Text, "sqlite"), nullable=False),
)

# The clock is read once, and after the row was locked: rivals are judged in the order of their times. What
# lies in the future was admitted before the clock was set back, and counts as admitted now.
ADMIT: Final = text("""
insert into rate_windows (name, admitted)
values (:name, array[cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)])
on conflict (name) do update set admitted = (
  select kept || case when cardinality(kept) < :limit then now else -now end
  from (
    select now, array(
      select least(moment, now) from unnest(rate_windows.admitted) as moment
      where moment > now - :window_us order by moment
    ) as kept
    from (select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) as now) as clock
    offset 0  -- else the planner builds the array once per mention
  ) as log
)
returning
  cardinality(admitted) as length,
  admitted[cardinality(admitted)] as latest,
  admitted[greatest(1, cardinality(admitted) - :limit)] as leaving
""")
FORGET: Final = text("delete from rate_windows where name = :name")
# A row that somebody is writing is waited for, and judged again as it then stands.
FORGET_IDLE: Final = text("""
delete from rate_windows
where greatest(admitted[cardinality(admitted)], admitted[cardinality(admitted) - 1])
  <= cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) - :window_us
""")


@dataclass(frozen=True)
class Policy:
    """At most `limit` in any half-open interval of this length. A name is meant to keep its window."""

    limit: int
    window_seconds: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window_seconds < 1:
            raise ValueError("A limit and its window must be at least 1.")


@dataclass(frozen=True)
class Allowance:
    """The answer to one call, and how many more would be admitted now.

    `wait_seconds` are whole ones, rounded up, until the oldest admitted call leaves the window; of a refused
    call they are the Retry-After, after which it is admitted.
    """

    is_admitted: bool
    remaining: int
    wait_seconds: int


class Limiter(Protocol):
    def admit(self, name: str, policy: Policy) -> Allowance: ...

    def forget(self, name: str) -> None:
        """Empty the window of this name."""


def limiter_of(database: Database) -> Limiter:
    """In memory on SQLite, where one process serves; else for any number of them."""
    return MemoryLimiter() if database.is_sqlite else PostgresLimiter(database)


def forget_idle(tx: Transaction, now_window_seconds: int) -> int:
    """Delete the logs whose newest entry is older than that; how many there were."""
    if tx.connection.dialect.name == "sqlite":
        return 0
    return tx.execute(FORGET_IDLE, {"window_us": now_window_seconds * SECOND_US}).rowcount


class MemoryLimiter:
    """For one process and any number of its threads."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, name: str, policy: Policy) -> Allowance:
        window = policy.window_seconds * SECOND_NS
        with self._lock:
            now = self._clock()
            _drop_idle(self._logs, now)
            log = self._logs.get(name)
            if log is None:
                log = self._logs[name] = _Log(deque(), now)
            admitted = log.admitted
            while admitted and now - admitted[0] >= window:
                admitted.popleft()
            is_admitted = len(admitted) < policy.limit
            if is_admitted:
                admitted.append(now)
                log.idle_at = now + window
            # After the limit was lowered, several must leave before another is admitted.
            surplus = len(admitted) - policy.limit
            leaving = admitted[max(0, surplus)]
        return Allowance(is_admitted, max(0, -surplus), _whole_seconds(leaving + window - now))

    def forget(self, name: str) -> None:
        with self._lock:
            self._logs.pop(name, None)


class PostgresLimiter:
    """For any number of processes, by the database's clock.

    A name that was refused is refused from memory until its Retry-After, so that a flood does not reach the
    row: the log cannot become free earlier, save by `forget` in another process.
    """

    def __init__(self, database: Database, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._database = database
        self._clock = clock
        self._refused: OrderedDict[str, _Refusal] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()

    def admit(self, name: str, policy: Policy) -> Allowance:
        asked, forgotten = self._clock(), self._forgotten
        with self._lock:
            _drop_idle(self._refused, asked)
            refusal = self._refused.get(name)
        if refusal is not None and refusal.policy == policy and asked < refusal.idle_at:
            wait_seconds = _whole_seconds(refusal.leaving - asked)
            return Allowance(is_admitted=False, remaining=0, wait_seconds=wait_seconds)
        row = self._ask(name, policy)
        wait = (row.leaving + policy.window_seconds * SECOND_US - abs(row.latest)) * MICROSECOND_NS
        is_admitted = row.latest > 0
        if not is_admitted:
            self._remember(name, _Refusal(policy, asked + wait, self._clock() + wait), forgotten)
        return Allowance(is_admitted, max(0, policy.limit - row.length), _whole_seconds(wait))

    def forget(self, name: str) -> None:
        with self._database.engine.begin() as connection:
            connection.execute(FORGET, {"name": name})
        with self._lock:
            self._forgotten += 1
            self._refused.pop(name, None)

    def _ask(self, name: str, policy: Policy) -> Row[Any]:
        asked = {"name": name, "limit": policy.limit, "window_us": policy.window_seconds * SECOND_US}
        with self._database.engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            return autocommit.execute(ADMIT, asked).one()

    def _remember(self, name: str, refusal: "_Refusal", forgotten: int) -> None:
        """Unless something was forgotten since the row was asked: it may have been this refusal."""
        with self._lock:
            if forgotten == self._forgotten:
                self._refused[name] = refusal
            if len(self._refused) > REMEMBERED_REFUSALS:
                self._refused.popitem(last=False)


class _Fading(Protocol):
    idle_at: int


_Kept = TypeVar("_Kept", bound=_Fading)


@dataclass(slots=True)
class _Log:
    admitted: deque[int]
    idle_at: int


@dataclass(slots=True)
class _Refusal:
    """By our clock: asking the row again is worth it from `idle_at`, and surely admitted from `leaving`.

    They differ by the time that the answer took: the row was read somewhere in between.
    """

    policy: Policy
    idle_at: int
    leaving: int


def _drop_idle(kept: OrderedDict[str, _Kept], now: int) -> None:
    """Look at the next few in turn: a sweep of all at once would hold up the event loop."""
    for _ in range(DROPPED_PER_CALL):
        if not kept:
            return
        name = next(iter(kept))
        if now < kept[name].idle_at:
            kept.move_to_end(name)
            return
        del kept[name]


def _whole_seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // SECOND_NS)
