"""What all segments of a process work with, and the error with which an execution fails."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from opentelemetry.trace import NoOpTracer, Tracer

from mixus.agents.catalog import Catalog
from mixus.agents.redaction import Redactor
from mixus.core.database import Database
from mixus.evals.lifecycle import Failure

T = TypeVar("T")
NO_TRACER: Final = NoOpTracer()


class Failed(Exception):
    """The execution cannot reach its end; `code` is what its status will say."""

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InFlight:
    """Effects under way: cancelling a segment leaves its effect here until its result is written."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()

    def add(self, task: asyncio.Task[None]) -> None:
        with self._changed:
            self._tasks.add(task)
        task.add_done_callback(self._discard)

    def wait_until_empty(self, seconds: float) -> bool:
        """From outside the loop; whether all have ended in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks, seconds)

    def _discard(self, task: asyncio.Task[None]) -> None:
        with self._changed:
            self._tasks.discard(task)
            self._changed.notify_all()


@dataclass(frozen=True)
class Bench:
    database: Database
    catalog: Catalog
    now: Callable[[], datetime]
    redact: Redactor = field(default_factory=Redactor)
    tracer: Tracer = NO_TRACER
    in_flight: InFlight = field(default_factory=InFlight)

    async def write(self, use_case: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """One transaction in a thread, so that the loop serves other segments meanwhile."""

        def transact() -> T:
            with self.database.transaction() as tx:
                return use_case(tx, *arguments, self.now(), **named)

        return await asyncio.to_thread(transact)

    async def read(self, query: Callable[..., T], *arguments: Any) -> T:
        """One snapshot in a thread."""

        def look() -> T:
            with self.database.snapshot() as tx:
                return query(tx, *arguments)

        return await asyncio.to_thread(look)
