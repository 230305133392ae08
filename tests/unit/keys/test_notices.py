"""A notice is given once, at its time, for keys whose end is news to somebody."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import factories
import pytest
from factories import NOW
from sqlalchemy import event, insert, select, update

from mixus.accounts.tables import accounts
from mixus.core.database import Database
from mixus.core.events import events
from mixus.keys import notices
from mixus.keys.info import KeyInfo
from mixus.keys.service import revoke as revoke_key
from mixus.keys.tables import key_notices, keys

END = NOW + timedelta(days=90)
DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def key(database: Database) -> KeyInfo:
    """Made at NOW, ends at END."""
    return make(database, "ada@example.org")


def make(database: Database, email: str, *, now: datetime = NOW, end: datetime = END) -> KeyInfo:
    with database.transaction() as tx:
        return factories.create_key(tx, factories.create_account(tx, email), expires=end, now=now)[1]


def give(database: Database, now: datetime) -> int:
    with database.transaction() as tx:
        return notices.give_due(tx, now)


def given(database: Database) -> list[tuple[str, int]]:
    """Kind and days of each notice, in order."""
    return [(row.kind, row.data["days"]) for row in found(database)]


def found(database: Database) -> Sequence[Any]:
    statement = select(events).where(events.c.kind.in_([notices.EXPIRING, notices.EXPIRED]))
    with database.snapshot() as tx:
        return tx.execute(statement.order_by(events.c.at)).all()


@pytest.mark.parametrize(
    ("moment", "kind", "days"),
    [
        (END - 14 * DAY, "key.expiring", 14),
        (END - 7 * DAY, "key.expiring", 7),
        (END - DAY, "key.expiring", 1),
        (END, "key.expired", 0),
    ],
)
def test_each_notice_is_given_at_its_moment_and_once(
    database: Database, key: KeyInfo, moment: datetime, kind: str, days: int
) -> None:
    give(database, moment - MOMENT)
    before = given(database)
    assert (kind, days) not in before
    assert give(database, moment) == 1
    assert give(database, moment) == 0
    assert give(database, moment + timedelta(hours=1)) == 0
    assert given(database) == [*before, (kind, days)]


def test_a_life_has_four_notices_with_everything_a_reader_needs(database: Database, key: KeyInfo) -> None:
    for hours in range(0, 120 * 24, 12):
        give(database, NOW + timedelta(hours=hours))
    assert given(database) == [
        ("key.expiring", 14),
        ("key.expiring", 7),
        ("key.expiring", 1),
        ("key.expired", 0),
    ]
    row = found(database)[0]
    assert (row.subject_id, row.actor_id, row.at) == (key.id, None, END - 14 * DAY)
    assert row.data == {
        "keyId": key.id,
        "name": "test",
        "days": 14,
        "expiresAt": "2027-02-21T10:00:00.000Z",
        "userId": key.user_id,
    }


@pytest.mark.parametrize("schedulers", [1, 2, 4])
def test_any_number_of_schedulers_give_each_notice_once(database: Database, schedulers: int) -> None:
    made = {make(database, f"{number}@example.org").id for number in range(5)}
    for moment in (END - 14 * DAY, END - 7 * DAY, END - DAY, END):
        barrier = threading.Barrier(schedulers)
        with ThreadPoolExecutor(schedulers) as threads:
            rivals = [threads.submit(compete, database, barrier, moment) for _ in range(schedulers)]
            assert sum(rival.result() for rival in rivals) == len(made)
    rows = found(database)
    assert len(rows) == 4 * len(made)
    assert {(row.subject_id, row.data["days"]) for row in rows} == {
        (key_id, days) for key_id in made for days in (14, 7, 1, 0)
    }


def compete(database: Database, barrier: threading.Barrier, moment: datetime) -> int:
    barrier.wait()
    return give(database, moment)


def test_what_is_rolled_back_is_given_later(database: Database, key: KeyInfo) -> None:
    def give_and_die() -> None:
        with database.transaction() as tx:
            assert notices.give_due(tx, END) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_and_die()
    assert given(database) == []
    assert give(database, END) == 1


@pytest.mark.parametrize("change", ["revoked_at", "disabled_at", "replaced_by"])
@pytest.mark.parametrize("moment", [END - DAY, END])
def test_a_key_that_was_ended_or_replaced_by_hand_has_no_notice(
    database: Database, key: KeyInfo, change: str, moment: datetime
) -> None:
    value = "key_successor" if change == "replaced_by" else NOW
    with database.transaction() as tx:
        tx.execute(update(keys).where(keys.c.id == key.id).values({change: value}))
    assert give(database, moment) == 0


def test_a_key_revoked_by_its_owner_has_no_notice(database: Database, key: KeyInfo) -> None:
    with database.transaction() as tx:
        revoke_key(tx, factories.NOBODY, key.id, NOW)
    assert give(database, END - DAY) == 0


def test_a_key_of_a_disabled_owner_has_no_notice(database: Database, key: KeyInfo) -> None:
    with database.transaction() as tx:
        tx.execute(update(accounts).values(disabled_at=NOW))
    assert give(database, END - DAY) == 0


def test_a_key_that_is_enabled_again_gets_the_notice_that_holds_now(database: Database, key: KeyInfo) -> None:
    with database.transaction() as tx:
        tx.execute(update(keys).values(disabled_at=NOW))
    assert give(database, END - 7 * DAY) == 0
    with database.transaction() as tx:
        tx.execute(update(keys).values(disabled_at=None))
    give(database, END - 3 * DAY)
    assert given(database) == [("key.expiring", 7)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [(1, [0]), (2, [1, 0]), (7, [1, 0]), (8, [7, 1, 0]), (14, [7, 1, 0]), (30, [14, 7, 1, 0])],
)
def test_a_notice_needs_a_key_that_lives_longer_than_its_lead(
    database: Database, days: int, expected: list[int]
) -> None:
    make(database, "ada@example.org", end=NOW + timedelta(days=days))
    for hours in range(0, (days + 9) * 24, 4):
        give(database, NOW + timedelta(hours=hours))
    assert [lead for _, lead in given(database)] == expected


def test_after_a_pause_only_the_most_urgent_is_given_and_never_what_was_passed_over(
    database: Database, key: KeyInfo
) -> None:
    assert give(database, END - timedelta(hours=5)) == 1
    assert given(database) == [("key.expiring", 1)]
    # A scheduler whose clock is behind.
    assert give(database, END - 2 * DAY) == 0
    assert give(database, END - 10 * DAY) == 0
    assert give(database, END) == 1


def test_an_end_is_told_for_a_week(database: Database, key: KeyInfo) -> None:
    assert give(database, END + 7 * DAY) == 0
    assert give(database, END + 7 * DAY - MOMENT) == 1


def test_many_are_given_in_batches(database: Database, key: KeyInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "BATCH", 2)
    for number in range(4):
        make(database, f"{number}@example.org")
    assert [give(database, END) for _ in range(4)] == [2, 2, 1, 0]


def test_one_statement_is_enough_when_nothing_is_due_among_10_000_keys(
    database: Database, key: KeyInfo
) -> None:
    with database.transaction() as tx:
        row = dict(tx.execute(select(keys)).mappings().one())
        copies = [
            {
                **row,
                "id": f"key_{number}",
                "lookup_hash": number.to_bytes(32, "big"),
                "expires_at": END + number * MOMENT,
            }
            for number in range(10_000)
        ]
        tx.execute(insert(keys), copies)
        told = [{"key_id": f"key_{number}", "notice": "14-days", "at": NOW} for number in range(10_000)]
        tx.execute(insert(key_notices), told)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert give(database, END - 13 * DAY) == 1
    statements.clear()
    assert give(database, END - 13 * DAY) == 0
    assert len([statement for statement in statements if not statement.startswith("BEGIN")]) == 1
