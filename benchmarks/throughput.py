"""The authenticated status as a share of a bare route on the same server software, in the same run."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.load import ask, get
from benchmarks.numbers import p50, shares
from benchmarks.processes import Server, environment, serving
from benchmarks.report import Goal, Section
from benchmarks.service import paused, running
from benchmarks.stack_common import EXECUTION_ID

CONNECTIONS: Final = 32
WARM_UP_SECONDS: Final = 0.5
COLUMNS = ("server", "requests/s", "share", "server CPU µs", "share by CPU", "load CPU µs")
METHOD = (
    f"{CONNECTIONS} keep-alive connections, one process each, uvicorn with uvloop and httptools; "
    "the mixus process also runs its worker"
)


@dataclass
class Contender:
    name: str
    server: Server
    request: bytes
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    load_us: list[float] = field(default_factory=list)

    def ask(self, seconds: float) -> None:
        ask(self.server.port, self.request, CONNECTIONS, seconds)

    def race(self, seconds: float) -> None:
        before = self.server.cpu_seconds()
        answers = ask(self.server.port, self.request, CONNECTIONS, seconds)
        self.per_second.append(answers.per_second)
        self.cpu_us.append((self.server.cpu_seconds() - before) / answers.count * 1e6)
        self.load_us.append(answers.cpu_seconds / answers.count * 1e6)


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds, seconds = (3, 1.0) if is_quick else (7, 3.0)
    with ExitStack() as stack:
        contenders = _contenders(folder, stack)
        for contender in contenders:
            contender.ask(WARM_UP_SECONDS)
        for _ in range(rounds):
            for contender in contenders:
                contender.race(seconds)
    yield _section(contenders, rounds, seconds)


def _contenders(folder: Path, stack: ExitStack) -> list[Contender]:
    log = folder / "stacks.log"
    bare = stack.enter_context(serving(["benchmarks.stack_bare"], environment(), log))
    service = stack.enter_context(running(folder))
    with service.client() as client:
        execution_id = paused(client).execution_id
    plain = stack.enter_context(serving(["benchmarks.stack_plain", str(folder / "data")], environment(), log))
    arguments = ["benchmarks.stack_common", str(folder / "common.db"), service.key]
    common = stack.enter_context(serving(arguments, environment(), log))
    status = get(f"/api/eval/status/{execution_id}", service.key)
    return [
        Contender("bare Starlette route", bare, get("/")),
        Contender("mixus, authenticated status on SQLite", service.server, status),
        Contender("floor: the same two reads on a bare route", plain, status),
        Contender(
            "FastAPI + SQLAlchemy ORM in threads + SHA-256",
            common,
            get(f"/status/{EXECUTION_ID}", service.key),
        ),
    ]


def _section(contenders: list[Contender], rounds: int, seconds: float) -> Section:
    bare, ours, *_ = contenders
    share = p50(shares(ours.per_second, bare.per_second))
    return Section(
        "Throughput of the status",
        f"{METHOD}; medians of {rounds} interleaved rounds of {seconds:g} s",
        COLUMNS,
        [
            (
                each.name,
                p50(each.per_second),
                p50(shares(each.per_second, bare.per_second)),
                p50(each.cpu_us),
                p50(shares(bare.cpu_us, each.cpu_us)),
                p50(each.load_us),
            )
            for each in contenders
        ],
        [
            Goal("status as a share of a bare route", share, 0.4, "of bare", is_floor=True),
            Goal("the same where it stays small and clear", share, 0.6, "of bare", is_floor=True),
        ],
    )
