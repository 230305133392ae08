"""How long a tool may take, and how much it may say."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from worker.house import House, line

from mixus.agents.tools.registry import MOST_RESULT_CHARACTERS, Arguments, Context, Tool
from mixus.evals.lifecycle import Effect, Status


async def never(_arguments: Arguments, _context: Context) -> Any:
    await asyncio.Event().wait()


def give(house: House, tool: Tool) -> None:
    house.catalog.tools = {**house.catalog.tools, tool.name: tool}


def result_of(house: House, execution: str, tool: str) -> dict[str, Any]:
    entries = [entry["data"] for entry in house.journal(execution) if entry["kind"] == "tool-call"]
    return next(data for data in entries if data["tool"] == tool)


def test_a_read_that_gives_no_answer_is_told_to_the_model_which_goes_on(house: House) -> None:
    give(house, Tool("look", "Look.", Effect.READ, Arguments, never, timeout_seconds=0.05))
    execution = house.create([("look", {})], "done")
    row = house.run(execution)
    assert (row["status"], row["errors"]) == (Status.COMPLETED, 1)
    assert "no answer within 0.05 seconds" in result_of(house, execution, "look")["error"]


def test_an_effect_that_gives_no_answer_is_uncertain(house: House) -> None:
    give(house, replace(house.catalog.tools["write_line"], run=never, timeout_seconds=0.05))
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.approve(execution)
    assert house.awaiting(execution)["source"] == "uncertain"


@pytest.mark.parametrize(
    "answer", ["x" * (MOST_RESULT_CHARACTERS + 7), ["x" * 100] * 1_000, {"a": "y" * 60_000}]
)
def test_what_a_tool_says_is_cut_and_says_so(house: House, answer: Any) -> None:
    async def say(_arguments: Arguments, _context: Context) -> Any:
        return answer

    give(house, Tool("look", "Look.", Effect.READ, Arguments, say))
    execution = house.create([("look", {})], "done")
    assert house.run(execution)["status"] == Status.COMPLETED
    told = result_of(house, execution, "look")["result"]
    assert "more characters.]" in told
    assert len(told) < MOST_RESULT_CHARACTERS + 100


def test_what_is_not_too_long_is_told_whole(house: House) -> None:
    async def say(_arguments: Arguments, _context: Context) -> Any:
        return {"rows": ["x" * 100] * 100}

    give(house, Tool("look", "Look.", Effect.READ, Arguments, say))
    execution = house.create([("look", {})], "done")
    house.run(execution)
    assert result_of(house, execution, "look")["result"] == {"rows": ["x" * 100] * 100}


def test_a_call_s_duration_is_in_the_trace(house: House) -> None:
    execution = house.create([("calculate", {"expression": "1 + 1"})], "done")
    house.run(execution)
    assert result_of(house, execution, "calculate")["durationMs"] >= 0
