"""Whatever a model answers and a tool gives back, the segment comes to an end of its own."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.usage import RequestUsage
from sqlalchemy import select, update
from worker.house import House, Line, line

from mixus.agents.tools.registry import Changed, Context, Tool
from mixus.evals import service
from mixus.evals.lifecycle import Area, Decision, Effect, Failure, Source, Status, TestMode
from mixus.evals.tables import executions, workspace
from mixus.evals.tasks import Place

TEXT = TextPart("done")


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def called(arguments: Any) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart("calculate", arguments, "one")])


ANSWERS: Mapping[str, ModelResponse] = MappingProxyType(
    {
        "an integer of 71 bits": called({"expression": 2**70}),
        "arguments of 300 levels": called('{"expression": ' + "[" * 300 + "]" * 300 + "}"),
        "arguments of 600 levels": called('{"expression": ' + "[" * 600 + "]" * 600 + "}"),
        "arguments of 5000 levels": called('{"expression": ' + "[" * 5000 + "]" * 5000 + "}"),
        "no number": called('{"expression": NaN}'),
        "half a character in arguments": called('{"expression": "\\ud800"}'),
        "half a character in an id": ModelResponse(parts=[TEXT], provider_response_id="\ud800"),
        "half a character in a detail": ModelResponse(parts=[TEXT], provider_details={"a": "\ud800"}),
        "a detail of 71 bits": ModelResponse(parts=[TEXT], provider_details={"a": 2**70}),
        "usage beyond all bounds": ModelResponse(parts=[TEXT], usage=RequestUsage(input_tokens=10**30)),
    }
)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_no_row_can_hold_costs_no_worker(house: House, name: str) -> None:
    execution = house.create(ANSWERS[name], "done")
    assert house.run(execution)["status"] == Status.COMPLETED


@pytest.mark.parametrize(
    "usage", [RequestUsage(input_tokens=10**30), RequestUsage(input_tokens=-5, output_tokens=1)]
)
def test_usage_that_cannot_be_is_unknown(house: House, usage: RequestUsage) -> None:
    row = house.run(house.create(ModelResponse(parts=[TEXT], usage=usage)))
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (None, None, None)


def with_tool(house: House, run: Any, effect: Effect = Effect.MODIFY) -> None:
    tool = Tool("write_line", "", effect, Line, run)
    house.catalog.tools = {**house.catalog.tools, "write_line": tool}


@pytest.mark.parametrize("result", [2**70, deep(300), deep(250), {1, 2}, b"bytes", {1: 2}])
def test_an_effect_whose_result_no_row_can_hold_is_certain(house: House, result: Any) -> None:
    async def run(_arguments: Line, _context: Context) -> Any:
        return result

    with_tool(house, run)
    execution = house.create([line("a")], "done", auto_detect=False)
    assert house.run(execution)["status"] == Status.COMPLETED
    assert [(row["is_error"], "no row" in row["result"]) for row in house.effects(execution)] == [
        (False, True)
    ]


@pytest.mark.parametrize("text", ["1e400", "NaN", str(2**70)])
def test_a_call_is_not_made_where_a_reviewer_would_be_shown_another(house: House, text: str) -> None:
    class Amount(Line):
        text: str = ""
        amount: float | int

    with_tool(house, house.outside.run)
    tool = Tool("write_line", "", Effect.MODIFY, Amount, house.outside.run)
    house.catalog.tools = {**house.catalog.tools, "write_line": tool}
    call = ModelResponse(parts=[ToolCallPart("write_line", f'{{"text": "a", "amount": {text}}}', "one")])
    execution = house.create(call, "done")
    row = house.run(execution)
    assert (row["status"], row["retries"], house.outside.lines) == (Status.COMPLETED, 1, [])


def test_an_execution_deleted_during_an_effect_ends_quietly(house: House) -> None:
    async def run(_arguments: Line, _context: Context) -> Changed:
        with house.database.transaction() as tx:
            service.delete(tx, house.owner, execution, house.clock())
        return Changed("wrote", {Place(Area.FILES, "a"): None})

    with_tool(house, run)
    execution = house.create([line("a")], "done", auto_detect=False)
    # What is gone has no row to give back.
    with pytest.raises(Exception, match="No row was found"):
        house.run(execution)
    with house.database.snapshot() as tx:
        assert tx.execute(select(workspace)).all() == []


@pytest.mark.parametrize("mode", TestMode)
def test_what_may_have_happened_is_asked_about_though_the_time_is_over(house: House, mode: TestMode) -> None:
    execution = house.create([line("a")], "done", timeout_ms=60_000, auto_detect=False, test_mode=mode)
    assert house.crash(execution, at_write=4, is_committed=True)
    assert [row["finished_at"] for row in house.effects(execution)] == [None]
    # The worker gave signs of life until the time was over.
    house.clock.advance(seconds=61)
    with house.database.transaction() as tx:
        alive = update(executions).where(executions.c.id == execution)
        tx.execute(alive.values(leased_at=house.clock.moment - timedelta(seconds=1)))
    house.take_over()
    row = house.run(execution)
    if mode is TestMode.WITHOUT_VERIFICATION:
        assert row["error_code"] == Failure.EFFECT_UNCERTAIN
        return
    assert house.awaiting(execution)["source"] is Source.UNCERTAIN
    house.decide(execution, Decision.APPROVE)
    assert house.run(execution)["error_code"] == Failure.TIME_LIMIT


def test_an_effect_that_is_under_way_when_the_time_is_over_is_asked_about(house: House) -> None:
    async def run(_arguments: Line, _context: Context) -> str:
        # Longer than the rest of the agent's time.
        house.outside.lines.append("a")
        await never.wait()
        return "wrote"

    never = asyncio.Event()
    with_tool(house, run)
    execution = house.create([line("a")], "done", timeout_ms=1_000, auto_detect=False)
    house.run(execution)
    assert house.awaiting(execution)["source"] is Source.UNCERTAIN
    assert house.outside.lines == ["a"]


def test_an_answer_that_was_cut_off_is_no_final_one(house: House) -> None:
    cut = ModelResponse(parts=[TextPart("The result is 7")], finish_reason="length")
    execution = house.create(cut, "The result is 7,500.")
    row = house.run(execution)
    assert (row["status"], row["result"]) == (Status.COMPLETED, "The result is 7,500.")
    assert [entry["data"]["reason"] for entry in house.journal(execution) if entry["kind"] == "reminder"] == [
        "cut off at its length limit"
    ]


def test_one_that_is_always_cut_off_is_given_up(house: House) -> None:
    cut = ModelResponse(parts=[TextPart("The result is 7")], finish_reason="length")
    row = house.run(house.create(cut))
    assert (row["status"], row["error_code"]) == (Status.FAILED, Failure.PROVIDER_ERROR)
