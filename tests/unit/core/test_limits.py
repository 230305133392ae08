import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, bindparam, event, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from mixus.core import limits
from mixus.core.database import Database
from mixus.core.limits import (
    Allowance,
    Limiter,
    MemoryLimiter,
    Policy,
    PostgresLimiter,
    forget_idle,
    limiter_of,
    rate_windows,
)

SECOND = 1_000_000_000
START_US = 1_795_428_000_000_000
MINUTE = Policy(100, 60)
FIRING = Path(__file__).with_name("firing.py")


class Clock:
    """Nanoseconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


class Model:
    """The same promise in its most naive form: it keeps every admission for ever."""

    def __init__(self) -> None:
        self.admitted: list[int] = []

    def admit(self, now: int, limit: int, window: int) -> tuple[bool, int, int]:
        """Whether it is admitted, how many are left, and the exact time to wait."""
        inside = [then for then in self.admitted if now - then < window]
        is_admitted = len(inside) < limit
        if is_admitted:
            self.admitted.append(now)
            inside.append(now)
        leaving = inside[max(0, len(inside) - limit)]
        return is_admitted, max(0, limit - len(inside)), leaving + window - now


class House(Protocol):
    """A limiter whose time the test can let pass."""

    limiter: Limiter

    def wait(self, seconds: float) -> None: ...


class MemoryHouse:
    def __init__(self) -> None:
        self.clock = Clock()
        self.limiter: Limiter = MemoryLimiter(self.clock)

    def wait(self, seconds: float) -> None:
        self.clock.now += round(seconds * SECOND)


class PostgresHouse:
    """Real time is added to what the test lets pass, so its promises leave a tenth of a second and more."""

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.database = database
        self.limiter: Limiter = PostgresLimiter(database, self.clock)

    def wait(self, seconds: float) -> None:
        self.clock.now += round(seconds * SECOND)
        earlier = text(
            "update rate_windows set admitted = array(select m - :us from unnest(admitted) m where m > 0)"
        )
        with self.database.engine.begin() as connection:
            connection.execute(earlier, {"us": round(seconds * 1_000_000)})


@pytest.fixture
def postgres(postgres_database_url: str) -> Iterator[Database]:
    database = Database(postgres_database_url)
    yield database
    database.close()


@pytest.fixture(params=["memory", "postgres"])
def house(request: pytest.FixtureRequest) -> House:
    if request.param == "memory":
        return MemoryHouse()
    return PostgresHouse(request.getfixturevalue("postgres"))


# Both stores


def test_a_burst_around_the_boundary_of_a_minute_is_no_way_to_twice_the_limit(house: House) -> None:
    house.wait(59.9)
    assert admitted(house, "a", MINUTE, 100) == 100
    house.wait(0.2)
    assert admitted(house, "a", MINUTE, 100) == 0
    house.wait(60)
    assert admitted(house, "a", MINUTE, 101) == 100


def test_waiting_as_long_as_a_refusal_says_works(house: House) -> None:
    policy = Policy(2, 60)
    house.limiter.admit("a", policy)
    house.wait(20.5)
    house.limiter.admit("a", policy)
    house.wait(10)
    refused = house.limiter.admit("a", policy)
    assert (refused.is_admitted, refused.remaining) == (False, 0)
    assert refused.wait_seconds in {29, 30}
    house.wait(refused.wait_seconds - 2)
    assert not house.limiter.admit("a", policy).is_admitted
    house.wait(2)
    assert house.limiter.admit("a", policy).is_admitted
    assert not house.limiter.admit("a", policy).is_admitted


def test_what_is_left_counts_down_and_is_never_negative(house: House) -> None:
    policy = Policy(2, 60)
    assert [house.limiter.admit("a", policy).remaining for _ in range(4)] == [1, 0, 0, 0]


def test_refused_calls_do_not_prolong_the_wait(house: House) -> None:
    policy = Policy(1, 60)
    house.limiter.admit("a", policy)
    for _ in range(11):
        house.wait(5)
        assert not house.limiter.admit("a", policy).is_admitted
    house.wait(5)
    assert house.limiter.admit("a", policy).is_admitted


def test_two_names_are_independent(house: House) -> None:
    policy = Policy(1, 60)
    assert [house.limiter.admit(name, policy).is_admitted for name in "aabbA"] == [1, 0, 1, 0, 1]


def test_forgetting_empties_the_window_of_this_name_alone(house: House) -> None:
    policy = Policy(1, 60)
    for name in "aabb":
        house.limiter.admit(name, policy)
    house.limiter.forget("a")
    house.limiter.forget("never seen")
    assert [house.limiter.admit(name, policy).is_admitted for name in "aab"] == [1, 0, 0]


def test_a_raised_limit_holds_at_once_also_for_a_name_that_was_refused(house: House) -> None:
    assert admitted(house, "a", Policy(2, 60), 4) == 2
    assert admitted(house, "a", Policy(5, 60), 4) == 3


def test_after_a_limit_was_lowered_the_wait_is_until_enough_have_left(house: House) -> None:
    house.limiter.admit("a", Policy(3, 60))
    house.wait(10)
    house.limiter.admit("a", Policy(3, 60))
    house.wait(10)
    house.limiter.admit("a", Policy(3, 60))
    house.wait(9.5)
    refused = house.limiter.admit("a", Policy(1, 60))
    assert refused.wait_seconds in {50, 51}
    house.wait(refused.wait_seconds)
    assert house.limiter.admit("a", Policy(1, 60)).is_admitted


def test_threads_together_are_admitted_exactly_to_the_limit(house: House) -> None:
    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(lambda _: admitted(house, "a", MINUTE, 25), range(8))
    assert sum(counts) == 100


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Policy(0, 60)
    with pytest.raises(ValueError, match="at least 1"):
        Policy(1, 0)


def test_sqlite_is_limited_in_memory_and_postgres_on_its_row(database: Database) -> None:
    expected = MemoryLimiter if database.is_sqlite else PostgresLimiter
    limiter = limiter_of(database)
    assert isinstance(limiter, expected)
    assert limiter.admit("a", MINUTE) == Allowance(is_admitted=True, remaining=99, wait_seconds=60)


# In memory

gaps = st.one_of(
    st.integers(0, 3),
    st.integers(0, 2 * SECOND),
    st.integers(0, 3 * 3600 * SECOND),
    # Exactly on the edges of windows of whole seconds, and a nanosecond beside.
    st.builds(
        lambda seconds, beside: max(0, seconds * SECOND + beside), st.integers(0, 90), st.integers(-1, 1)
    ),
)


@given(st.lists(gaps, max_size=120), st.integers(1, 8), st.integers(1, 90))
def test_in_memory_it_admits_exactly_what_the_definition_admits(
    arrivals: list[int], limit: int, window_seconds: int
) -> None:
    clock, model, policy, window = Clock(), Model(), Policy(limit, window_seconds), window_seconds * SECOND
    limiter = MemoryLimiter(clock)
    for gap in arrivals:
        clock.now += gap
        is_admitted, remaining, wait = model.admit(clock.now, limit, window)
        assert limiter.admit("a", policy) == Allowance(is_admitted, remaining, -(-wait // SECOND))
    assert_never_above(model.admitted, limit, window)


@given(st.lists(gaps, min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 90))
def test_in_memory_a_refusal_ends_on_its_nanosecond(
    arrivals: list[int], limit: int, window_seconds: int
) -> None:
    clock, model, policy, window = Clock(), Model(), Policy(limit, window_seconds), window_seconds * SECOND
    limiter = MemoryLimiter(clock)
    for gap in arrivals:
        clock.now += gap
        is_admitted, _, wait = model.admit(clock.now, limit, window)
        assert limiter.admit("a", policy).is_admitted == is_admitted
    if is_admitted:
        return
    clock.now += wait - 1
    last = limiter.admit("a", policy)
    assert last == Allowance(is_admitted=False, remaining=0, wait_seconds=1)
    clock.now += 1
    assert limiter.admit("a", policy).is_admitted


@given(st.lists(gaps, max_size=80), st.integers(1, 5), st.integers(1, 90))
def test_in_memory_a_refusal_changes_nothing(arrivals: list[int], limit: int, window_seconds: int) -> None:
    clock, policy = Clock(), Policy(limit, window_seconds)
    asked_always, asked_when_free = MemoryLimiter(clock), MemoryLimiter(clock)
    for gap in arrivals:
        clock.now += gap
        allowance = asked_always.admit("a", policy)
        if allowance.is_admitted:
            assert asked_when_free.admit("a", policy) == allowance


@pytest.mark.parametrize("gap_ms", [590, 600, 610])
def test_after_a_burst_a_steady_caller_is_refused_only_if_he_is_faster_than_the_limit(gap_ms: int) -> None:
    house, times = MemoryHouse(), []
    assert admitted(house, "a", MINUTE, 101) == 100
    house.wait(60)
    answers = []
    for _ in range(1000):
        answers.append(house.limiter.admit("a", MINUTE).is_admitted)
        times += [house.clock.now] if answers[-1] else []
        house.wait(gap_ms / 1000)
    assert all(answers) == (gap_ms >= 600)
    assert_never_above(times, 100, 60 * SECOND)


def test_in_memory_names_that_fell_idle_are_dropped() -> None:
    house = MemoryHouse()
    limiter = house.limiter
    assert isinstance(limiter, MemoryLimiter)
    for number in range(100_000):
        limiter.admit(f"address {number}", MINUTE)
    assert len(limiter._logs) == 100_000
    house.wait(60)
    admitted(house, "a", MINUTE, 100_000 // limits.DROPPED_PER_CALL + 1)
    assert list(limiter._logs) == ["a"]


def test_in_memory_no_flood_of_names_keeps_more_than_twice_those_of_one_window() -> None:
    house = MemoryHouse()
    limiter = house.limiter
    assert isinstance(limiter, MemoryLimiter)
    most = 0
    for number in range(50_000):
        limiter.admit(f"address {number}", Policy(5, 1 + number % 10))
        house.wait(0.01)
        most = max(most, len(limiter._logs))
    # A thousand come in the longest window.
    assert most <= 2000


# On Postgres


def test_the_table_is_unlogged_on_postgres(postgres: Database) -> None:
    with postgres.transaction() as tx:
        kind = tx.execute(
            text("select relpersistence from pg_class where relname = 'rate_windows'")
        ).scalar_one()
    assert kind in {"u", b"u"}


@pytest.fixture
def dated(postgres: Database) -> Iterator[Database]:
    """A database whose clock stands where `set_date` put it: our function is found before Postgres' own."""
    with postgres.engine.begin() as connection:
        connection.execute(text("create schema dated"))
        connection.execute(text("create table dated.clock (us bigint not null)"))
        connection.execute(text("insert into dated.clock values (0)"))
        connection.execute(text(DATED_CLOCK))
    database = Database(
        postgres.url.update_query_dict({"options": "-csearch_path=dated,pg_catalog,public"}).render_as_string(
            hide_password=False
        )
    )
    yield database
    database.close()
    with postgres.engine.begin() as connection:
        connection.execute(text("drop schema dated cascade"))


DATED_CLOCK = """
create function dated.clock_timestamp() returns timestamptz language sql volatile as
$$ select timestamptz 'epoch' + us * interval '1 microsecond' from dated.clock $$
"""
# Mostly on the edges of windows of whole seconds, and a microsecond beside.
gaps_us = st.one_of(
    st.integers(0, 3),
    st.integers(0, 3_000_000),
    st.builds(
        lambda whole, beside: max(0, whole * 1_000_000 + beside), st.integers(0, 9), st.integers(-1, 1)
    ),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(gaps_us, max_size=30), st.integers(1, 5), st.integers(1, 9))
def test_on_postgres_it_admits_exactly_what_the_definition_admits(
    dated: Database, arrivals: list[int], limit: int, window_seconds: int
) -> None:
    """Each call from another process, so that every one reaches the row."""
    now, model, policy, window = START_US, Model(), Policy(limit, window_seconds), window_seconds * 1_000_000
    PostgresLimiter(dated).forget("a")
    for gap in arrivals:
        now += gap
        set_date(dated, now)
        is_admitted, remaining, wait = model.admit(now, limit, window)
        answer = PostgresLimiter(dated).admit("a", policy)
        assert answer == Allowance(is_admitted, remaining, -(-wait // 1_000_000))
    assert_never_above(model.admitted, limit, window)


def test_on_postgres_a_refusal_ends_on_its_microsecond(dated: Database) -> None:
    policy = Policy(1, 60)
    answers = []
    for now in (START_US, START_US + 59_999_999, START_US + 60_000_000):
        set_date(dated, now)
        answers.append(PostgresLimiter(dated).admit("a", policy))
    refused = Allowance(is_admitted=False, remaining=0, wait_seconds=1)
    passed = Allowance(is_admitted=True, remaining=0, wait_seconds=60)
    assert answers == [passed, refused, passed]


seconds_us = st.integers(-200, 200).map(lambda tenths: tenths * 100_000)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(seconds_us, max_size=12), st.lists(seconds_us, max_size=1), st.integers(1, 8), st.integers(1, 15)
)
def test_on_postgres_any_row_is_judged_by_the_definition(
    postgres: Database, offsets: list[int], refusal: list[int], limit: int, window_seconds: int
) -> None:
    """Also rows from a clock that was ahead, and with a refusal behind them."""
    window = window_seconds * 1_000_000
    start = database_now(postgres)
    before = sorted(start + offset for offset in offsets)
    write(postgres, "a", before + [-(start + offset) for offset in refusal])
    allowance = PostgresLimiter(postgres).admit("a", Policy(limit, window_seconds))
    after = read(postgres, "a")
    now, model = abs(after[-1]), Model()
    model.admitted = [min(then, now) for then in before]
    is_admitted, remaining, wait = model.admit(now, limit, window)
    assert allowance == Allowance(is_admitted, remaining, -(-wait // 1_000_000))
    kept = [then for then in model.admitted if now - then < window]
    assert after == kept + ([] if is_admitted else [-now])


def test_after_the_clock_of_the_database_was_set_back_nobody_waits_longer_than_a_window(
    postgres: Database,
) -> None:
    policy, house = Policy(3, 60), PostgresHouse(postgres)
    ahead = database_now(postgres) + 3_600_000_000
    write(postgres, "a", [ahead, ahead + 1])
    assert admitted(house, "a", policy, 5) == 1
    refused = PostgresLimiter(postgres).admit("a", policy)
    assert (refused.is_admitted, refused.wait_seconds) == (False, 60)
    house.wait(60)
    assert admitted(house, "a", policy, 5) == 3


def test_a_log_is_trimmed_to_its_window(postgres: Database) -> None:
    house, policy = PostgresHouse(postgres), Policy(20, 60)
    for _ in range(10):
        admitted(house, "a", policy, 10)
        house.wait(40)
    assert len(read(postgres, "a")) <= 20


def test_a_refused_name_does_not_reach_the_row_until_its_retry_after(postgres: Database) -> None:
    house, policy = PostgresHouse(postgres), Policy(1, 60)
    admitted(house, "a", policy, 2)
    with counted(postgres) as statements:
        for _ in range(59):
            assert not house.limiter.admit("a", policy).is_admitted
            house.clock.now += SECOND
        assert statements == []
        house.clock.now += SECOND
        house.limiter.admit("a", policy)
        assert len(statements) == 1


def test_a_wait_that_is_told_from_memory_is_long_enough_for_the_row(postgres: Database) -> None:
    """However long the first answer took to arrive: the row was read somewhere in between."""
    clock, policy = Clock(), Policy(1, 60)

    class Slow(PostgresLimiter):
        def _ask(self, name: str, policy: Policy) -> Row[Any]:
            row = super()._ask(name, policy)
            clock.now += 5 * SECOND
            return row

    limiter = Slow(postgres, clock)
    limiter.admit("a", policy)
    limiter.admit("a", policy)
    asked_at = clock.now
    with counted(postgres) as statements:
        assert limiter.admit("a", policy).wait_seconds == 60
        assert statements == []
    for _ in range(2):
        limiter.admit("refused for longer", Policy(1, 3600))
    # Its turn to be dropped has not come.
    limiter._refused.move_to_end("a")
    clock.now = asked_at + 56 * SECOND
    with counted(postgres) as statements:
        limiter.admit("a", policy)
        assert len(statements) == 1


def test_a_refusal_that_arrives_after_its_name_was_forgotten_is_not_remembered(postgres: Database) -> None:
    class Overtaken(PostgresLimiter):
        def _ask(self, name: str, policy: Policy) -> Row[Any]:
            row = super()._ask(name, policy)
            if row.latest < 0:
                self.forget(name)
            return row

    limiter = Overtaken(postgres)
    assert [limiter.admit("a", Policy(1, 60)).is_admitted for _ in range(3)] == [True, False, True]


def test_remembered_refusals_are_dropped_when_over_and_never_too_many(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REMEMBERED_REFUSALS", 3)
    clock = Clock()
    limiter = PostgresLimiter(postgres, clock)
    for name in "aabbccddee":
        limiter.admit(name, Policy(1, 60))
    assert len(limiter._refused) == 3
    assert "e" in limiter._refused
    clock.now += 60 * SECOND
    limiter.admit("f", Policy(1, 60))
    assert not limiter._refused


def test_a_database_that_is_away_is_no_admission_and_no_refusal() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError):
        PostgresLimiter(database).admit("a", MINUTE)
    database.close()


def test_only_idle_logs_are_forgotten(postgres: Database) -> None:
    now = database_now(postgres)
    old, fresh = now - 61_000_000, now - 30_000_000
    rows = {
        "idle": [old - 5, old],
        "idle and refused since": [old - 5, old, -fresh],
        "empty": [-old],
        "busy": [old, fresh],
        "busy and refused": [old, fresh, -now],
        "ahead": [now + 3_600_000_000],
    }
    for name, log in rows.items():
        write(postgres, name, log)
    with postgres.transaction() as tx:
        assert forget_idle(tx, 60) == 3
        left = tx.execute(select(rate_windows.c.name)).scalars()
        assert set(left) == {"busy", "busy and refused", "ahead"}


def test_on_sqlite_there_is_nothing_to_forget(sqlite_database_url: str) -> None:
    database = Database(sqlite_database_url)
    with database.transaction() as tx:
        assert forget_idle(tx, 60) == 0
    database.close()


def test_an_idle_log_that_is_just_being_written_is_not_forgotten(postgres: Database) -> None:
    now = database_now(postgres)
    write(postgres, "a", [now - 3_600_000_000])
    with ThreadPoolExecutor(1) as pool:
        with postgres.engine.begin() as rival:
            rival.execute(update(rate_windows).values(admitted=[now]))
            forgotten = pool.submit(forget_idle_alone, postgres)
            until_somebody_waits(postgres)
        assert forgotten.result() == 0
    assert read(postgres, "a") == [now]


def test_who_is_admitted_while_an_idle_log_is_forgotten_is_not_lost(postgres: Database) -> None:
    write(postgres, "a", [database_now(postgres) - 3_600_000_000])
    with ThreadPoolExecutor(1) as pool:
        with postgres.transaction() as tx:
            assert forget_idle(tx, 60) == 1
            allowance = pool.submit(PostgresLimiter(postgres).admit, "a", Policy(5, 60))
            until_somebody_waits(postgres)
        assert allowance.result().remaining == 4
    assert len(read(postgres, "a")) == 1


def test_the_clock_is_read_when_it_is_the_callers_turn(postgres: Database) -> None:
    """A time from before the wait would count as older than it is, and leave the window too early."""
    write(postgres, "a", [1])
    with ThreadPoolExecutor(1) as pool:
        with postgres.engine.begin() as rival:
            rival.execute(update(rate_windows).values(admitted=[2]))
            allowance = pool.submit(PostgresLimiter(postgres).admit, "a", Policy(5, 60))
            until_somebody_waits(postgres)
            turn = database_now(postgres)
        assert allowance.result().is_admitted
    assert read(postgres, "a")[0] >= turn


@pytest.mark.parametrize(("processes", "window_seconds"), [(1, 1), (2, 2), (4, 1)])
def test_any_number_of_processes_keep_one_limit(
    postgres_database_url: str, processes: int, window_seconds: int
) -> None:
    policy = Policy(25, window_seconds)
    calls = fire(postgres_database_url, policy, processes, calls=500 // processes, mean=0.008 * processes)
    from_row = [call for call in calls if call.row_us is not None]
    by_row = sorted(call.row_us or 0 for call in calls if call.is_admitted)
    assert len(by_row) > policy.limit
    assert_never_above(by_row, policy.limit, window_seconds * 1_000_000)
    for call in from_row:
        if not call.is_admitted:
            assert within(by_row, -(call.row_us or 0), window_seconds * 1_000_000) == policy.limit
    assert len(from_row) < len(calls) == 500 // processes * processes
    for refused in (call for call in calls if not call.is_admitted):
        assert possibly_within(calls, refused, window_seconds * SECOND) >= policy.limit


def test_of_many_at_once_from_four_processes_exactly_the_limit_passes(postgres_database_url: str) -> None:
    calls = fire(postgres_database_url, MINUTE, processes=4, calls=10, threads=5)
    assert len(calls) == 200
    assert sum(call.is_admitted for call in calls) == 100


# What the tests are written with


@dataclass(frozen=True)
class Call:
    """Sent and received by the clock of the machine; `row_us` by the database, negative for a refusal."""

    sent: int
    received: int
    is_admitted: bool
    row_us: int | None


def fire(
    url: str, policy: Policy, processes: int, *, calls: int, threads: int = 1, mean: float = 0.0
) -> list[Call]:
    order = {
        "name": "a",
        "limit": policy.limit,
        "window_seconds": policy.window_seconds,
        "calls": calls,
        "threads": threads,
        "mean_pause_seconds": mean,
    }
    running = [
        subprocess.Popen(
            [sys.executable, FIRING, url, json.dumps(order | {"seed": seed})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return [Call(**call) for answer in answers for call in json.loads(answer)]


def admitted(house: House, name: str, policy: Policy, calls: int) -> int:
    return sum(house.limiter.admit(name, policy).is_admitted for _ in range(calls))


def assert_never_above(times: list[int], limit: int, window: int) -> None:
    assert all(later - first >= window for first, later in zip(times, times[limit:], strict=False))


def within(times: list[int], now: int, window: int) -> int:
    return sum(0 <= now - then < window for then in times)


def possibly_within(calls: list[Call], refused: Call, window: int) -> int:
    """How many were admitted in the window before the refusal, if each came at its most favourable moment."""
    return sum(
        call.is_admitted and call.sent <= refused.received and call.received > refused.sent - window
        for call in calls
    )


def set_date(dated: Database, now_us: int) -> None:
    with dated.engine.begin() as connection:
        connection.execute(text("update dated.clock set us = :us"), {"us": now_us})


def database_now(database: Database) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text("select extract(epoch from clock_timestamp()) * 1000000")).scalar_one())


def write(database: Database, name: str, log: list[int]) -> None:
    statement = insert(rate_windows).values(name=bindparam("name"), admitted=bindparam("admitted"))
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"admitted": statement.excluded.admitted}
    )
    with database.transaction() as tx:
        tx.execute(statement, {"name": name, "admitted": log})


def read(database: Database, name: str) -> list[int]:
    with database.transaction() as tx:
        log: list[int] = tx.execute(
            select(rate_windows.c.admitted).where(rate_windows.c.name == name)
        ).scalar_one()
    return log


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that reach this database meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def forget_idle_alone(database: Database) -> int:
    with database.transaction() as tx:
        return forget_idle(tx, 60)


def until_somebody_waits(database: Database) -> None:
    here = "from pg_stat_activity where datname = current_database()"
    waiting = text(f"select count(*) {here} and wait_event_type = 'Lock'")
    count = 0
    while not count:
        with database.transaction() as tx:
            count = tx.execute(waiting).scalar_one()
