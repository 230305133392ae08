"""Where a read runs: on SQLite in the event loop, where it costs microseconds; on Postgres in a thread."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import to_thread

from mixus.core.database import Database

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


async def read(database: Database, query: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """`query(*arguments)`; only for reads of the compiled lane, which never wait for a writer."""
    if database.is_sqlite:
        return query(*arguments)
    return await to_thread.run_sync(query, *arguments)
