"""What is counted of a key's use is what was answered: no more, and hardly less however a process dies."""

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attacks.house import deployed, port_of
from attacks.people import Key, Office
from attacks.raw import SELF, Wire, bearer, request
from e2e.deployment import end
from factories import NOW, PEPPER
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import to_ms
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.keys import report, usage
from mixus.keys.tables import key_usage, key_use
from mixus.keys.usage import Batch, Cell, Last, Usage
from mixus.server.app import create_app

MUCH = {"MIXUS_REQUESTS_PER_MINUTE": "1000000", "MIXUS_FAILED_KEYS_PER_MINUTE": "1000000"}
LOST_SECONDS = 2.0
CALLERS = 6


def counted(office: Office, key: Key) -> tuple[int, int]:
    """Accepted and refused, as they stand."""
    statement = select(key_use.c.accepted, key_use.c.refused).where(key_use.c.key_id == key.id)
    with office.database.snapshot() as tx:
        row = tx.execute(statement).one_or_none()
    return (0, 0) if row is None else (row.accepted, row.refused)


def unbalanced(office: Office) -> Sequence[str]:
    with office.database.snapshot() as tx:
        return report.unbalanced_keys(tx)


@dataclass
class Load:
    """Calls from several connections until told to stop, or until the server is gone."""

    port: int
    key: Key
    answered_at: list[float] = field(default_factory=list)
    begun: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, most: int = 1_000_000) -> None:
        with Wire(self.port) as wire:
            for _ in range(most):
                if self.is_over.is_set():
                    return
                with self.lock:
                    self.begun += 1
                wire.send(request(bearer(self.key.secret)))
                answer = wire.answer()
                if answer is None:
                    return
                assert answer.status == 200
                with self.lock:
                    self.answered_at.append(time.monotonic())


def test_a_killed_server_loses_two_seconds_of_counts_at_most_and_an_orderly_stop_none(
    database_url: str, tmp_path: Path
) -> None:
    with deployed(database_url, tmp_path / "data", **MUCH) as (deployment, office):
        key = office.key()
        deployment.serve("--no-worker")
        load = Load(port_of(deployment), key)
        with ThreadPoolExecutor(CALLERS) as threads:
            callers = [threads.submit(load.call) for _ in range(CALLERS)]
            load.is_over.wait(3.3)
            end(deployment.processes.pop())
            killed_at = time.monotonic()
            for caller in callers:
                caller.result()
        accepted, refused = counted(office, key)
        kept = sum(moment < killed_at - LOST_SECONDS for moment in load.answered_at)
        assert kept > 0
        assert kept <= accepted <= load.begun
        assert refused == 0
        assert unbalanced(office) == []

        deployment.serve("--no-worker")
        process = deployment.processes[-1]
        load = Load(port_of(deployment), key)
        with ThreadPoolExecutor(CALLERS) as threads:
            list(threads.map(load.call, [40] * CALLERS))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert counted(office, key) == (accepted + CALLERS * 40, 0)
        assert unbalanced(office) == []


def test_a_stop_under_load_counts_every_answer_and_nothing_that_was_not_asked(
    postgres_database_url: str, tmp_path: Path
) -> None:
    with deployed(postgres_database_url, tmp_path / "data", **MUCH) as (deployment, office):
        key = office.key()
        deployment.serve("--no-worker")
        process = deployment.processes[-1]
        load = Load(port_of(deployment), key)
        with ThreadPoolExecutor(CALLERS) as threads:
            callers = [threads.submit(load.call) for _ in range(CALLERS)]
            load.is_over.wait(1.2)
            process.send_signal(signal.SIGTERM)
            for caller in callers:
                caller.result()
        assert process.wait(20) == 0
        assert len(load.answered_at) <= counted(office, key)[0] <= load.begun
        assert unbalanced(office) == []


def test_every_answer_of_every_kind_is_counted_once_under_its_route_and_outcome(office: Office) -> None:
    settings = Settings(requests_per_minute=8, failed_keys_per_minute=1_000_000)
    key, reader = office.key(), office.key(scopes=[Scope.READ])
    execution = "/api/eval/executions/exe_0000000000000000000000"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", SELF, {}),
        ("GET", "/api/nothing", {}),
        ("GET", f"{execution}/trace", {}),
        ("PUT", execution, {}),
        ("POST", "/api/eval/create-task-agent", {"json": {}}),
        ("POST", "/api/eval/create-task-agent", {"content": b"{", "headers": {"Content-Type": "text/plain"}}),
        ("GET", "/api/keys", {}),
        ("GET", "/api/eval/status/exe_0000000000000000000000", {}),
        ("GET", SELF, {}),
        ("GET", SELF, {}),
    ]
    with TestClient(create_app(settings, office.database, PEPPER, Catalog("rehearsal"))) as http:
        for method, path, options in calls:
            http.request(
                method, path, **{**options, "headers": {**options.get("headers", {}), **key.headers}}
            )
        http.delete(execution, headers=reader.headers)
        office.revoke(reader.id)
        http.get(SELF, headers=reader.headers)
    assert counted(office, key) == (8, 2)
    assert counted(office, reader) == (1, 1)
    with office.database.snapshot() as tx:
        rows = tx.execute(select(key_usage).where(key_usage.c.key_id == key.id)).mappings().all()
        last = tx.execute(select(key_use).where(key_use.c.key_id == key.id)).one()
    assert sum(row["count"] for row in rows) == len(calls)
    by_status = sorted((row["status"], row["refusal"]) for row in rows for _ in range(row["count"]))
    assert by_status == sorted(
        [(200, ""), (404, ""), (404, ""), (405, ""), (422, ""), (415, ""), (403, ""), (404, "")]
        + [(429, "rate-limited")] * 2
    )
    assert last.last_refused_at >= last.last_used_at
    assert unbalanced(office) == []


def batch(number: int, key: Key, count: int = 3, at_ms: int = to_ms(NOW), **changes: str) -> Batch:
    fields = {"route": "GET /api/keys/self", "refusal": ""} | changes
    cell = Cell(key.id, usage.day_of(at_ms), fields["route"], 200, fields["refusal"], None)
    last = {key.id: Last(at_ms, f"192.0.2.{number}", "agent")}
    is_refused = bool(fields["refusal"])
    return Batch(number, {cell: count}, {} if is_refused else last, last if is_refused else {}, {})


def write(office: Office, writer: str, each: Batch) -> bool:
    return bool(office.act(lambda tx: usage.write(tx, writer, each, NOW)))


def test_a_batch_that_is_written_twice_counts_once(office: Office) -> None:
    """Its commit was not answered, so it is written again: the number tells."""
    key = office.key()
    assert write(office, "wrk_1", batch(1, key))
    assert not write(office, "wrk_1", batch(1, key))
    assert write(office, "wrk_2", batch(1, key))
    assert write(office, "wrk_1", batch(2, key, count=4))
    assert not write(office, "wrk_1", batch(1, key))
    assert counted(office, key) == (10, 0)
    assert unbalanced(office) == []


def test_a_batch_whose_transaction_broke_counts_nothing_and_counts_once_later(office: Office) -> None:
    key = office.key()

    def broken(tx: object) -> None:
        usage.write(tx, "wrk_1", batch(1, key), NOW)  # type: ignore[arg-type] # what `act` gives
        raise ConnectionError

    with pytest.raises(ConnectionError):
        office.act(broken)
    assert counted(office, key) == (0, 0)
    assert write(office, "wrk_1", batch(1, key))
    assert counted(office, key) == (3, 0)


def test_eight_writers_of_one_hot_key_lose_nothing_and_do_not_deadlock(office: Office) -> None:
    keys = [office.key() for _ in range(4)]

    def book(number: int) -> None:
        books = Usage()
        for round_ in range(5):
            for key in keys:
                for route in ("a", "b"):
                    cell = Cell(key.id, 20_000, route, 200, "", None)
                    for _ in range(7):
                        books.note(cell, Last(to_ms(NOW) + round_, None, str(number)))
            write(office, books.writer_id, books.take())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(book, range(8)))
    assert {counted(office, key) for key in keys} == {(8 * 5 * 2 * 7, 0)}
    assert unbalanced(office) == []


def test_the_last_use_never_goes_back_and_no_refusal_moves_it(office: Office) -> None:
    key, now = office.key(), to_ms(NOW)
    write(office, "wrk_1", batch(1, key, at_ms=now))
    write(office, "wrk_2", batch(1, key, at_ms=now - 60_000))
    write(office, "wrk_3", batch(1, key, at_ms=now + 60_000, refusal="rate-limited"))
    described = office.describe(key.id)
    assert described.last_used_at == NOW
    assert described.last_used_network == "192.0.2.1"
    assert (described.accepted, described.refused) == (6, 3)


@pytest.mark.parametrize(
    "moment", ["2026-12-31T23:59:59.999", "2028-02-29T23:59:59.999", "2026-10-25T00:59:59.999"]
)
def test_a_day_ends_at_midnight_in_utc_whatever_the_calendar_does(office: Office, moment: str) -> None:
    key = office.key()
    last_ms = to_ms(NOW.fromisoformat(f"{moment}+00:00"))
    write(office, "wrk_1", batch(1, key, count=2, at_ms=last_ms))
    write(office, "wrk_1", batch(2, key, count=5, at_ms=last_ms + 1))
    with office.database.snapshot() as tx:
        found = report.usage_of(tx, office.describe(key.id), NOW)
    days = [(day.day, day.accepted) for day in found.days]
    first = usage.day_of(last_ms)
    is_midnight = (last_ms + 1) % 86_400_000 == 0
    assert days == ([(first, 2), (first + 1, 5)] if is_midnight else [(first, 7)])


def test_adding_up_old_days_changes_no_sum_however_often(office: Office) -> None:
    key, other = office.key(), office.key()
    for number in range(1, 200, 7):
        at_ms = to_ms(NOW - timedelta(days=number))
        write(office, "wrk_1", batch(2 * number, key, count=number, at_ms=at_ms))
        write(office, "wrk_1", batch(2 * number + 1, other, at_ms=at_ms, refusal="rate-limited", route=""))
    before = counted(office, key), counted(office, other), total(office)
    assert office.act(lambda tx: report.roll_up(tx, NOW)) > 0
    for later in (NOW, NOW, NOW + timedelta(days=30), NOW + timedelta(days=400)):
        with office.database.transaction() as tx:
            report.roll_up(tx, later)
        assert (counted(office, key), counted(office, other), total(office)) == before
        assert unbalanced(office) == []
    with office.database.snapshot() as tx:
        found = report.usage_of(tx, office.describe(key.id), NOW)
    assert found.days == []
    assert found.older.accepted == before[0][0]


def test_adding_up_refuses_to_change_a_sum_and_then_changes_nothing(office: Office) -> None:
    """A count that somebody changed by hand is found by the check of the sums."""
    key = office.key()
    write(office, "wrk_1", batch(1, key))
    office.act(lambda tx: tx.execute(update(key_usage).values(count=key_usage.c.count + 1)))
    assert unbalanced(office) == [key.id]


def total(office: Office) -> int:
    with office.database.snapshot() as tx:
        return int(tx.execute(select(func.sum(key_usage.c.count))).scalar_one())


def test_what_cannot_be_written_is_kept_and_counted_when_the_database_is_back(
    postgres_server: str, postgres_database_url: str
) -> None:
    database = Database(postgres_database_url)
    office = Office(database, PEPPER)
    key = office.key()
    app = create_app(Settings(), database, PEPPER, Catalog("rehearsal"))
    with TestClient(app) as http:
        bookkeeper = app.state.services.bookkeeper
        for _ in range(5):
            assert http.get(SELF, headers=key.headers).status_code == 200
        with database.engine.connect() as rival:
            # Somebody holds the row that counts: the batch waits, and no request does.
            rival.exec_driver_sql("lock table key_use in access exclusive mode")
            writer = threading.Thread(target=bookkeeper.write)
            writer.start()
            for _ in range(5):
                assert http.get("/api/nothing", headers=key.headers).status_code == 404
            rival.rollback()
        writer.join()
    assert counted(office, key) == (10, 0)
    assert unbalanced(office) == []
    database.close()
