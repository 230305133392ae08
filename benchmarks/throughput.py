"""The authenticated status as a share of a bare route on the same server software, in the same run."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.load import get
from benchmarks.many import make_keys
from benchmarks.postgres import postgres
from benchmarks.processes import environment, serving
from benchmarks.racing import COLUMNS, CONNECTIONS, Contender, race
from benchmarks.report import Goal, Section
from benchmarks.service import Service, paused, running, settings_of
from benchmarks.stack_common import EXECUTION_ID

# With fewer the limit of 100 requests per minute and key, which is on, would refuse some.
KEYS: Final = 10_000
METHOD: Final = (
    f"{CONNECTIONS} keep-alive connections; mixus with {KEYS:,} keys in turn, its usual limits, "
    "usage and audit; one process each, uvicorn with uvloop and httptools unless said otherwise; the mixus "
    "process also runs its worker"
)


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds, seconds = (3, 1.0) if is_quick else (7, 3.0)
    with ExitStack() as stack:
        contenders = _contenders(folder, stack)
        race(contenders, rounds, seconds)
    yield _section(contenders, rounds, seconds)


def status_requests(service: Service, keys: Sequence[str]) -> list[bytes]:
    """The status of an execution that waits for a human, asked with each of these keys."""
    with service.client() as client:
        execution_id = paused(client).execution_id
    return [get(f"/api/eval/status/{execution_id}", key) for key in keys]


def _contenders(folder: Path, stack: ExitStack) -> list[Contender]:
    log = folder / "stacks.log"
    bare = stack.enter_context(serving(["benchmarks.stack_bare"], environment(), log))
    slow_bare = stack.enter_context(serving(["benchmarks.stack_bare", "h11"], environment(), log))
    keys = make_keys(folder, KEYS)
    service = stack.enter_context(running(folder))
    status = status_requests(service, keys)
    plain = stack.enter_context(serving(["benchmarks.stack_plain", str(folder / "data")], environment(), log))
    arguments = ["benchmarks.stack_common", str(folder / "common.db"), service.key]
    common = stack.enter_context(serving(arguments, environment(), log))
    slow = stack.enter_context(serving(["benchmarks.stack_mixus", "h11"], settings_of(folder), log))
    yardstick = Contender("bare Starlette route", bare, [get("/")])
    slow_yardstick = Contender("bare Starlette route, asyncio and h11", slow_bare, [get("/")])
    common_status = [get(f"/status/{EXECUTION_ID}", service.key)]
    return [
        yardstick,
        Contender("mixus, authenticated status on SQLite", service.server, status, yardstick),
        Contender("floor: the same two reads on a bare route", plain, status, yardstick),
        _on_postgres(folder / "beside", stack, yardstick),
        Contender("FastAPI + SQLAlchemy ORM in threads + SHA-256", common, common_status, yardstick),
        slow_yardstick,
        Contender("mixus, asyncio and h11, without its worker", slow, status, slow_yardstick),
    ]


def _on_postgres(folder: Path, stack: ExitStack, yardstick: Contender) -> Contender:
    folder.mkdir()
    url = stack.enter_context(postgres(folder))
    keys = make_keys(folder, KEYS, url)
    service = stack.enter_context(running(folder, database_url=url))
    status = status_requests(service, keys)
    return Contender("mixus, authenticated status on Postgres", service.server, status, yardstick)


def _section(contenders: list[Contender], rounds: int, seconds: float) -> Section:
    ours, slow = contenders[1], contenders[-1]
    return Section(
        "Throughput of the status",
        f"{METHOD}; medians of {rounds} interleaved rounds of {seconds:g} s",
        COLUMNS,
        [each.row for each in contenders],
        [
            Goal("status as a share of a bare route", ours.share, 0.4, "of bare", is_floor=True),
            Goal("the same where it stays small and clear", ours.share, 0.6, "of bare", is_floor=True),
            Goal("the same on asyncio and h11", slow.share_by_cpu, 0.4, "of bare by CPU", is_floor=True),
        ],
    )
