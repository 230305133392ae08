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
from benchmarks.service import paused, running, settings_of
from benchmarks.stack_common import EXECUTION_ID

CONNECTIONS: Final = 32
WARM_UP_SECONDS: Final = 0.5
COLUMNS = ("server", "requests/s", "share", "server CPU µs", "share by CPU", "load CPU µs")
METHOD = (
    f"{CONNECTIONS} keep-alive connections, one process each, uvicorn with uvloop and httptools unless "
    "said otherwise; the mixus process also runs its worker"
)


@dataclass
class Contender:
    """`bare` is the yardstick on the same server software; a yardstick has none."""

    name: str
    server: Server
    request: bytes
    bare: "Contender | None" = None
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
    slow_bare = stack.enter_context(serving(["benchmarks.stack_bare", "h11"], environment(), log))
    slow = stack.enter_context(serving(["benchmarks.stack_mixus", "h11"], settings_of(folder), log))
    yardstick = Contender("bare Starlette route", bare, get("/"))
    slow_yardstick = Contender("bare Starlette route, asyncio and h11", slow_bare, get("/"))
    common_status = get(f"/status/{EXECUTION_ID}", service.key)
    return [
        yardstick,
        Contender("mixus, authenticated status on SQLite", service.server, status, yardstick),
        Contender("floor: the same two reads on a bare route", plain, status, yardstick),
        Contender("FastAPI + SQLAlchemy ORM in threads + SHA-256", common, common_status, yardstick),
        slow_yardstick,
        Contender("mixus, asyncio and h11, without its worker", slow, status, slow_yardstick),
    ]


def _section(contenders: list[Contender], rounds: int, seconds: float) -> Section:
    ours, slow = contenders[1], contenders[-1]
    share = _share(ours)
    return Section(
        "Throughput of the status",
        f"{METHOD}; medians of {rounds} interleaved rounds of {seconds:g} s",
        COLUMNS,
        [
            (
                each.name,
                p50(each.per_second),
                _share(each),
                p50(each.cpu_us),
                _share_by_cpu(each),
                p50(each.load_us),
            )
            for each in contenders
        ],
        [
            Goal("status as a share of a bare route", share, 0.4, "of bare", is_floor=True),
            Goal("the same where it stays small and clear", share, 0.6, "of bare", is_floor=True),
            Goal("the same on asyncio and h11", _share_by_cpu(slow), 0.4, "of bare by CPU", is_floor=True),
        ],
    )


def _share(each: Contender) -> float:
    """Of the requests per second of its yardstick, round by round."""
    return p50(shares(each.per_second, (each.bare or each).per_second))


def _share_by_cpu(each: Contender) -> float:
    """On asyncio the only one that tells: there something other than the processor holds both up."""
    return p50(shares((each.bare or each).cpu_us, each.cpu_us))
