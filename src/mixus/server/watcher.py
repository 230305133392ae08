"""Tells whoever waits for an execution that it changed: one reader for all, and none while nobody waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mixus.core.database import Database, Row
from mixus.evals import queries
from mixus.server.reading import read

POLL_SECONDS: Final = 0.1

# Is this pulse news to who waits? None stands for an execution that is gone.
IsNews = Callable[[Row | None], bool]


@dataclass(frozen=True, eq=False)
class Waiter:
    execution_id: str
    is_news: IsNews
    told: asyncio.Future[None]


class Watcher:
    """Belongs to one event loop, so it needs no locks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiters: set[Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, execution_id: str, is_news: IsNews, timeout_seconds: float) -> bool:
        """Whether there was news in time. Raises what the database raised while we waited."""
        waiter = Waiter(execution_id, is_news, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self.is_idle():
            self._task = asyncio.create_task(self._watch())
        try:
            await asyncio.wait_for(waiter.told, timeout_seconds)
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    def is_idle(self) -> bool:
        return self._task is None or self._task.done()

    async def _watch(self) -> None:
        while self._waiters:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - each waiter raises it; the next one starts anew
                self._fail(error)
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        """Only those who waited when the question was put: for others, no pulse does not mean gone."""
        asking = frozenset(self._waiters)
        execution_ids = sorted({waiter.execution_id for waiter in asking})
        pulses = await read(self.database, queries.pulses, self.database, execution_ids)
        for waiter in asking:
            if waiter.is_news(pulses.get(waiter.execution_id)) and not waiter.told.done():
                waiter.told.set_result(None)

    def _fail(self, error: Exception) -> None:
        for waiter in self._waiters:
            if not waiter.told.done():
                waiter.told.set_exception(error)
