"""The admin's locks hold at the call, whatever was allowed when the task was made."""

import pytest
from worker.house import House, line

from mixus.agents.catalog import Live
from mixus.evals.lifecycle import Status, TestMode

BASELINE = TestMode.WITHOUT_VERIFICATION


def test_an_approved_call_of_a_tool_that_may_be_live_no_more_is_not_performed(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.catalog.live = Live()
    row = house.approve(execution)
    assert (row["status"], row["errors"]) == (Status.COMPLETED, 1)
    assert (house.outside.lines, list(house.effects(execution))) == ([], [])
    [told] = [entry["data"] for entry in house.journal(execution) if entry["kind"] == "tool-call"]
    assert told["error"] == "write_line may not be live here. Nothing was done."


@pytest.mark.parametrize("live", [Live(), Live(frozenset({"write_line"}))])
def test_a_baseline_that_may_be_live_no_more_does_nothing(house: House, live: Live) -> None:
    execution = house.create([line("a")], "done", test_mode=BASELINE)
    house.catalog.live = live
    house.run(execution)
    assert house.outside.lines == []


def test_what_began_before_the_lock_was_closed_is_asked_about_all_the_same(house: House) -> None:
    def die(_text: str) -> None:
        raise OSError("cut off")

    house.outside.fault = die
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.approve(execution)
    house.catalog.live = Live()
    assert house.awaiting(execution)["source"] == "uncertain"
    assert house.approve(execution)["status"] == Status.COMPLETED
