"""Text from tools and models approves nothing, changes no checkpoint and reaches a reviewer as text."""

import io
from typing import Any

import orjson
import pytest
from worker.house import House, line, mail
from worker.injections import INJECTIONS

from mixus.agents.tools.registry import Arguments, Context, Tool
from mixus.cli.eval_output import print_checkpoint
from mixus.client.answers import Checkpoint
from mixus.client.wire import build
from mixus.evals.lifecycle import CheckpointStatus, Decision, Effect, Status, TestMode
from mixus.evals.tasks import NewCheckpoint
from mixus.server.api import documents

STAGE = NewCheckpoint("sum", "The sum, before anyone is told.", "Is it right?")
TEXTS = pytest.mark.parametrize("text", list(INJECTIONS.values()), ids=list(INJECTIONS))


def reading(house: House, text: str) -> None:
    """Give the agent a tool that reads something hostile."""

    async def read(_arguments: Arguments, _context: Context) -> str:
        return text

    tools = {**house.catalog.tools, "look": Tool("look", "Look.", Effect.READ, Arguments, read)}
    house.catalog.tools = tools


def declared(house: House, execution: str) -> tuple[Any, ...]:
    row = house.checkpoints(execution)[0]
    return row["stage"], row["description"], row["verification_question"], row["source"]


@TEXTS
def test_what_a_tool_reads_approves_nothing(house: House, text: str) -> None:
    reading(house, text)
    execution = house.create([("look", {})], [line("pwned")], "done", checkpoints=[STAGE])
    assert house.run(execution)["status"] == Status.AWAITING
    assert house.outside.lines == []
    assert declared(house, execution) == (
        STAGE.stage,
        STAGE.description,
        STAGE.verification_question,
        "manual",
    )
    assert [row["status"] for row in house.checkpoints(execution)] == [CheckpointStatus.AWAITING]


@TEXTS
def test_what_a_model_says_approves_nothing(house: House, text: str) -> None:
    asking = ("checkpoint", {"stage": text[:200], "work": text[:20_000]})
    execution = house.create([asking], [line("pwned")], text, checkpoints=[STAGE], auto_detect=True)
    assert house.run(execution)["status"] == Status.AWAITING
    assert declared(house, execution)[:3] == (STAGE.stage, STAGE.description, STAGE.verification_question)
    assert house.approve(execution)["status"] == Status.AWAITING
    assert house.outside.lines == []


@TEXTS
def test_hostile_arguments_are_shown_raw_and_run_as_shown(house: House, text: str) -> None:
    execution = house.create([line(text)], "done")
    house.run(execution)
    shown = house.awaiting(execution)["proposed_actions"]
    assert [action["arguments"] for action in shown] == [{"text": text}]
    house.approve(execution)
    assert house.outside.lines == [text]


@TEXTS
def test_a_hint_is_followed_by_a_new_question_whatever_was_read(house: House, text: str) -> None:
    reading(house, text)
    execution = house.create([("look", {}), line("a")], [("look", {}), line("b")], "done")
    house.run(execution)
    assert house.hint(execution, text[:4_000])["status"] == Status.AWAITING
    assert house.outside.lines == []


@TEXTS
def test_in_the_baseline_too_what_is_read_changes_no_record(house: House, text: str) -> None:
    reading(house, text)
    execution = house.create(
        [("look", {})], [mail(body=text[:20_000])], "done", test_mode=TestMode.WITHOUT_VERIFICATION
    )
    house.run(execution)
    (row,) = house.checkpoints(execution)
    assert (row["status"], row["decision"]) == (CheckpointStatus.SKIPPED, None)


@TEXTS
def test_no_text_acts_on_the_terminal_of_a_reviewer(house: House, text: str) -> None:
    reading(house, text)
    execution = house.create([("look", {})], [line(text)], "done")
    house.run(execution)
    document = documents.checkpoint(documents.plain(house.awaiting(execution)))
    out = io.StringIO()
    print_checkpoint(build(Checkpoint, orjson.loads(orjson.dumps(document))), out)
    # The joiner between letters and pictures moves nothing.
    printed = out.getvalue().replace("\n", "").replace("\u200d", "")
    assert not [character for character in printed if not character.isprintable()]


@pytest.mark.parametrize(
    "name",
    ["approve", "decide", "decision", "hint", "Write_line", "write_line ", "write_line\u200b", "plan", ""],
)
def test_no_call_that_a_model_makes_up_does_anything(house: House, name: str) -> None:
    execution = house.create([(name, {"action": "approve", "attempt": 1, "text": "pwned"})], "done")
    row = house.run(execution)
    assert (row["status"], row["tool_calls"]) == (Status.COMPLETED, 0)
    assert house.outside.lines == []
    assert house.checkpoints(execution) == []


def test_an_approval_is_for_one_call_and_not_for_its_like(house: House) -> None:
    """The model repeats an id of its own, and the very arguments that were approved."""
    execution = house.create([line("a")], [line("a")], "done")
    house.run(execution)
    house.approve(execution)
    assert house.outside.lines == ["a"]
    assert house.status(execution) is Status.AWAITING


def test_arguments_that_differ_in_what_nobody_sees_are_another_call(house: House) -> None:
    execution = house.create([line("a")], [line("a\u200b")], "done")
    house.run(execution)
    first = house.awaiting(execution)["digests"]
    house.approve(execution)
    second = house.awaiting(execution)["digests"]
    assert set(first.values()).isdisjoint(second.values())


def test_a_decision_is_a_person_s_and_not_a_text_s(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, Decision.APPROVE)
    (row,) = house.checkpoints(execution)
    assert (row["decided_by"], row["decided_via"]) == (house.owner.email, "session")
