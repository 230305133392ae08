"""One database, SQLite or Postgres: transactions for writing, and one compiled lane for hot reads."""

import logging
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    MetaData,
    RowMapping,
    Select,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from mixus.core.clock import to_ms, utc_now
from mixus.core.dispatch import Dispatch

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 30_000
SQLITE_SNAPSHOT: dict[str, Any] = {"mixus_snapshot": True}
POSTGRES_SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ"}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


@dataclass(frozen=True)
class Transaction:
    """One unit of work: what is executed and enqueued in it happens whole or not at all."""

    connection: Connection
    dispatch: Dispatch
    _after_commit: list[Callable[[], None]] = field(default_factory=list)

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction stands; never when it was rolled back."""
        self._after_commit.append(act)


# A row of the compiled lane is read by column name: row["status"].
Row = Mapping[str, Any] | RowMapping


class Read:
    """A select that is compiled once and answers plain rows: integers for times, text for JSON.

    On SQLite it runs on the driver itself, which costs a tenth of a statement through the toolkit;
    the status of an execution is read up to a hundred times a minute by each waiting client.
    """

    def __init__(self, statement: Select[Any]) -> None:
        plain = [_plain(column) for column in statement.selected_columns]
        self.statement = statement.with_only_columns(*plain)
        # Plain text, not the subclass that the toolkit names columns with: dictionaries look that up slowly.
        self.names = tuple(sys.intern(str(name)) for name, _ in self.statement.selected_columns.items())
        compiled = self.statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self.sqlite = str(compiled)
        # What the statement itself brings along, such as the offset that SQLite wants beside a limit.
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}


class Database:
    """The engine and its connections; made once in cli/ and passed down."""

    def __init__(self, url: str) -> None:
        self.url = with_driver(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)
        self.dispatch = Dispatch(self.url.render_as_string(hide_password=False))
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.engine.begin() as connection:
            transaction = Transaction(connection, self.dispatch)
            yield transaction
        for act in transaction._after_commit:  # noqa: SLF001 - the other half of this module
            _attempt(act)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Reads of one moment, which hold up nobody who writes."""
        options = SQLITE_SNAPSHOT if self.is_sqlite else POSTGRES_SNAPSHOT
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield Transaction(connection, self.dispatch)

    def rows(self, read: Read, /, **parameters: str | int | bytes) -> Sequence[Row]:
        """Committed rows, outside any transaction."""
        if self.is_sqlite:
            found = self._reader().execute(read.sqlite, {**read.constants, **parameters}).fetchall()
            return [dict(zip(read.names, row, strict=True)) for row in found]
        with self.engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            return autocommit.execute(read.statement, parameters).mappings().all()

    def close(self) -> None:
        self.dispatch.close()
        self.engine.dispose()
        while self._readers:
            self._readers.pop().close()

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            # Used by its own thread alone, and closed by whichever thread closes the database.
            reader = sqlite3.connect(str(self.url.database), isolation_level=None, check_same_thread=False)
            self._readers.append(reader)
            reader.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            reader.execute("PRAGMA query_only=ON")
            self._local.reader = reader
        return reader


def upsert(tx: Transaction, table: Table) -> Any:
    """An insert that can say `on conflict`, in the words of the database at hand."""
    return sqlite.insert(table) if tx.connection.dialect.name == "sqlite" else postgresql.insert(table)


def _attempt(act: Callable[[], None]) -> None:
    """What was committed stands, and its answer must say so, whatever becomes of what follows it."""
    try:
        act()
    except Exception:
        logger.exception("an act after a commit failed")


def with_driver(url: str) -> URL:
    """The address with the driver that we ship: `postgres://…` is what hosting panels hand out."""
    parsed = make_url(url)
    if parsed.get_backend_name() in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def _plain(column: Any) -> Any:
    """The stored integer or text of a column, not what a decorated type makes of it."""
    if isinstance(column.type, TypeDecorator):
        return type_coerce(column, column.type.impl_instance).label(column.name)
    return column


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False}, pool_size=20, pool_timeout=30)
    event.listen(engine, "connect", _open_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL lets readers go on while one writes; FULL makes an answered decision survive a power cut."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # Its own knows ASCII only, and a search for Ä would not even find Ä.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock first: a transaction that upgrades from reading to writing can fail at once."""
    is_snapshot = connection.get_execution_options().get("mixus_snapshot", False)
    connection.exec_driver_sql("BEGIN" if is_snapshot else "BEGIN IMMEDIATE")


@event.listens_for(Engine, "connect")
def _teach_fractions_of_a_second(connection: object, _record: object) -> None:
    """From Python 3.12 on the engine's tables ask SQLite for `unixepoch('subsec')`, which is new in 3.42.

    Distributions still ship older ones, where it is null and nothing can be enqueued.
    """
    if isinstance(connection, sqlite3.Connection) and sqlite3.sqlite_version_info < (3, 42):
        connection.create_function("unixepoch", 1, lambda _modifier: to_ms(utc_now()) / 1000)


def _postgres_engine(url: URL) -> Engine:
    return create_engine(url, pool_size=20, max_overflow=20, pool_timeout=30, pool_pre_ping=True)
