"""Tells open pages that some execution moved: one reader for all of them, and none while nobody waits."""

import asyncio
from typing import Final

from mixus.core.database import Database
from mixus.evals import queries
from mixus.server.reading import read

POLL_SECONDS: Final = 0.25

Moves = tuple[int | None, ...]


class Changes:
    """Belongs to one event loop, so it needs no locks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seen: Moves = ()
        self._news = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def wait(self, seen: Moves, timeout_seconds: float) -> bool:
        self._waiting += 1
        if self._task is None or self._task.done():
            self.seen = ()
            self._task = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.seen in {(), seen}:
                    await self._news.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def _watch(self) -> None:
        while self._waiting:
            latest = await read(self.database, queries.latest_moves, self.database)
            if latest != self.seen:
                self.seen = latest
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(POLL_SECONDS)
