"""What it costs to know a caller by his key, to count him and to note what he did, without HTTP."""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from starlette.routing import Route
from starlette.types import Scope as AsgiScope

from benchmarks.many import make_keys
from benchmarks.numbers import p50, shares
from benchmarks.report import Section
from benchmarks.stack_common import ApiKey, Base, fill
from mixus.accounts import service as accounts
from mixus.accounts.principal import Role, Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import to_ms, utc_now
from mixus.core.database import Database, sqlite_url
from mixus.core.events import Actor
from mixus.core.settings import Settings
from mixus.keys import service as keys
from mixus.keys import usage
from mixus.keys.authenticate import authenticate
from mixus.keys.pepper import load_or_create
from mixus.keys.service import NewKey
from mixus.keys.tables import keys as key_table
from mixus.keys.usage import Batch, Cell, Last
from mixus.server.app import services_of

NETWORK = "127.0.0.0/24"
ROUTE = "/api/eval/status/{executionId}"
COLUMNS = ("way", "CPU µs", "times a bare look-up")
BARE = "SHA-256 and one sqlite3 look-up"
# What many keys used within a second, so that it is written in one batch.
WRITTEN_KEYS = 1000
Act = Callable[[], object]


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds, calls = (3, 500) if is_quick else (9, 2000)
    make_keys(folder, WRITTEN_KEYS)
    database = Database(sqlite_url(folder / "data" / "mixus.db"))
    try:
        acts = {
            BARE: _bare(folder / "bare.db"),
            **_ours(database, folder / "data"),
            "SHA-256 and one look-up by an object mapper": _mapped(folder / "mapped.db"),
        }
        times: dict[str, list[float]] = {name: [] for name in acts}
        writing: list[float] = []
        for number in range(rounds):
            for name, act in acts.items():
                times[name].append(_microseconds(act, calls))
            writing.append(_writing(database, number))
    finally:
        database.close()
    times[f"once a second, in a thread: write its use down, per key ({WRITTEN_KEYS:,} used)"] = writing
    yield Section(
        "Authentication",
        f"on SQLite; medians of {rounds} interleaved rounds of {calls} calls",
        COLUMNS,
        [(name, p50(found), p50(shares(found, times[BARE]))) for name, found in times.items()],
    )


def _microseconds(act: Act, calls: int) -> float:
    act()
    start = time.process_time()
    for _ in range(calls):
        act()
    return (time.process_time() - start) / calls * 1e6


def _ours(database: Database, folder: Path) -> dict[str, Act]:
    """What the door does for each request: the key, its limit, and the note of what became of it."""
    now, nobody, pepper = utc_now(), Actor(None), load_or_create(folder / "pepper")
    with database.transaction() as tx:
        owner = accounts.create(tx, "bench@example.org", Role.MEMBER, now, nobody)
        key, made = keys.create(tx, pepper, NewKey(owner.id, "bench", (Scope.MANAGE,)), nobody, now)
    authorization = [f"Bearer {key}".encode()]
    # The one key is asked more often than any deployment would let it.
    settings = Settings(data=folder, requests_per_minute=1_000_000)
    services = services_of(settings, database, pepper, Catalog(settings.model))
    scope: AsgiScope = {
        "method": "GET",
        "headers": [(b"authorization", authorization[0]), (b"user-agent", b"mixus-python/0.1")],
        "state": {"network": NETWORK, "asked_scope": Scope.READ.value},
        "route": Route(ROUTE, _unreached),
    }

    def counted() -> None:
        _finish(services.door.admit(scope, NETWORK))

    def noted() -> None:
        counted()
        services.bookkeeper.note(scope, made.id, 200)

    return {
        "authenticate()": lambda: authenticate(database, pepper, authorization, NETWORK, utc_now()),
        "  and its limit: Door.admit()": counted,
        "  and its use: Bookkeeper.note()": noted,
    }


def _finish(waiting: Coroutine[object, object, object]) -> None:
    """On SQLite nothing is waited for."""
    try:
        waiting.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


async def _unreached() -> None:
    pass


def _writing(database: Database, number: int) -> float:
    """Microseconds of CPU per key."""
    with database.transaction() as tx:
        key_ids = list(tx.execute(select(key_table.c.id).limit(WRITTEN_KEYS)).scalars())
        cells = [Cell(key_id, 20_000, f"GET {ROUTE}", 200, "", Scope.READ.value) for key_id in key_ids]
        last = Last(to_ms(utc_now()), NETWORK, None)
        batch = Batch(number + 1, dict.fromkeys(cells, 1), dict.fromkeys(key_ids, last), {}, {})
        start = time.process_time()
        usage.write(tx, "wrk_bench", batch, utc_now())
        return (time.process_time() - start) / len(key_ids) * 1e6


def _bare(path: Path) -> Act:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("create table keys (digest blob primary key, owner text) without rowid")
    token = secrets.token_hex(20).encode()
    connection.execute("insert into keys values (?, 'ada')", (hashlib.sha256(token).digest(),))
    question = "select owner from keys where digest = ?"
    return lambda: connection.execute(question, (hashlib.sha256(token).digest(),)).fetchall()


def _mapped(path: Path) -> Act:
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    token = secrets.token_hex(20)
    with Session(engine) as opened:
        fill(opened, token)

    def look_up() -> object:
        with Session(engine) as opened:
            digest = hashlib.sha256(token.encode()).hexdigest()
            return opened.scalars(select(ApiKey).where(ApiKey.sha256 == digest)).one()

    return look_up
