"""The database: a query only reads, a sandbox changes a copy, and a change for real is whole or nothing."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.agents.own_copy import OwnCopy, call

from mixus.agents.catalog import Catalog
from mixus.agents.tools import database, linear, statement
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.database import MAIN
from mixus.agents.tools.registry import MOST_RESULT_CHARACTERS, ToolFailed
from mixus.core.errors import Invalid
from mixus.core.text import length_in_json
from mixus.evals.lifecycle import Effect, Environment
from mixus.evals.tasks import NewTask

LIVE = Environment.LIVE
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
Call = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "the shop?.db"
    execute(
        path,
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, photo BLOB)",
        "CREATE TABLE sale (customer INTEGER REFERENCES customer DEFERRABLE INITIALLY DEFERRED, amount REAL)",
        "INSERT INTO customer VALUES (1, 'Ana', NULL), (2, 'Bob', x'00ff')",
        "INSERT INTO sale VALUES (1, 10.5), (1, 20), (2, 5)",
    )
    return path


@pytest.fixture
def own() -> OwnCopy:
    return OwnCopy()


@pytest.fixture
def do(path: Path, own: OwnCopy) -> Call:
    """A call in the sandbox."""
    offered = database.tools(path)
    return lambda name, sql, *parameters: call(offered[name], own, sql=sql, parameters=list(parameters))


@pytest.fixture
def live(path: Path, own: OwnCopy) -> Call:
    offered = database.tools(path)
    return lambda name, sql, *parameters: call(offered[name], own, LIVE, sql=sql, parameters=list(parameters))


@pytest.fixture(params=["do", "live"])
def either(request: pytest.FixtureRequest) -> Call:
    found: Call = request.getfixturevalue(request.param)
    return found


def execute(path: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return [row for each in statements for row in connection.execute(each)]


def rows(answer: dict[str, Any]) -> Any:
    return answer["rows"]


def test_each_tool_declares_its_effect(path: Path) -> None:
    effects = {name: tool.effect for name, tool in database.tools(path).items()}
    assert effects == {"query_database": Effect.READ, "change_database": Effect.MODIFY}


# Reading.


def test_a_query_answers_columns_and_rows(either: Call) -> None:
    sql = "SELECT name, sum(amount) AS total FROM sale JOIN customer ON id = customer GROUP BY id ORDER BY id"
    assert either("query_database", sql) == {
        "columns": ["name", "total"],
        "rows": [["Ana", 30.5], ["Bob", 5.0]],
        "truncated": False,
    }


def test_values_are_bound_and_never_read_as_sql(either: Call) -> None:
    answer = either("query_database", "SELECT ?, ?, ?, ?", "'; DROP TABLE sale; --", 7, 0.5, None)
    assert rows(answer) == [["'; DROP TABLE sale; --", 7, 0.5, None]]


def test_the_agent_can_find_out_what_there_is(either: Call) -> None:
    assert rows(either("query_database", "SELECT name FROM sqlite_schema WHERE type = 'table'")) == [
        ["customer"],
        ["sale"],
    ]
    columns = [row[1] for row in rows(either("query_database", "PRAGMA table_info(customer)"))]
    assert columns == ["id", "name", "photo"]
    assert rows(either("query_database", "SELECT value FROM json_each('[1, 2]')")) == [[1], [2]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x'00ff'", "[2 bytes that are no text]"),
        ("1e999", "inf"),
        ("CAST(x'61ff' AS TEXT)", "a\ufffd"),
        ("9223372036854775807", 9223372036854775807),
    ],
)
def test_every_value_becomes_json(do: Call, value: str, shown: Any) -> None:
    assert rows(do("query_database", f"SELECT {value}")) == [[shown]]


def test_a_long_answer_is_cut_and_says_so(do: Call) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i {} FROM n"
    assert do("query_database", numbers.format(200, ""))["truncated"] is False
    cut = do("query_database", numbers.format(201, ""))
    assert (len(cut["rows"]), cut["truncated"]) == (200, True)
    wide = do("query_database", numbers.format(100, ", printf('%.3000c', 'x')"))
    assert (len(wide["rows"]), wide["truncated"]) == (13, True)
    assert "[Cut: 1000 more characters.]" in rows(do("query_database", "SELECT printf('%.5000c', 'x')"))[0][0]


@pytest.mark.parametrize("columns", ["?", ", ".join(["?"] * 30)])
def test_what_is_longer_in_json_is_cut_so_that_an_answer_stays_json(do: Call, columns: str) -> None:
    text = "\u0001" * 3_999
    sql = f"SELECT {columns} UNION ALL SELECT {columns}"
    answer = do("query_database", sql, *[text] * 2 * columns.count("?"))
    assert 10_000 < length_in_json(answer) < MOST_RESULT_CHARACTERS
    assert text.startswith(rows(answer)[0][0][:200])


def test_a_query_that_does_not_end_is_stopped(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, pytest.raises(ToolFailed, match="took too long"):
        statement.query(connection, ENDLESS, [], seconds=0.05)


def test_a_change_that_does_not_end_is_stopped(path: Path) -> None:
    endless = ENDLESS.replace("SELECT count(*)", "INSERT INTO sale SELECT 1, count(*)")
    connection = sqlite3.connect(path, isolation_level=None)
    with closing(connection), pytest.raises(ToolFailed, match="took too long"):
        statement.change(connection, endless, [], seconds=0.05)
    assert execute(path, "SELECT count(*) FROM sale") == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT zeroblob(900000000)",
        "SELECT replace(printf('%.1000000c', 'x'), 'x', '12345')",
        "SELECT randomblob(5000000)",
    ],
)
def test_one_value_cannot_fill_the_memory(do: Call, sql: str) -> None:
    with pytest.raises(ToolFailed, match="too big"):
        do("query_database", sql)


LETTERS = "replace(hex(zeroblob({count})), '00', '{letter}')"
LONG = LETTERS.format(count=2_000_000, letter="a")
OTHERS = LETTERS.format(count=2_000_000, letter="b")
HALF = LETTERS.format(count=1_000_000, letter="a")


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT length(trim({LONG}, {OTHERS} || 'a'))",
        f"SELECT length(ltrim({LONG}, {OTHERS} || 'a'))",
        f"SELECT length(rtrim({LONG}, {OTHERS} || 'a'))",
        f"SELECT instr({LONG}, {HALF} || 'b')",
        f"SELECT length(replace({LONG}, {HALF} || 'b', ''))",
    ],
)
def test_a_function_of_two_long_texts_ends(path: Path, sql: str) -> None:
    """SQLite's own takes from minutes to hours, and nothing stops it."""
    started = time.monotonic()
    with closing(sqlite3.connect(path)) as connection:
        statement.query(connection, sql, [])
    assert time.monotonic() - started < statement.MOST_SECONDS


def test_two_long_objects_are_not_merged(do: Call) -> None:
    with pytest.raises(ToolFailed, match="json_patch"):
        do("query_database", "SELECT json_patch('{}', '{}')")


@pytest.mark.parametrize(
    "body", ["SELECT * FROM {} UNION ALL SELECT * FROM {}", "SELECT a.x FROM {} a, {} b"]
)
def test_a_statement_that_doubles_itself_cannot_fill_the_memory(path: Path, body: str) -> None:
    """In a process of its own: the bound is of all of SQLite in a process."""
    names = [f"c{number}" for number in range(30)]
    doubled = [f"{name}(x) AS ({body.format(before, before)})" for before, name in pairwise(names)]
    sql = f"WITH c0(x) AS (SELECT 1), {', '.join(doubled)} SELECT count(*) FROM c29"  # noqa: S608 - hostile
    program = (
        "import resource, sqlite3, sys\n"
        "from mixus.agents.tools import statement\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))\n"
        "statement.query(sqlite3.connect(sys.argv[1]), sys.argv[2], [])"
    )
    command = [sys.executable, "-c", program, str(path), sql]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "ToolFailed: The statement needs too much memory" in ended.stderr


VALUES = st.one_of(
    st.none(),
    st.text("aAb .é€", max_size=6),
    st.binary(max_size=4).map(lambda each: each.hex()[:4].encode()),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12).map(
        lambda x: round(x, 2)
    ),
)


@given(
    st.sampled_from(["trim", "ltrim", "rtrim", "instr", "replace"]), st.lists(VALUES, min_size=3, max_size=3)
)
def test_a_function_of_ours_answers_what_that_of_sqlite_does(name: str, values: list[Any]) -> None:
    counts = {"instr": [2], "replace": [3]}.get(name, [1, 2])
    for count in counts:
        sql = f"SELECT {name}({', '.join('?' * count)})"
        with closing(sqlite3.connect(":memory:")) as theirs, closing(sqlite3.connect(":memory:")) as ours:
            linear.replace_functions(ours, 1000)
            assert (
                ours.execute(sql, values[:count]).fetchone() == theirs.execute(sql, values[:count]).fetchone()
            )


def test_what_a_database_itself_says_with_such_a_function_goes_on_working(either: Call, path: Path) -> None:
    execute(
        path,
        "CREATE VIEW short AS SELECT replace(trim(name), 'a', 'o') AS name FROM customer",
        "CREATE INDEX trimmed ON customer (trim(name))",
        "CREATE TABLE code (text TEXT CHECK (instr(text, '-') > 0))",
    )
    assert rows(either("query_database", "SELECT name FROM short")) == [["Ano"], ["Bob"]]
    assert either("change_database", "INSERT INTO code VALUES ('a-b')")["changed"] == 1
    assert either("change_database", "UPDATE customer SET name = ' Eve ' WHERE id = 1")["changed"] == 1
    with pytest.raises(ToolFailed, match="CHECK"):
        either("change_database", "INSERT INTO code VALUES ('ab')")
    assert rows(either("query_database", "SELECT id FROM customer WHERE trim(name) = 'Bob'")) == [[2]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2**64, -(2**63) - 1])
def test_a_value_that_would_be_shown_as_another_is_refused(either: Call, value: float) -> None:
    for name in ("query_database", "change_database"):
        with pytest.raises(ValidationError, match="number"):
            either(name, "SELECT ?", value)


# Nothing but what the tool says.

OUTSIDE = [
    "ATTACH '{folder}/other.db' AS other",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '{folder}/other.db'",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "PRAGMA temp_store_directory = '{folder}'",
    "PRAGMA query_only = OFF",
    "SELECT load_extension('{folder}/evil.so')",
    "SELECT writefile('{folder}/other.db', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "CREATE TEMP TABLE a (b)",
    "CREATE VIRTUAL TABLE a USING fts5(b)",
    "UPDATE sqlite_master SET sql = ''",
    "DELETE FROM sqlite_schema",
    "SELECT 1; SELECT 2",
    "INSERT INTO sale VALUES (1, 1); DROP TABLE customer",
    "SELECT",
    "",
    "-- nothing",
    "\x00",
]
CHANGES = [
    "INSERT INTO sale VALUES (1, 1)",
    "UPDATE sale SET amount = 0",
    "DELETE FROM sale",
    "REPLACE INTO customer VALUES (1, 'Eve', NULL)",
    "WITH x AS (SELECT 1) DELETE FROM sale",
    "DELETE FROM sale RETURNING *",
    "CREATE TABLE a (b)",
    "DROP TABLE sale",
    "ALTER TABLE sale ADD COLUMN a",
    "CREATE VIEW a AS SELECT 1",
]


@pytest.mark.parametrize("name", ["query_database", "change_database"])
@pytest.mark.parametrize("sql", OUTSIDE)
def test_no_statement_leaves_the_database_or_its_transaction(
    either: Call, path: Path, own: OwnCopy, name: str, sql: str
) -> None:
    before = path.read_bytes()
    with pytest.raises((ToolFailed, ValidationError)):
        either(name, sql.format(folder=path.parent))
    assert path.read_bytes() == before
    assert not (path.parent / "other.db").exists()
    assert own.contents == {}


@pytest.mark.parametrize("sql", CHANGES)
def test_a_query_changes_nothing(either: Call, path: Path, own: OwnCopy, sql: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ToolFailed, match="not allowed here"):
        either("query_database", sql)
    assert (path.read_bytes(), own.contents) == (before, {})


def test_a_statement_that_only_reads_is_no_change(either: Call, own: OwnCopy) -> None:
    for sql in ("SELECT * FROM sale", "SELECT value FROM json_each('[1]')", "EXPLAIN SELECT 1"):
        with pytest.raises(ToolFailed, match="use query_database"):
            either("change_database", sql)
    assert own.contents == {}


# Changing.


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("INSERT INTO sale VALUES (1, 1), (2, 2)", 2),
        ("UPDATE sale SET amount = amount + 1 WHERE customer = 1", 2),
        ("DELETE FROM sale", 3),
        ("WITH x AS (SELECT 2 AS id) DELETE FROM sale WHERE customer IN (SELECT id FROM x)", 1),
        ("UPDATE sale SET amount = 0 WHERE customer = 99", 0),
        ("CREATE TABLE a (b)", 0),
        ("CREATE INDEX a ON sale (amount)", 0),
        ("ALTER TABLE sale ADD COLUMN a TEXT DEFAULT 'b'", 0),
        ("ALTER TABLE sale RENAME COLUMN amount TO paid", 0),
        ("ALTER TABLE sale RENAME TO sales", 0),
        ("ALTER TABLE sale DROP COLUMN amount", 0),
        ("DROP TABLE sale", 0),
    ],
)
def test_a_change_says_how_many_rows_it_changed(either: Call, sql: str, changed: int) -> None:
    assert either("change_database", sql) == {"changed": changed}


def test_a_change_can_return_rows(either: Call) -> None:
    answer = either("change_database", "INSERT INTO customer (name) VALUES (?), (?) RETURNING id", "Cy", "Di")
    assert answer == {"changed": 2, "columns": ["id"], "rows": [[3], [4]], "truncated": False}
    assert rows(either("query_database", "SELECT count(*) FROM customer")) == [[4]]


def test_a_change_that_returns_more_than_is_shown_is_still_whole(either: Call) -> None:
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) "
        "INSERT INTO sale SELECT 1, i FROM n RETURNING amount"
    )
    answer = either("change_database", many)
    assert (answer["changed"], len(answer["rows"]), answer["truncated"]) == (500, 200, True)
    assert rows(either("query_database", "SELECT count(*) FROM sale")) == [[503]]


def test_in_the_sandbox_a_change_is_seen_and_the_original_stays(do: Call, own: OwnCopy, path: Path) -> None:
    before = path.read_bytes()
    do("change_database", "DELETE FROM sale WHERE customer = 1")
    do("change_database", "INSERT INTO sale VALUES (2, 99)")
    assert rows(do("query_database", "SELECT amount FROM sale ORDER BY 1")) == [[5.0], [99.0]]
    assert path.read_bytes() == before
    assert set(own.contents) == {MAIN}


def test_until_its_first_change_a_sandbox_reads_the_original(do: Call, path: Path) -> None:
    execute(path, "INSERT INTO sale VALUES (2, 1000)")
    assert rows(do("query_database", "SELECT max(amount) FROM sale")) == [[1000.0]]
    do("change_database", "DELETE FROM sale WHERE amount < 1000")
    execute(path, "DELETE FROM sale")
    assert rows(do("query_database", "SELECT amount FROM sale")) == [[1000.0]]


def test_a_copy_holds_what_is_still_in_the_write_ahead_log(do: Call, path: Path) -> None:
    execute(path, "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO sale VALUES (2, 77)")
        writer.commit()
        assert Path(f"{path}-wal").stat().st_size > 0
        assert do("change_database", "UPDATE sale SET amount = 78 WHERE amount = 77") == {"changed": 1}
    assert rows(do("query_database", "SELECT max(amount) FROM sale")) == [[78.0]]


def test_a_copy_does_not_see_what_is_not_committed(do: Call, path: Path) -> None:
    execute(path, "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("DELETE FROM sale")
        assert do("change_database", "UPDATE sale SET amount = 0") == {"changed": 3}


def test_a_database_too_large_to_copy_is_queried_and_not_changed(
    do: Call, path: Path, own: OwnCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MOST_BYTES", 3 * 4096)
    assert rows(do("query_database", "SELECT count(*) FROM sale")) == [[3]]
    with pytest.raises(ToolFailed, match="larger than 32 MiB"):
        do("change_database", "DELETE FROM sale")
    assert own.contents == {}


def test_a_copy_cannot_grow_beyond_its_limit(do: Call, own: OwnCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_BYTES", 20 * 4096)
    do("change_database", "DELETE FROM sale")
    kept = dict(own.contents)
    with pytest.raises(ToolFailed, match="full"):
        do("change_database", "INSERT INTO customer VALUES (9, 'Big', zeroblob(100000))")
    assert own.contents == kept


def test_live_a_change_is_real(live: Call, path: Path, own: OwnCopy) -> None:
    assert live("change_database", "UPDATE sale SET amount = ? WHERE customer = ?", 7, 2) == {"changed": 1}
    assert execute(path, "SELECT amount FROM sale WHERE customer = 2") == [(7.0,)]
    assert own.contents == {}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("INSERT INTO customer (name) VALUES ('Cy'), ('Ana')", "UNIQUE constraint failed"),
        ("INSERT INTO sale VALUES (99, 1)", "FOREIGN KEY constraint failed"),
        ("UPDATE customer SET name = NULL", "NOT NULL constraint failed"),
        ("DELETE FROM none", "no such table: none"),
        ("UPDATE sale SET amount = ?", "incorrect number of bindings|Incorrect number of bindings"),
    ],
)
def test_live_what_is_refused_is_rolled_back_whole(live: Call, path: Path, sql: str, reason: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ToolFailed, match=f"nothing was changed: ({reason})"):
        live("change_database", sql)
    assert path.read_bytes() == before


def test_live_a_locked_database_is_a_certain_failure(
    live: Call, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ToolFailed, match="nothing was changed: database is locked"):
            live("change_database", "DELETE FROM sale")
        other.execute("ROLLBACK")
        # A reader keeps a commit from ending, in a database without a write-ahead log.
        other.execute("BEGIN")
        other.execute("SELECT * FROM sale").fetchall()
        with pytest.raises(ToolFailed, match="nothing was changed: database is locked"):
            live("change_database", "DELETE FROM sale")
    assert execute(path, "SELECT count(*) FROM sale") == [(3,)]


def test_an_integer_that_sqlite_cannot_hold_is_refused(either: Call) -> None:
    for name in ("query_database", "change_database"):
        with pytest.raises(ToolFailed, match="too large"):
            either(name, "SELECT ?", 2**63)


@pytest.mark.parametrize("content", [b"", b"x", b"this is no database" * 100])
def test_a_file_that_is_no_database_is_a_failure_in_words(
    tmp_path: Path, own: OwnCopy, content: bytes
) -> None:
    (tmp_path / "broken.db").write_bytes(content)
    for path in (tmp_path / "broken.db", tmp_path / "none.db"):
        for environment in Environment:
            with pytest.raises(ToolFailed, match="SQLite refused it"):
                call(database.tools(path)["query_database"], own, environment, sql="SELECT * FROM sale")
    assert not (tmp_path / "none.db").exists()


# A task that brings its own.


@pytest.fixture
def seeded(path: Path) -> OwnCopy:
    return OwnCopy({MAIN: path.read_bytes()})


def test_a_seed_is_read_and_changed_without_a_configured_database(seeded: OwnCopy) -> None:
    offered = database.tools(None)
    call(offered["change_database"], seeded, sql="DELETE FROM sale WHERE customer = 1")
    assert rows(call(offered["query_database"], seeded, sql="SELECT * FROM sale")) == [[2, 5.0]]


def test_a_seed_comes_before_the_configured_database_in_the_sandbox_only(path: Path, seeded: OwnCopy) -> None:
    execute(path, "DELETE FROM sale")
    query = database.tools(path)["query_database"]
    assert rows(call(query, seeded, sql="SELECT count(*) FROM sale")) == [[3]]
    assert rows(call(query, seeded, LIVE, sql="SELECT count(*) FROM sale")) == [[0]]


def test_live_a_seed_is_never_changed(seeded: OwnCopy, path: Path) -> None:
    offered = database.tools(None)
    assert rows(call(offered["query_database"], seeded, LIVE, sql="SELECT count(*) FROM sale")) == [[3]]
    with pytest.raises(ToolFailed, match="MIXUS_QUERY_DATABASE is not set; nothing was changed"):
        call(offered["change_database"], seeded, LIVE, sql="DELETE FROM sale")


def test_the_tools_are_offered_only_where_there_is_a_database(path: Path) -> None:
    names = {"query_database", "change_database"}
    task = NewTask("Calculate 1 + 1.", "Sum", "rehearsal")
    seeded = NewTask("Calculate 1 + 1.", "Sum", "rehearsal", seeds={MAIN: path.read_bytes()})
    without = Catalog("rehearsal", {**BUILT_IN, **database.tools(None)})
    assert names.isdisjoint(without.prepare(task).tools or ())
    assert names <= set(without.prepare(seeded).tools or ())
    having = Catalog("rehearsal", {**BUILT_IN, **database.tools(path)})
    assert names <= set(having.prepare(task).tools or ())


def test_naming_a_tool_for_a_database_that_is_not_there_is_refused() -> None:
    without = Catalog("rehearsal", {**BUILT_IN, **database.tools(None)})
    with pytest.raises(Invalid, match="no such tool") as refused:
        without.prepare(NewTask("Calculate 1 + 1.", "Sum", "rehearsal", tools=["query_database"]))
    assert refused.value.members["errors"][0]["field"] == "tools"
