"""One SQL statement of an agent, run so that it can do no more than its tool says."""

import math
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, WithJsonSchema

from mixus.agents.tools import linear
from mixus.agents.tools.registry import MOST_RESULT_CHARACTERS, ToolFailed
from mixus.core.text import length_in_json

MOST_ROWS: Final = 200
# Counted as JSON and with room for what is around it, so that the result is never cut to a text.
MOST_CHARACTERS: Final = MOST_RESULT_CHARACTERS - 10_000
MOST_OF_A_VALUE: Final = 4000
MOST_SECONDS: Final = 10.0
# One step can be a function over a whole value; between two looks there is a bounded number of them.
STEPS_BETWEEN_LOOKS: Final = 1000
# Of all of SQLite in this process, which knows no other bound: 1 KB of SQL can name a table 2^30 times.
MOST_HEAP: Final = 512 * 1024 * 1024

LIMITS: Final = {
    # One value of a statement such as `zeroblob(1e9)` could fill the memory.
    sqlite3.SQLITE_LIMIT_LENGTH: 4 * 1024 * 1024,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    # A pattern is compared at each character of a value.
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 250,
}

READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
WRITING: Final = frozenset(
    {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_REINDEX,
    }
)
# How an agent may ask what there is.
PRAGMAS: Final = frozenset(
    {"table_list", "table_info", "table_xinfo", "index_list", "index_info", "foreign_key_list"}
)
# Of no use to a query, and with a way out of the database in some builds of SQLite; and `json_patch`, which
# takes minutes for two large objects and cannot be stopped.
FORBIDDEN_FUNCTIONS: Final = frozenset(
    {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "json_patch"}
)

REFUSED: Final = (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError)

T = TypeVar("T")


def _can_be_shown(value: T) -> T:
    """What JSON in a row cannot hold would be shown to the reviewer as something else."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError("must be a number of at most 64 bits")
    return value


# Short for a model, which reads it at each step.
Value = Annotated[
    str | int | float | bool | None,
    AfterValidator(_can_be_shown),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}),
]


def query(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[Value], seconds: float = MOST_SECONDS
) -> dict[str, Any]:
    with _guarded(connection, READING, seconds):
        cursor = connection.execute(sql, parameters)
        if cursor.description is None:
            raise ToolFailed("This statement reads nothing; write one SELECT.")
        return _rows(cursor)


def change(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[Value], seconds: float = MOST_SECONDS
) -> dict[str, Any]:
    """How many rows it changed, and those that it returns.

    The connection must have changed nothing yet, and committing is the caller's.
    """
    with _guarded(connection, READING | WRITING, seconds) as used:
        cursor = connection.execute(sql, parameters)
        returned = _rows(cursor) if cursor.description else {}
        # Until the last row is fetched SQLite has not ended the statement.
        for _ in cursor:
            pass
    if not used & WRITING:
        raise ToolFailed("This statement changes nothing; use query_database to read.")
    # The cursor does not know it of a statement that begins with WITH.
    changed = connection.execute("SELECT changes()").fetchone()[0]
    return {"changed": changed, **returned}


@contextmanager
def refusals() -> Iterator[None]:
    """What SQLite refuses is certain: nothing was done."""
    try:
        yield
    except REFUSED as refused:
        raise ToolFailed(_sentence(refused)) from refused


@contextmanager
def _guarded(connection: sqlite3.Connection, allowed: frozenset[int], seconds: float) -> Iterator[set[int]]:
    """Yields the actions that the statement turns out to be made of."""
    used: set[int] = set()

    def authorize(action: int, first: str | None, second: str | None, *_names: str | None) -> int:
        if _is_declaration(action, first):
            return sqlite3.SQLITE_OK
        used.add(action)
        is_allowed = action in allowed or (action == sqlite3.SQLITE_PRAGMA and first in PRAGMAS)
        is_function = action == sqlite3.SQLITE_FUNCTION
        if not is_allowed or (is_function and str(second).lower() in FORBIDDEN_FUNCTIONS):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    with refusals():
        _limit(connection)
        until = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
        connection.set_authorizer(authorize)
        yield used
    # A commit may neither be refused nor stopped by what was meant for the statement.
    connection.set_authorizer(None)
    connection.set_progress_handler(None, 0)


def _is_declaration(action: int, table: str | None) -> bool:
    """How a function that is read like a table, such as json_each, tells its columns.

    SQLite itself refuses a statement that would write there.
    """
    return action == sqlite3.SQLITE_UPDATE and table == "sqlite_master"


def _limit(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda text: text.decode(errors="replace")
    connection.execute(f"PRAGMA hard_heap_limit = {MOST_HEAP}")
    # A view may use functions of ours; those that nobody may use are denied there too, by the authorizer.
    connection.execute("PRAGMA trusted_schema = ON")
    linear.replace_functions(connection, LIMITS[sqlite3.SQLITE_LIMIT_LENGTH])
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # noqa: FBT003 - its signature
    # The schema is read now: its own tables may be wider than a result.
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    for limit, value in LIMITS.items():
        connection.setlimit(limit, value)


def _rows(cursor: sqlite3.Cursor) -> dict[str, Any]:
    columns = [column[0] for column in cursor.description or ()]
    rows: list[list[Any]] = []
    room = MOST_CHARACTERS - length_in_json(columns)
    is_cut = False
    for found in cursor:
        row = [_shown(value) for value in found]
        if not rows and length_in_json(row) > room:
            # Of what is shown, a character takes six in JSON at the most.
            row = [_shown(value, MOST_CHARACTERS // 6 // len(row)) for value in found]
        room -= length_in_json(row) + 1
        if len(rows) == MOST_ROWS or (room < 0 and rows):
            is_cut = True
            break
        rows.append(row)
    return {"columns": columns, "rows": rows, "truncated": is_cut}


def _shown(value: Any, most: int = MOST_OF_A_VALUE) -> Any:
    if isinstance(value, bytes):
        return f"[{len(value)} bytes that are no text]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}[Cut: {len(value) - most} more characters.]"
    return value


def _sentence(refused: Exception) -> str:
    if isinstance(refused, MemoryError):
        return "The statement needs too much memory and was stopped; nothing was changed."
    code = getattr(refused, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return "The statement took too long and was stopped; nothing was changed."
    if code == sqlite3.SQLITE_AUTH:
        return f"This is not allowed here: {refused}."
    return f"SQLite refused it, and nothing was changed: {str(refused).rstrip('.')}."
