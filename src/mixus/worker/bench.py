"""What a segment works with: the database, the catalog and the clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.evals.lifecycle import Failure

T = TypeVar("T")


class Failed(Exception):
    """The execution cannot reach its end; `code` is what its status will say."""

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Bench:
    database: Database
    catalog: Catalog
    now: Callable[[], datetime]

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
