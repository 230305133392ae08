"""What a busy team leaves behind in a few years, written straight into the tables from a few true rows."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, insert, select

from mixus.core.clock import EPOCH
from mixus.core.database import Database
from mixus.core.events import events
from mixus.core.ids import new_id
from mixus.evals.tables import checkpoints, executions, trace
from mixus.keys.tables import key_usage, keys

BATCH: Final = 1_000
# The newest executions wait for a human; of the others each was made a little earlier than the one before.
WAITING: Final = 300
APART: Final = timedelta(minutes=10)
MODELS: Final = ("rehearsal", "openai:gpt-5", "anthropic:claude-sonnet-5", "ollama:llama3")
NAMES: Final = (
    "Quarterly commission",
    "Refund notice",
    "Research of competitors",
    "Close the books",
    "Triage",
)
USED_DAYS: Final = 90

Row = dict[str, Any]


@dataclass(frozen=True)
class Crowd:
    executions: int
    keys: int


def fill(database: Database, waiting: str, ended: str, key: str, crowd: Crowd, now: datetime) -> None:
    """Copies of one execution that waits, of one that ended, and of one key, which is old in each."""
    copies = _Copies(database, waiting, ended)
    for numbers in _batched(range(crowd.executions)):
        rows = [copies.execution(number, now) for number in numbers]
        with database.transaction() as tx:
            for table in (executions, checkpoints, trace, events):
                made = [row for row_set in rows for row in row_set[table.name]]
                if made:
                    tx.execute(insert(table), made)
    with database.transaction() as tx:
        [true_key] = _rows(database, keys, keys.c.id == key)
        old = [_old_key(true_key, number, now) for number in range(crowd.keys)]
        tx.execute(insert(keys), old)
        for each in old:
            tx.execute(insert(key_usage), list(_usage(each["id"], now)))


class _Copies:
    """The true rows, read once."""

    def __init__(self, database: Database, waiting: str, ended: str) -> None:
        self.rows = {
            name: {
                "executions": _rows(database, executions, executions.c.id == name),
                "checkpoints": _rows(database, checkpoints, checkpoints.c.execution_id == name),
                "trace": _rows(database, trace, trace.c.execution_id == name),
                "events": _rows(database, events, events.c.subject_id == name),
            }
            for name in (waiting, ended)
        }
        self.waiting, self.ended = waiting, ended

    def execution(self, number: int, now: datetime) -> dict[str, list[Row]]:
        true = self.rows[self.waiting if number < WAITING else self.ended]
        [execution] = true["executions"]
        made = new_id("exe")
        back = now - APART * (number + 1) - execution["created_at"]
        own = {
            "id": made,
            "task_name": f"{NAMES[number % len(NAMES)]} {number}",
            "model": MODELS[number % len(MODELS)],
            "metadata": {"team": f"team-{number % 20}"},
        }
        return {
            "executions": [_moved(execution, back) | own],
            "checkpoints": [
                _moved(row, back) | {"id": new_id("chk"), "execution_id": made} for row in true["checkpoints"]
            ],
            # The journal is read by execution only; of one in ten it is there.
            "trace": [
                _moved(row, back) | {"execution_id": made} for row in true["trace"] if number % 10 == 0
            ],
            "events": [
                _moved(row, back) | {"id": new_id("evt"), "subject_id": made} for row in true["events"]
            ],
        }


def _old_key(true: Row, number: int, now: datetime) -> Row:
    made = new_id("key")
    at = now - timedelta(days=number + 1)
    return true | {
        "id": made,
        "lineage_id": made,
        "name": f"nightly {number}",
        "lookup_hash": number.to_bytes(32, "big"),
        "created_at": at,
        "revoked_at": at + timedelta(hours=1),
        "revoked_by": true["user_id"],
    }


def _usage(key: str, now: datetime) -> Iterator[Row]:
    today = (now - EPOCH).days
    routes = (("/api/eval/status/{executionId}", "eval:read"), ("/api/eval/create-task-agent", "eval:create"))
    for day, (route, scope) in itertools.product(range(today - USED_DAYS + 1, today + 1), routes):
        yield {
            "key_id": key,
            "day": day,
            "route": route,
            "status": 200,
            "refusal": "",
            "scope": scope,
            "count": 1 + day % 40,
        }


def _rows(database: Database, table: Table, condition: Any) -> list[Row]:
    with database.snapshot() as tx:
        return [dict(row) for row in tx.execute(select(table).where(condition)).mappings()]


def _moved(row: Row, back: timedelta) -> Row:
    return {name: value + back if isinstance(value, datetime) else value for name, value in row.items()}


def _batched(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BATCH):
        yield numbers[start : start + BATCH]
