"""The tools for the configured SQLite database: in the sandbox, changes are made on a copy."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field

from mixus.agents.tools import statement
from mixus.agents.tools.registry import Arguments, Changed, Context, Registry, Tool, ToolFailed, registry
from mixus.agents.tools.statement import Value, refusals
from mixus.evals.lifecycle import Area, Effect, Environment
from mixus.evals.tasks import Place

MAIN: Final = Place(Area.DATABASE, "main")
MOST_BYTES: Final = 32 * 1024 * 1024
BUSY_SECONDS: Final = 5.0
# A query can hold a thread for seconds; those that everything else runs in stay free.
THREADS: Final = 2

T = TypeVar("T")


class Statement(Arguments):
    sql: str = Field(min_length=1, max_length=10_000)
    parameters: Annotated[
        list[Value], Field(default=[], max_length=100, description="Values for each `?`, in order.")
    ]


def tools(path: Path | None) -> Registry:
    """On this database; without one, only for a task that brings its own."""
    data = Data(path, ThreadPoolExecutor(THREADS, "database"))
    needs_seed = None if path else Area.DATABASE
    return registry(
        Tool(
            "query_database",
            "Run one SELECT on the SQLite database; its tables are in sqlite_schema.",
            Effect.READ,
            Statement,
            data.query,
            needs_seed=needs_seed,
        ),
        Tool(
            "change_database",
            "Run one INSERT, UPDATE, DELETE, CREATE, ALTER or DROP on the SQLite database.",
            Effect.MODIFY,
            Statement,
            data.change,
            data.record_change,
            needs_seed=needs_seed,
        ),
    )


@dataclass(frozen=True)
class Data:
    """What the tools do. Live, the configured database is the truth, and a seed is read only without one."""

    path: Path | None
    threads: ThreadPoolExecutor

    async def query(self, arguments: Statement, context: Context) -> dict[str, Any]:
        is_original = context.environment is Environment.LIVE and self.path is not None
        copy = None if is_original else await _copy_of(context)
        return await self._in_thread(lambda: self._query(arguments, copy))

    async def change(self, arguments: Statement, _context: Context) -> dict[str, Any]:
        if self.path is None:
            raise ToolFailed("MIXUS_QUERY_DATABASE is not set; nothing was changed.")
        path = self.path
        return await self._in_thread(lambda: _change(path, arguments))

    async def record_change(self, arguments: Statement, context: Context) -> Changed:
        copy = await _copy_of(context)
        return await self._in_thread(lambda: self._record_change(arguments, copy))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def _query(self, arguments: Statement, copy: bytes | None) -> dict[str, Any]:
        with self._original() if copy is None else _loaded(copy) as connection:
            # The copy in memory is thrown away in any case; this says so to who tries to change it.
            connection.execute("PRAGMA query_only = ON")
            return statement.query(connection, arguments.sql, arguments.parameters)

    def _record_change(self, arguments: Statement, copy: bytes | None) -> Changed:
        with _loaded(self._snapshot() if copy is None else copy) as connection:
            answer = statement.change(connection, arguments.sql, arguments.parameters)
            return Changed(answer, {MAIN: connection.serialize()})

    def _original(self) -> AbstractContextManager[sqlite3.Connection]:
        if self.path is None:
            raise ToolFailed("There is no database here.")
        return _opened(self.path, "ro")

    def _snapshot(self) -> bytes:
        """As it is at one moment, with what is still in its write-ahead log."""
        with self._original() as connection, refusals():
            connection.execute("BEGIN")
            if _number(connection, "page_count") * _number(connection, "page_size") > MOST_BYTES:
                raise ToolFailed("The database is larger than 32 MiB, too large for a copy to change.")
            return connection.serialize()


def _change(path: Path, arguments: Statement) -> dict[str, Any]:
    """In one transaction. Closing without a commit rolls back."""
    with _opened(path, "rw") as connection:
        with refusals():
            connection.execute("BEGIN IMMEDIATE")
        answer = statement.change(connection, arguments.sql, arguments.parameters)
        _commit(connection)
        return answer


def _commit(connection: sqlite3.Connection) -> None:
    """A refused commit leaves the transaction open; what ends it without a word leaves nobody certain."""
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as refused:
        if not connection.in_transaction:
            raise
        raise ToolFailed(f"SQLite refused it, and nothing was changed: {refused}.") from refused


async def _copy_of(context: Context) -> bytes | None:
    found = await context.workspace.find(MAIN)
    return None if found is None else found[0]


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with refusals():
        address = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    with closing(connection):
        with refusals():
            connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@contextmanager
def _loaded(content: bytes) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        with refusals():
            if content:
                # Bytes 18 and 19 tell of a write-ahead log, which no copy in memory can have.
                connection.deserialize(content[:18] + b"\x01\x01" + content[20:])
            connection.execute(f"PRAGMA max_page_count = {MOST_BYTES // _number(connection, 'page_size')}")
            connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
