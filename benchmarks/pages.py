"""What a page costs the server and the reader, with what a busy team leaves behind in a few years."""

import http.client
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import select, text, update

from benchmarks.crowd import Crowd, fill
from benchmarks.numbers import p50, p95
from benchmarks.postgres import postgres
from benchmarks.report import Goal, Section
from benchmarks.service import EMAIL, PATIENCE_SECONDS, TASK, Service, paused, running
from mixus.accounts import sessions
from mixus.accounts.principal import Role
from mixus.accounts.tables import accounts
from mixus.core.clock import utc_now
from mixus.core.database import Database, sqlite_url, with_driver
from mixus.server import cookies

COLUMNS: Final = ("page", "p50 ms", "p95 ms", "HTML kB", "with style and script kB")
MOST_MS: Final = 100.0
MOST_KB: Final = 60.0
MOST_LIVE_MS: Final = 1000.0
LIVE_ROUNDS: Final = 20
KB: Final = 1000
FILE: Final = re.compile(r'(?:href|src)="(/static/mixus\.(?:css|js)\?\w+)"')


@dataclass(frozen=True)
class Reader:
    """An admin, who sees what everybody made; `places` are the addresses of his pages by their names."""

    port: int
    cookie: str
    places: dict[str, str]


@dataclass(frozen=True)
class Figures:
    name: str
    milliseconds: list[float]
    html_bytes: int
    file_bytes: int

    @property
    def whole_kb(self) -> float:
        return (self.html_bytes + self.file_bytes) / KB

    @property
    def row(self) -> tuple[str, float, float, float, float]:
        times = self.milliseconds
        return self.name, p50(times), p95(times), self.html_bytes / KB, self.whole_kb


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    crowd, rounds = (Crowd(10_000, 100), 20) if is_quick else (Crowd(100_000, 500), 100)
    for store in ("SQLite",) if is_quick else ("SQLite", "Postgres"):
        with ExitStack() as stack:
            place = folder / store
            place.mkdir()
            url = stack.enter_context(postgres(place)) if store == "Postgres" else None
            service = stack.enter_context(running(place, database_url=url))
            database = Database(_url(place, url))
            stack.callback(database.close)
            reader = _reader(service, database, crowd)
            yield _section(store, crowd, _figures(reader, rounds))
            yield _live(store, service, reader, LIVE_ROUNDS)


def _url(folder: Path, postgres_url: str | None) -> str:
    if postgres_url is None:
        return sqlite_url(folder / "data" / "mixus.db")
    return with_driver(postgres_url).render_as_string(hide_password=False)


def _reader(service: Service, database: Database, crowd: Crowd) -> Reader:
    with service.client() as client:
        waiting, ended = paused(client), paused(client)
        asked = ended.awaiting[0]
        client.decide(ended.execution_id, asked.checkpoint_id, "reject", attempt=1)
        key = str(client.key().id)
    now = utc_now()
    fill(database, waiting.execution_id, ended.execution_id, key, crowd, now)
    with database.transaction() as tx:
        if database.engine.dialect.name == "postgresql":
            # It does so by itself, within a minute.
            tx.execute(text("analyze"))
        tx.execute(update(accounts).values(role=Role.ADMIN))
        owner = tx.execute(select(accounts.c.id).where(accounts.c.email == EMAIL)).scalar_one()
        token, _ = sessions.open_session(tx, owner, None, "bench", now)
    return Reader(
        service.server.port,
        f"{cookies.NAME}={token}",
        _places(waiting.execution_id, waiting.awaiting[0].checkpoint_id, key),
    )


def _places(execution: str, checkpoint: str, key: str) -> dict[str, str]:
    return {
        "/eval": "/eval",
        "/eval, one status": "/eval?status=rejected",
        "/eval, what waits": "/eval?status=awaiting-verification",
        "/eval, one model": "/eval?model=openai:gpt-5",
        "/eval, a text": "/eval?q=Triage",
        "/eval, a text that is nowhere": "/eval?q=no-such-text",
        "/eval, metadata": "/eval?metadata=team%3Dteam-7",
        "/eval/{id}": f"/eval/{execution}",
        "/eval/new": "/eval/new",
        "/review": "/review",
        "/review/{id}": f"/review/{checkpoint}?attempt=1",
        "/integrations": "/integrations",
        "/integrations/api-keys": "/integrations/api-keys",
        "/integrations/api-keys, ended": "/integrations/api-keys?show=ended",
        "/integrations/api-keys/{id}": f"/integrations/api-keys/{key}",
        "/account": "/account",
        "/admin/users": "/admin/users",
        "/admin/audit": "/admin/audit",
        "/docs/tutorial": "/docs/tutorial",
    }


def _figures(reader: Reader, rounds: int) -> list[Figures]:
    connection = http.client.HTTPConnection("127.0.0.1", reader.port)
    try:
        return [_page(connection, reader, name, rounds) for name in reader.places]
    finally:
        connection.close()


def _page(connection: http.client.HTTPConnection, reader: Reader, name: str, rounds: int) -> Figures:
    html, _ = _asked(connection, reader, reader.places[name])
    files = [_asked(connection, reader, address)[0] for address in FILE.findall(html.decode())]
    times = [_asked(connection, reader, reader.places[name])[1] for _ in range(rounds)]
    return Figures(name, times, len(html), sum(map(len, files)))


def _asked(connection: http.client.HTTPConnection, reader: Reader, address: str) -> tuple[bytes, float]:
    """The answer, and how many milliseconds it took as a client on the same machine sees them."""
    start = time.perf_counter()
    connection.request("GET", address, headers={"Cookie": reader.cookie, "Accept": "text/html"})
    answer = connection.getresponse()
    body = answer.read()
    taken = (time.perf_counter() - start) * 1000
    assert answer.status == 200, f"{answer.status} for {address}"
    return body, taken


def _live(store: str, service: Service, reader: Reader, rounds: int) -> Section:
    with service.client() as client:
        times = [_told(reader, partial(client.create_task_agent, TASK)) for _ in range(rounds)]
    return Section(
        f"Live pages on {store}",
        f"from calling create() to the word on an open page's stream that something changed; {rounds} times",
        ("way", "p50 ms", "p95 ms"),
        [("create() → an open page is told", p50(times), p95(times))],
        [Goal(f"{store}: an open page is told, p95", p95(times), MOST_LIVE_MS, "ms")],
    )


def _told(reader: Reader, act: Callable[[], object]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", reader.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/live/executions", headers={"Cookie": reader.cookie})
        answer = connection.getresponse()
        # What it says first, once it listens.
        answer.readline()
        start = time.perf_counter()
        act()
        while not answer.readline().startswith(b"event: changed"):
            pass
        return (time.perf_counter() - start) * 1000
    finally:
        connection.close()


def _section(store: str, crowd: Crowd, figures: list[Figures]) -> Section:
    slowest = max(figures, key=lambda each: p95(each.milliseconds))
    heaviest = max(figures, key=lambda each: each.whole_kb)
    return Section(
        f"Pages on {store}",
        f"an admin, page after page; {crowd.executions:,} executions, {crowd.keys} old keys, each used "
        f"daily; {len(figures[0].milliseconds)} rounds, by a client on the same machine; nothing compressed",
        COLUMNS,
        [each.row for each in figures],
        [
            Goal(
                f"{store}: p95 of the slowest page, {slowest.name}", p95(slowest.milliseconds), MOST_MS, "ms"
            ),
            Goal(f"{store}: weight of the heaviest page, {heaviest.name}", heaviest.whole_kb, MOST_KB, "kB"),
        ],
    )
