"""Whether many keys cost more than few, and how other products that check keys compare."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text

from benchmarks import peers
from benchmarks.load import get
from benchmarks.many import make_keys
from benchmarks.peers import NotInstalled
from benchmarks.postgres import postgres
from benchmarks.processes import environment, serving
from benchmarks.racing import COLUMNS, CONNECTIONS, Contender, race, times
from benchmarks.report import Goal, Section
from benchmarks.service import running
from benchmarks.throughput import status_requests
from mixus.core.database import Database

FEW, MANY = 10, 10_000
# The same for all. With the one that a deployment starts with so few keys would be refused at once.
LIMIT: Final = "1000000"
NOISE: Final = 0.9
TIMES_A_PEER: Final = 3.0


@dataclass(frozen=True)
class Rounds:
    """As short as they are so that no log of a key grows longer than the usual limit lets it."""

    count: int
    seconds: float = 1.0

    @property
    def method(self) -> str:
        return (
            f"{CONNECTIONS} keep-alive connections, one process each; "
            f"medians of {self.count} interleaved rounds of {self.seconds:g} s"
        )


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds = Rounds(3) if is_quick else Rounds(15)
    for store in ("SQLite", "Postgres"):
        with ExitStack() as stack:
            yield _store(store, folder, stack, rounds)
    with ExitStack() as stack:
        yield _peers(folder / "peers", stack, rounds)


def _store(store: str, folder: Path, stack: ExitStack, rounds: Rounds) -> Section:
    yardstick = _yardstick(folder, stack)
    [few] = _deployment(store, folder / f"few-{store}", FEW, stack, yardstick)
    all_used, some_used = _deployment(store, folder / f"many-{store}", MANY, stack, yardstick)
    contenders = [yardstick, few, some_used, all_used]
    race(contenders, rounds.count, rounds.seconds)
    return Section(
        f"Few and many keys on {store}",
        f"the status; {rounds.method}; the same limit for all, which nobody reaches",
        COLUMNS,
        [each.row for each in contenders],
        [
            Goal(f"{store}: {each.name}, against {FEW}", times(each, few), NOISE, "times", is_floor=True)
            for each in (some_used, all_used)
        ],
    )


def _yardstick(folder: Path, stack: ExitStack) -> Contender:
    bare = stack.enter_context(serving(["benchmarks.stack_bare"], environment(), folder / "bare.log"))
    return Contender("bare Starlette route", bare, [get("/")])


def _deployment(
    store: str, folder: Path, count: int, stack: ExitStack, yardstick: Contender
) -> list[Contender]:
    """One server, asked with all of its keys; and again with few of them if it has many."""
    folder.mkdir()
    url = stack.enter_context(postgres(folder)) if store == "Postgres" else None
    keys = make_keys(folder, count, url)
    service = stack.enter_context(running(folder, database_url=url, MIXUS_REQUESTS_PER_MINUTE=LIMIT))
    status = status_requests(service, keys)
    forget = _nothing if url is None else _forgetting(url, stack)

    def contender(name: str, used: int) -> Contender:
        return Contender(name, service.server, status[:used], yardstick, forget)

    if count == FEW:
        return [contender(f"{FEW} keys", FEW)]
    return [contender(f"{MANY:,} keys, all in use", MANY), contender(f"{MANY:,} keys, {FEW} in use", FEW)]


def _forgetting(url: str, stack: ExitStack) -> Callable[[], None]:
    """Empty the logs of the rate limit: on Postgres long ones cost more, and are not what is compared."""
    database = Database(url)
    stack.callback(database.close)

    def forget() -> None:
        with database.transaction() as tx:
            tx.execute(text("truncate rate_windows"))

    return forget


def _nothing() -> None:
    pass


def _peers(folder: Path, stack: ExitStack, rounds: Rounds) -> Section:
    folder.mkdir()
    yardstick = _yardstick(folder, stack)
    try:
        others = peers.contenders(folder / "others", stack, yardstick)
    except NotInstalled as error:
        note = f"left out: the peers cannot be installed from the package index ({error})"
        return Section("Other products that check keys", note, COLUMNS, [])
    keys = make_keys(folder, MANY)
    service = stack.enter_context(running(folder))
    ours = Contender("mixus, authenticated status", service.server, status_requests(service, keys), yardstick)
    contenders = [yardstick, ours, *others]
    race(contenders, rounds.count, rounds.seconds)
    fastest = max(others, key=lambda each: each.share)
    return Section(
        "Other products that check keys",
        f"all on SQLite, theirs a view of two words; {rounds.method}",
        COLUMNS,
        [each.row for each in contenders],
        [Goal(f"mixus against {fastest.name}", times(ours, fastest), TIMES_A_PEER, "times", is_floor=True)],
    )
