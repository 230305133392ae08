from typing import Any

import pytest
from worker.house import House, Saying, line, mail

from mixus.evals import service
from mixus.evals.lifecycle import Failure, Status, TestMode
from mixus.evals.tasks import NewCheckpoint, NewTask

SUM = ("calculate", {"expression": "2 + 2"})
STEPS = [
    {"description": "Work it out.", "effect": "read", "stage": "sum"},
    {"description": "Send it.", "effect": "send"},
]
STAGE = NewCheckpoint("sum", "The sum.")


@pytest.fixture
def planner(house: House) -> House:
    house.catalog.has_plans = True
    return house


def plan(steps: Any = STEPS) -> tuple[str, dict[str, Any]]:
    return ("plan", {"steps": steps})


def kinds(house: House, execution: str) -> list[str]:
    return [entry["kind"] for entry in house.journal(execution)]


def test_the_plan_is_kept_before_anything_of_it_runs(planner: House) -> None:
    execution = planner.create([plan()], [SUM], [mail()], "done", checkpoints=[STAGE])
    row = planner.run(execution)
    assert row["plan"] == [
        {"step": 1, "description": "Work it out.", "effect": "read", "stage": "sum"},
        {"step": 2, "description": "Send it.", "effect": "send", "stage": None},
    ]
    seen = kinds(planner, execution)
    assert seen.index("plan") < seen.index("tool-call")
    assert planner.approve(execution)["status"] == Status.COMPLETED


def test_whoever_watches_is_told_of_the_plan(planner: House) -> None:
    execution = planner.create([plan()], "done", checkpoints=[STAGE])
    planner.catalog.has_plans = False
    other = planner.create("done", checkpoints=[STAGE])
    unplanned = planner.run(other)["version"]
    planner.catalog.has_plans = True
    assert planner.run(execution)["version"] == unplanned + 1


def test_nothing_but_a_plan_is_taken_before_there_is_one(planner: House) -> None:
    execution = planner.create([line("early")], [plan(STEPS[1:])], "done", auto_detect=False)
    row = planner.run(execution)
    assert (row["status"], row["error_code"]) == (Status.COMPLETED, None)
    assert planner.outside.lines == []
    assert row["retries"] == 1


def test_what_was_asked_for_beside_the_plan_waits_for_its_approval(planner: House) -> None:
    execution = planner.create([line("at once"), plan(STEPS[1:])], "done")
    assert planner.run(execution)["status"] == Status.AWAITING
    assert planner.outside.lines == []
    assert planner.approve(execution)["status"] == Status.COMPLETED
    assert planner.outside.lines == ["at once"]


@pytest.mark.parametrize(
    "bad",
    [
        [plan([])],
        [plan([{"description": "again", "effect": "read"}] * 31)],
        [plan([{"description": "x" * 301, "effect": "read"}])],
        [plan([{"description": "x", "effect": "harmless"}])],
        [plan([{"description": "x", "effect": "read", "stage": "none of ours"}])],
        [("plan", {"steps": "all of it"})],
        [("plan", {})],
        [SUM],
        "I shall simply do it.",
        "",
    ],
)
def test_a_plan_that_cannot_be_used_is_asked_for_again_and_then_refused(planner: House, bad: Saying) -> None:
    execution = planner.create(bad)
    row = planner.run(execution)
    assert (row["status"], row["error_code"]) == (Status.FAILED, Failure.PLAN_REFUSED)
    assert row["steps"] == 3
    assert row["plan"] == []
    assert planner.effects(execution) == []


def test_a_good_plan_after_a_bad_one_is_taken(planner: House) -> None:
    execution = planner.create([plan([])], "First this, then that.", [plan(STEPS[1:])], "done")
    row = planner.run(execution)
    assert row["status"] == Status.COMPLETED
    assert [step["description"] for step in row["plan"]] == ["Send it."]


def test_a_second_plan_changes_nothing(planner: House) -> None:
    execution = planner.create([plan()], [plan(STEPS[:1])], "done", checkpoints=[STAGE], auto_detect=False)
    planner.run(execution)
    assert len(planner.row(execution)["plan"]) == 2


def test_the_baseline_plans_too(planner: House) -> None:
    execution = planner.create([plan(STEPS[1:])], [mail()], "done", test_mode=TestMode.WITHOUT_VERIFICATION)
    row = planner.run(execution)
    assert row["status"] == Status.COMPLETED
    assert len(row["plan"]) == 1


def test_a_death_at_any_write_loses_no_plan_and_makes_no_second(planner: House) -> None:
    is_over, writes = False, 0
    while not is_over:
        writes += 1
        for is_committed in (False, True):
            execution = planner.create([plan(STEPS[1:])], "done")
            is_over = not planner.crash(execution, at_write=writes, is_committed=is_committed)
            if not is_over and planner.status(execution) is Status.RUNNING:
                planner.take_over()
            row = (
                planner.run(execution)
                if planner.status(execution) is Status.QUEUED
                else planner.row(execution)
            )
            assert row["status"] == Status.COMPLETED
            assert len(row["plan"]) == 1
            assert kinds(planner, execution).count("plan") == 1
    assert writes > 4


def test_tokens_have_a_limit(house: House) -> None:
    execution = house.create([SUM], "done", max_tokens=1)
    row = house.run(execution)
    assert (row["status"], row["error_code"]) == (Status.FAILED, Failure.TOKEN_LIMIT)
    assert row["steps"] == 1


def test_calls_asked_for_at_once_without_a_plan_are_one_bad_answer(planner: House) -> None:
    execution = planner.create([SUM, SUM, SUM, line("early")], [plan(STEPS[1:])], "done")
    row = planner.run(execution)
    assert (row["status"], row["steps"], len(row["plan"])) == (Status.COMPLETED, 3, 1)
    assert planner.outside.lines == []


def test_bad_calls_asked_for_at_once_are_one_bad_answer(house: House) -> None:
    execution = house.create([("no_such_tool", {})] * 6, "done")
    assert house.run(execution)["status"] == Status.COMPLETED


def test_what_was_asked_for_beside_the_plan_can_be_edited(planner: House) -> None:
    execution = planner.create([plan(STEPS[1:]), line("a")], "done")
    planner.run(execution)
    planner.edit(execution, {"text": "b"})
    assert planner.run(execution)["status"] == Status.COMPLETED
    assert planner.outside.lines == ["b"]


def test_a_retry_makes_a_plan_of_its_own(planner: House) -> None:
    execution = planner.create([plan(STEPS[1:])], "done")
    planner.run(execution)
    with planner.database.transaction() as tx:
        again = service.retry(tx, planner.owner, execution, planner.clock())["id"]
    assert planner.row(again)["plan"] == []
    planner.run(again)
    assert kinds(planner, again).count("plan") == 1


def test_a_retry_keeps_a_plan_that_is_known_beforehand(house: House) -> None:
    task = NewTask("Add 2 and 3.", "Sum", "script", script=[{"tool": SUM[0], "arguments": SUM[1]}])
    execution = house.create_task(task)
    house.run(execution)
    with house.database.transaction() as tx:
        again = service.retry(tx, house.owner, execution, house.clock())
    assert again["plan"] == house.row(execution)["plan"] != []


def test_what_was_approved_before_there_were_plans_runs(house: House) -> None:
    """Its conversation was begun by an older release."""
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.catalog.has_plans = True
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a"]


def test_what_may_have_happened_before_there_were_plans_is_asked_about(house: House) -> None:
    execution = house.create([line("a")], "done", auto_detect=False)
    assert house.crash(execution, at_write=4, is_committed=True)
    house.catalog.has_plans = True
    house.take_over()
    house.run(execution)
    assert house.awaiting(execution)["source"] == "uncertain"
