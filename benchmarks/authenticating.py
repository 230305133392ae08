"""What it costs to know a caller by his key, without HTTP."""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from benchmarks.numbers import p50, shares
from benchmarks.report import Section
from benchmarks.stack_common import ApiKey, Base, fill
from mixus.accounts import service as accounts
from mixus.accounts.principal import Role, Scope
from mixus.cli.database import upgrade
from mixus.core.clock import utc_now
from mixus.core.database import Database, sqlite_url
from mixus.core.events import Actor
from mixus.keys import service as keys
from mixus.keys.authenticate import authenticate
from mixus.keys.pepper import Pepper
from mixus.keys.service import NewKey

COLUMNS = ("way", "CPU µs", "times a bare look-up")
Act = Callable[[], object]


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds, calls = (3, 500) if is_quick else (9, 2000)
    database = Database(sqlite_url(folder / "mixus.db"))
    try:
        upgrade(database)
        acts = {
            "SHA-256 and one sqlite3 look-up": _bare(folder / "bare.db"),
            "authenticate()": _ours(database),
            "SHA-256 and one look-up by an object mapper": _mapped(folder / "mapped.db"),
        }
        times: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(rounds):
            for name, act in acts.items():
                times[name].append(_microseconds(act, calls))
    finally:
        database.close()
    bare = times["SHA-256 and one sqlite3 look-up"]
    yield Section(
        "Authentication",
        f"one thread on SQLite; medians of {rounds} interleaved rounds of {calls} calls",
        COLUMNS,
        [(name, p50(found), p50(shares(found, bare))) for name, found in times.items()],
    )


def _microseconds(act: Act, calls: int) -> float:
    act()
    start = time.process_time()
    for _ in range(calls):
        act()
    return (time.process_time() - start) / calls * 1e6


def _ours(database: Database) -> Act:
    pepper, now, nobody = Pepper(secrets.token_bytes(32)), utc_now(), Actor(None)
    with database.transaction() as tx:
        owner = accounts.create(tx, "bench@example.org", Role.MEMBER, now, nobody)
        key, _ = keys.create(tx, pepper, NewKey(owner.id, "bench", (Scope.MANAGE,)), nobody, now)
    authorization = [f"Bearer {key}".encode()]
    return lambda: authenticate(database, pepper, authorization, "127.0.0.0/24", utc_now())


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
