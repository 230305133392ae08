"""Tells open pages that some execution moved: one reader for all of them, and none while nobody waits."""

import asyncio
from typing import Final

from mixus.core.database import Database
from mixus.evals import queries
from mixus.server.reading import read

POLL_SECONDS: Final = 0.25


class Changes:
    """Belongs to one event loop, so it needs no locks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # A word of `queries.latest_moves`; none as long as nobody has looked.
        self.seen = ""
        self._news = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> str:
        latest = await read(self.database, queries.latest_moves, self.database)
        if latest != self.seen:
            self.seen = latest
            self._news.set()
            self._news = asyncio.Event()
        return latest

    async def wait(self, seen: str, timeout_seconds: float) -> bool:
        self._waiting += 1
        if self._task is None or self._task.done():
            self.seen = ""
            self._task = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.seen in {"", seen}:
                    await self._news.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def _watch(self) -> None:
        while self._waiting:
            await self.look()
            await asyncio.sleep(POLL_SECONDS)
