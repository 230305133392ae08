"""Counts of use: added up once each, never going back, and in balance; attack group I."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from factories import NOW, create_account, create_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from mixus.accounts.principal import Scope
from mixus.core.clock import to_ms
from mixus.core.database import Database, Transaction
from mixus.keys import info, report, usage
from mixus.keys.info import KeyInfo
from mixus.keys.tables import key_usage, key_use
from mixus.keys.usage import Batch, Cell, Last, Usage, day_of

TODAY = day_of(to_ms(NOW))
LAST = Last(to_ms(NOW), "192.0.2.0/24", "a program")
ROUTE = "GET /api/eval/executions"


def cell(
    key: KeyInfo, day: int = TODAY, status: int = 200, refusal: str = "", scope: str = Scope.READ
) -> Cell:
    return Cell(key.id, day, ROUTE, status, refusal, scope)


def made(tx: Transaction, now: datetime = NOW - timedelta(days=100), *scopes: Scope) -> KeyInfo:
    owner = create_account(tx, f"{len(info.list_keys(tx))}@example.org")
    return create_key(tx, owner, scopes or [Scope.MANAGE], timedelta(days=365), now)[1]


def counted(tx: Transaction) -> tuple[int, int]:
    sums = func.sum(key_use.c.accepted).label("accepted"), func.sum(key_use.c.refused).label("refused")
    row = tx.execute(select(*sums)).one()
    return int(row.accepted or 0), int(row.refused or 0)


def test_a_batch_is_added_up_once_however_often_it_is_written(database: Database) -> None:
    books = Usage()
    with database.transaction() as tx:
        key = made(tx)
        for _ in range(3):
            books.note(cell(key), LAST)
        batch = books.take()
        assert usage.write(tx, books.writer_id, batch, NOW)
    for _ in range(2):
        with database.transaction() as tx:
            assert not usage.write(tx, books.writer_id, batch, NOW)
            assert counted(tx) == (3, 0)


def test_counts_of_several_processes_add_up(database: Database) -> None:
    with database.transaction() as tx:
        keys = [made(tx) for _ in range(3)]

    def work(number: int) -> None:
        books = Usage()
        for round_ in range(10):
            for key in keys[:: 1 if number % 2 else -1]:
                books.note(cell(key, status=200 + round_ % 3), LAST)
            with database.transaction() as tx:
                usage.write(tx, books.writer_id, books.take(), NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with database.transaction() as tx:
        assert counted(tx) == (120, 0)
        assert report.unbalanced_keys(tx) == []


def test_what_is_counted_while_a_batch_is_taken_is_in_one_of_them() -> None:
    books, batches = Usage(), list[Batch]()
    stopping = threading.Event()

    def take() -> None:
        while not stopping.is_set():
            batches.append(books.take())

    taker = threading.Thread(target=take)
    taker.start()

    def count(_number: int) -> None:
        for _ in range(2000):
            books.note(Cell("key", 1, "", 200, "", None), LAST)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    stopping.set()
    taker.join()
    batches.append(books.take())
    assert sum(sum(batch.counts.values()) for batch in batches) == 8000


def test_the_last_use_never_goes_back_and_a_refusal_is_none(database: Database) -> None:
    with database.transaction() as tx:
        key = made(tx)
        for number, (at, refusal) in enumerate(
            [(NOW, ""), (NOW - timedelta(hours=1), ""), (NOW + timedelta(hours=1), "key-disabled")]
        ):
            books = Usage()
            books.note(cell(key, refusal=refusal), Last(to_ms(at), f"192.0.2.{number}/24", None))
            usage.write(tx, books.writer_id, books.take(), NOW)
        found = info.describe(tx, key.id)
        row = tx.execute(select(key_use)).one()
    assert (found.accepted, found.refused) == (2, 1)
    assert (found.last_used_at, found.last_used_network) == (NOW, "192.0.2.0/24")
    assert row.last_refused_at == NOW + timedelta(hours=1)


def test_open_streams_are_those_of_processes_that_live(database: Database) -> None:
    books, other = Usage(), Usage()
    with database.transaction() as tx:
        key = made(tx)
        with books.stream(key.id), books.stream(key.id), other.stream(key.id):
            assert books.is_due()
            usage.write(tx, books.writer_id, books.take(), NOW)
            usage.write(tx, other.writer_id, other.take(), NOW - timedelta(minutes=1))
            assert not books.is_due()
        assert report.open_streams(tx, key.id, NOW) == 2
        assert books.is_due()
        usage.write(tx, books.writer_id, books.take(), NOW)
        assert report.open_streams(tx, key.id, NOW) == 0


def test_old_days_are_rolled_up_and_no_sum_changes(database: Database) -> None:
    with database.transaction() as tx:
        keys = [made(tx), made(tx)]
        books = Usage()
        for key in keys:
            for day in range(TODAY - 200, TODAY + 1):
                books.note(cell(key, day), LAST)
                books.note(cell(key, day, 401, "key-disabled"), LAST)
        usage.write(tx, books.writer_id, books.take(), NOW)
        before = report.usage_of(tx, keys[0], NOW)
        assert report.roll_up(tx, NOW) == 2 * 2 * 110
        assert report.roll_up(tx, NOW) == 0
        after = report.usage_of(tx, keys[0], NOW)
        assert report.unbalanced_keys(tx) == []
    assert after.routes == before.routes
    assert (len(after.days), after.older.accepted, after.older.refused) == (91, 110, 110)
    later = NOW + timedelta(days=1)
    with database.transaction() as tx:
        assert report.roll_up(tx, later) == 4
        assert report.usage_of(tx, keys[0], later).older.accepted == 111
        assert counted(tx) == (402, 402)


def test_a_lost_count_is_found(database: Database) -> None:
    with database.transaction() as tx:
        key = made(tx)
        books = Usage()
        books.note(cell(key), LAST)
        usage.write(tx, books.writer_id, books.take(), NOW)
        tx.execute(update(key_usage).values(count=2))
        assert report.unbalanced_keys(tx) == [key.id]


@pytest.mark.parametrize(
    ("scopes", "used", "unused"),
    [
        ([Scope.MANAGE], [Scope.READ], [Scope.MANAGE]),
        ([Scope.MANAGE], [Scope.MANAGE], []),
        ([Scope.CREATE, Scope.READ], [Scope.READ], [Scope.CREATE]),
        ([Scope.CREATE, Scope.READ], [], [Scope.CREATE, Scope.READ]),
    ],
)
def test_a_scope_that_no_request_needed_for_30_days_is_named(
    database: Database, scopes: list[Scope], used: list[Scope], unused: list[Scope]
) -> None:
    with database.transaction() as tx:
        key, young = made(tx, NOW - timedelta(days=30), *scopes), made(tx, NOW - timedelta(days=29))
        books = Usage()
        for scope in used:
            books.note(cell(key, scope=scope), LAST)
        books.note(cell(key, TODAY - 31, scope=Scope.CREATE), LAST)
        books.note(cell(key, status=403, scope=Scope.MANAGE), LAST)
        usage.write(tx, books.writer_id, books.take(), NOW)
        assert report.unused_scopes(tx, key, NOW) == unused
        assert report.unused_scopes(tx, young, NOW) == []


DAYS = st.integers(TODAY - 300, TODAY)
NOTED = st.lists(
    st.tuples(st.integers(0, 2), DAYS, st.sampled_from(["", "rate-limited"]), st.sampled_from([200, 404])),
    max_size=40,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(NOTED, max_size=4), late=st.integers(0, 400))
def test_whatever_is_counted_and_rolled_up_the_sums_stay(
    sqlite_database_url: str, batches: list[list[tuple[int, int, str, int]]], late: int
) -> None:
    database = Database(sqlite_database_url)
    with database.engine.connect() as connection, connection.begin() as whole:
        tx = Transaction(connection, database.dispatch)
        keys, books, expected = [made(tx) for _ in range(3)], Usage(), Counter[str]()
        for noted in batches:
            for number, day, refusal, status in noted:
                books.note(cell(keys[number], day, status, refusal), LAST)
                expected[refusal] += 1
            usage.write(tx, books.writer_id, books.take(), NOW)
            report.roll_up(tx, NOW + timedelta(days=late))
            assert counted(tx) == (expected[""], expected["rate-limited"])
            assert report.unbalanced_keys(tx) == []
        whole.rollback()
    database.close()


def test_a_batch_of_many_keys_is_written_whole(database: Database) -> None:
    with database.transaction() as tx:
        keys = [made(tx) for _ in range(5)]
        books = Usage()
        for key in keys:
            for status in (200, 404):
                books.note(cell(key, status=status), LAST)
            books.note(cell(key, 401, refusal="key-revoked"), LAST)
        usage.write(tx, books.writer_id, books.take(), NOW)
        assert [(key.accepted, key.refused) for key in info.list_keys(tx)] == [(2, 1)] * 5
        assert report.unbalanced_keys(tx) == []


def test_a_roll_up_that_would_change_a_sum_changes_nothing(sqlite_database_url: str) -> None:
    database = Database(sqlite_database_url)
    with database.transaction() as tx:
        key, books = made(tx), Usage()
        books.note(cell(key, TODAY - 200), LAST)
        usage.write(tx, books.writer_id, books.take(), NOW)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "create trigger thief after insert on key_usage when new.day = 0 "
            "begin update key_usage set count = count - 1 where day = 0; end"
        )
    with pytest.raises(report.Unbalanced), database.transaction() as tx:
        report.roll_up(tx, NOW)
    with database.snapshot() as tx:
        assert report.unbalanced_keys(tx) == []
        assert [day.day for day in report.usage_of(tx, key, NOW).days] == [TODAY - 200]
    database.close()
