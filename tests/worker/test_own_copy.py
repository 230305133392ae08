"""Files and data in a sandbox: the agent sees its changes, nobody else does, and a crash doubles none."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from worker.house import House

from mixus.agents.catalog import Live
from mixus.agents.tools import database, files
from mixus.core.database import Row
from mixus.evals import service
from mixus.evals import workspace as own_copies
from mixus.evals.lifecycle import FINAL, Area, Decision, Environment, Source, Status
from mixus.evals.tables import workspace
from mixus.evals.tasks import NewCheckpoint, Place

STAGE = (NewCheckpoint("write", "The file is written."),)
SEEDS = {Place(Area.FILES, "seed.txt"): b"seeded"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("original")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE sale (amount INTEGER)")
        connection.execute("INSERT INTO sale VALUES (1), (2)")
    return path


@pytest.fixture
def house(house: House, folder: Path, shop: Path) -> House:
    house.catalog.tools = {**house.catalog.tools, **files.tools(folder), **database.tools(shop)}
    house.catalog.live = Live(frozenset(house.catalog.tools))
    return house


def write(path: str, content: str) -> tuple[str, dict[str, Any]]:
    return ("write_file", {"path": path, "content": content})


def read(path: str) -> tuple[str, dict[str, Any]]:
    return ("read_file", {"path": path})


def delete(path: str) -> tuple[str, dict[str, Any]]:
    return ("delete_file", {"path": path})


def change(sql: str) -> tuple[str, dict[str, Any]]:
    return ("change_database", {"sql": sql})


QUERY = ("query_database", {"sql": "SELECT amount FROM sale ORDER BY 1"})


def own(house: House, execution: str, area: Area = Area.FILES) -> dict[str, bytes | None]:
    with house.database.snapshot() as tx:
        return own_copies.entries(tx, execution, area)


def rows_of(house: House, execution: str) -> int:
    with house.database.snapshot() as tx:
        counted = select(func.count()).where(workspace.c.execution_id == execution)
        return int(tx.execute(counted).scalar_one())


def results(house: House, execution: str, tool: str) -> list[Any]:
    """What the tool answered, or its refusal, in order."""
    return [
        entry["data"].get("result", entry["data"].get("error"))
        for entry in house.journal(execution)
        if entry["kind"] == "tool-call" and entry["data"]["tool"] == tool
    ]


def texts(house: House, execution: str) -> list[str]:
    return [result["text"] for result in results(house, execution, "read_file")]


def test_an_agent_reads_back_what_it_wrote_and_the_original_is_as_it_was(house: House, folder: Path) -> None:
    execution = house.create([read("a.txt")], [write("a.txt", "changed")], [read("a.txt")], "done")
    assert house.run(execution)["status"] is Status.AWAITING
    assert own(house, execution) == {}
    assert house.approve(execution)["status"] is Status.COMPLETED
    assert texts(house, execution) == ["original", "changed"]
    assert own(house, execution) == {"a.txt": b"changed"}
    assert (folder / "a.txt").read_text() == "original"


def test_two_calls_of_one_batch_see_each_other(house: House) -> None:
    execution = house.create(
        [write("b/c.txt", "x"), read("b/c.txt"), delete("b/c.txt")], [read("b/c.txt")], "done"
    )
    house.run(execution)
    house.approve(execution)
    assert results(house, execution, "read_file")[0]["text"] == "x"
    assert "There is no file" in results(house, execution, "read_file")[1]
    assert own(house, execution) == {"b/c.txt": None}


def test_two_executions_never_see_each_others_changes(house: House) -> None:
    first = house.create([write("a.txt", "first")], "done")
    second = house.create([write("b.txt", "second")], [("list_files", {})], [read("a.txt")], "done")
    for execution in (first, second):
        house.run(execution)
        house.approve(execution)
    assert texts(house, second) == ["original"]
    listed = results(house, second, "list_files")[0]["files"]
    assert [file["path"] for file in listed] == ["a.txt", "b.txt"]


def test_data_is_changed_on_a_copy(house: House, shop: Path) -> None:
    execution = house.create([QUERY], [change("DELETE FROM sale WHERE amount = 1")], [QUERY], "done")
    before = shop.read_bytes()
    house.run(execution)
    house.approve(execution)
    answers = [result["rows"] for result in results(house, execution, "query_database")]
    assert answers == [[[1], [2]], [[2]]]
    assert results(house, execution, "change_database") == [{"changed": 1}]
    assert shop.read_bytes() == before
    assert list(own(house, execution, Area.DATABASE)) == ["main"]


def test_nothing_is_changed_without_an_approval(house: House) -> None:
    execution = house.create([write("a.txt", "changed"), change("DELETE FROM sale")], "done")
    house.run(execution)
    shown = [action["effect"] for action in house.awaiting(execution)["proposed_actions"]]
    assert shown == ["modify", "modify"]
    house.decide(execution, Decision.REJECT)
    assert house.status(execution) is Status.REJECTED
    assert rows_of(house, execution) == 0


def finish(house: House, execution: str) -> Row:
    """Take over and approve until it has ended."""
    for _ in range(10):
        if house.status(execution) in FINAL:
            break
        house.take_over()
        if house.run(execution)["status"] is Status.AWAITING:
            assert house.awaiting(execution)["source"] is not Source.UNCERTAIN
            house.decide(execution, Decision.APPROVE)
    return house.row(execution)


def changed_so_far(house: House, execution: str) -> Sequence[Any]:
    """Amounts in the own copy of the data, to count how often each change was made."""
    content = own(house, execution, Area.DATABASE).get("main")
    if content is None:
        return []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        return connection.execute("SELECT amount FROM sale WHERE amount > 2 ORDER BY rowid").fetchall()


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("at_write", range(1, 6))
def test_wherever_the_process_dies_a_change_and_its_record_are_one(
    house: House, at_write: int, *, is_committed: bool
) -> None:
    """An insert is no change that could be repeated unseen: twice done, it would be two rows."""
    insert = "INSERT INTO sale VALUES ({})"
    execution = house.create(
        [change(insert.format(10)), write("a.txt", "changed")], [change(insert.format(11))], "done"
    )
    house.run(execution)
    house.decide(execution, Decision.APPROVE)
    house.crash(execution, at_write=at_write, is_committed=is_committed)
    recorded = len(results(house, execution, "change_database"))
    assert len(changed_so_far(house, execution)) == recorded
    assert [effect["finished_at"] is not None for effect in house.effects(execution)].count(False) == 0
    assert ("a.txt" in own(house, execution)) == bool(results(house, execution, "write_file"))
    assert finish(house, execution)["status"] is Status.COMPLETED
    assert changed_so_far(house, execution) == [(10,), (11,)]
    assert own(house, execution) == {"a.txt": b"changed"}
    assert len(house.effects(execution)) == 3


def test_a_refused_change_leaves_no_trace_in_the_copy(house: House) -> None:
    execution = house.create([change("INSERT INTO none VALUES (1)"), write("a.txt/b", "x")], "done")
    house.run(execution)
    assert house.approve(execution)["status"] is Status.COMPLETED
    assert [effect["is_error"] for effect in house.effects(execution)] == [True, True]
    assert rows_of(house, execution) == 0


def test_after_a_hint_the_stage_goes_on_with_what_was_already_written(house: House) -> None:
    execution = house.create(
        [write("b.txt", "first")],
        [write("b.txt", "second")],
        [read("b.txt")],
        [write("b.txt", "third")],
        [read("b.txt")],
        "done",
    )
    house.run(execution)
    house.approve(execution)
    house.hint(execution, "Read it before you write it.")
    assert own(house, execution) == {"b.txt": b"first"}
    house.approve(execution)
    assert texts(house, execution) == ["first", "third"]
    assert own(house, execution) == {"b.txt": b"third"}


def seeds_of(_row: Row) -> dict[Place, bytes]:
    return SEEDS


def retry(house: House, execution: str) -> str:
    with house.database.transaction() as tx:
        row = service.retry(tx, house.owner, execution, house.clock(), seeds_of=seeds_of)
        return str(row["id"])


def test_a_retry_begins_with_the_seeds_again(house: House) -> None:
    execution = house.create(
        [read("seed.txt")],
        [write("seed.txt", "changed"), write("b.txt", "x")],
        [read("seed.txt")],
        "done",
        seeds=SEEDS,
    )
    house.run(execution)
    house.approve(execution)
    assert texts(house, execution) == ["seeded", "changed"]
    again = retry(house, execution)
    assert own(house, again) == {"seed.txt": b"seeded"}
    house.run(again)
    assert texts(house, again) == ["seeded"]
    assert own(house, execution) == {"seed.txt": b"changed", "b.txt": b"x"}


def test_an_own_copy_goes_when_its_execution_goes(house: House) -> None:
    execution = house.create([write("b.txt", "x"), change("DELETE FROM sale")], "done", seeds=SEEDS)
    other = house.create("done", seeds=SEEDS)
    house.run(execution)
    house.approve(execution)
    assert rows_of(house, execution) == 3
    with house.database.transaction() as tx:
        service.delete(tx, house.owner, execution, house.clock())
    assert (rows_of(house, execution), rows_of(house, other)) == (0, 1)


# Live.


def test_live_files_and_data_are_changed_for_real_and_only_after_the_approval(
    house: House, folder: Path, shop: Path
) -> None:
    execution = house.create(
        [write("a.txt", "changed"), change("DELETE FROM sale")],
        [read("a.txt"), QUERY],
        "done",
        environment=Environment.LIVE,
    )
    house.run(execution)
    assert (folder / "a.txt").read_text() == "original"
    house.approve(execution)
    assert (folder / "a.txt").read_text() == "changed"
    assert texts(house, execution) == ["changed"]
    assert results(house, execution, "query_database")[0]["rows"] == []
    assert rows_of(house, execution) == 0


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("at_write", range(1, 9))
def test_live_a_change_happens_at_most_once_wherever_the_process_dies(
    house: House, shop: Path, at_write: int, *, is_committed: bool
) -> None:
    execution = house.create(
        [change("INSERT INTO sale VALUES (10)")],
        [change("INSERT INTO sale VALUES (11)")],
        "done",
        environment=Environment.LIVE,
        checkpoints=STAGE,
        auto_detect=False,
    )
    house.run(execution)
    house.decide(execution, Decision.APPROVE)
    house.crash(execution, at_write=at_write, is_committed=is_committed)
    for _ in range(10):
        if house.status(execution) in FINAL:
            break
        house.take_over()
        if house.run(execution)["status"] is Status.AWAITING:
            assert house.awaiting(execution)["source"] is Source.UNCERTAIN
            house.decide(execution, Decision.APPROVE)
    assert house.status(execution) is Status.COMPLETED
    with closing(sqlite3.connect(shop)) as connection:
        inserted = connection.execute("SELECT amount FROM sale WHERE amount > 2").fetchall()
    counted = [entry for entry in house.journal(execution) if "counted this as done" in str(entry["data"])]
    assert inserted == sorted(set(inserted))
    assert len(inserted) + len(counted) >= 2
