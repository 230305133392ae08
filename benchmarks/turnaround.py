"""How long people and agents wait for each other: create → checkpoint, and decision → the agent goes on."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.numbers import p50, p95
from benchmarks.postgres import postgres
from benchmarks.report import Goal, Section
from benchmarks.service import PATIENCE_SECONDS, Service, paused, running
from mixus.client import Client

COLUMNS = ("way", "p50 s", "p95 s")
CREATED, CREATED_SEEN = "created → checkpoint asked", "create() → wait() returned"
STARTED, COMPLETED = "decided → segment started", "decided → completed"
COMPLETED_SEEN = "decide() → wait() returned"


@dataclass(frozen=True)
class Times:
    """Of one execution, in seconds: by the times that the server wrote down, and by the client's clock."""

    created: float
    created_seen: float
    started: float
    completed: float
    completed_seen: float


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    executions = 8 if is_quick else 40
    for store in ("SQLite",) if is_quick else ("SQLite", "Postgres"):
        with ExitStack() as stack:
            place = folder / store
            place.mkdir()
            url = stack.enter_context(postgres(place)) if store == "Postgres" else None
            service = stack.enter_context(running(place, database_url=url))
            yield _section(store, _executions(service, executions))


def _executions(service: Service, count: int) -> list[Times]:
    with service.client() as client:
        _execution(client)
        return [_execution(client) for _ in range(count)]


def _execution(client: Client) -> Times:
    create_called = time.perf_counter()
    status = paused(client)
    created_seen = time.perf_counter() - create_called
    asked = status.awaiting[0]
    decide_called = time.perf_counter()
    decided = client.decide(status.execution_id, asked.checkpoint_id, "approve", attempt=asked.attempt)
    final = client.wait(status.execution_id, "final", PATIENCE_SECONDS)
    completed_seen = time.perf_counter() - decide_called
    assert final.status == "completed", final.raw
    started = [entry.at for entry in client.trace(status.execution_id) if entry.kind == "started"]
    return Times(
        created=_seconds(status.created_at, asked.requested_at),
        created_seen=created_seen,
        started=_seconds(decided.decided_at, started[-1]),
        completed=_seconds(decided.decided_at, final.finished_at),
        completed_seen=completed_seen,
    )


def _seconds(start: datetime | None, end: datetime | None) -> float:
    assert start is not None
    assert end is not None
    return (end - start).total_seconds()


def _section(store: str, times: list[Times]) -> Section:
    samples = {
        CREATED: [each.created for each in times],
        CREATED_SEEN: [each.created_seen for each in times],
        STARTED: [each.started for each in times],
        COMPLETED: [each.completed for each in times],
        COMPLETED_SEEN: [each.completed_seen for each in times],
    }
    return Section(
        f"Turnaround on {store}",
        f"{len(times)} rehearsals one after another over HTTP; first by the server's times, "
        "`…()` by the client's clock",
        COLUMNS,
        [(way, p50(found), p95(found)) for way, found in samples.items()],
        [
            Goal(f"{store}: create → first checkpoint, p50", p50(samples[CREATED_SEEN]), 0.3, "s"),
            Goal(f"{store}: decision → agent goes on, p95", p95(samples[STARTED]), 0.5, "s"),
        ],
    )
