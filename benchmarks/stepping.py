"""What a step of the agent costs beside the model: one with a script, which answers at once."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.numbers import p50, p95
from benchmarks.report import Section
from benchmarks.service import PATIENCE_SECONDS, running
from mixus.client import Client

CALLS: Final = 20
COLUMNS = ("what", "p50 ms", "p95 ms")


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    rounds = 4 if is_quick else 20
    early: list[float] = []
    late: list[float] = []
    commits: list[float] = []
    with running(folder) as service, service.client() as client:
        _step_ms(client)
        for _ in range(rounds):
            steps = _step_ms(client)
            early.append(p50(steps[: CALLS // 2]))
            late.append(p50(steps[CALLS // 2 :]))
            commits.append(_commit_ms(folder / "commits.db"))
    whole = [sum(pair) / 2 for pair in zip(early, late, strict=True)]
    samples = {
        "a step: one answer of the model, one call": whole,
        f"  of the first {CALLS // 2}": early,
        f"  of the last {CALLS // 2}": late,
        "for comparison: one bare commit to disk": commits,
    }
    yield Section(
        "Steps of the agent on SQLite",
        f"{rounds} executions of a script with {CALLS} calls of `calculate`, by the times in their traces; "
        "a step is two commits",
        COLUMNS,
        [(name, p50(found), p95(found)) for name, found in samples.items()],
    )


def _step_ms(client: Client) -> list[float]:
    script = [{"tool": "calculate", "arguments": {"expression": f"{number} * 2"}} for number in range(CALLS)]
    created = client.create_task_agent(
        "Measure the steps.", model="script", script=script, test_mode="without-verification"
    )
    final = client.wait(created.execution_id, "final", PATIENCE_SECONDS)
    assert final.status == "completed", final.raw
    ends = [entry.at for entry in client.trace(created.execution_id) if entry.kind == "tool-call"]
    return [_ms(start, end) for start, end in pairwise(ends)]


def _ms(start: datetime | None, end: datetime | None) -> float:
    assert start is not None
    assert end is not None
    return (end - start).total_seconds() * 1000


def _commit_ms(path: Path) -> float:
    """With the settings that our own database has."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute("create table if not exists notes (text)")
        start = time.perf_counter()
        for _ in range(CALLS):
            connection.execute("insert into notes values (?)", ("x" * 500,))
        return (time.perf_counter() - start) / CALLS * 1000
    finally:
        connection.close()
