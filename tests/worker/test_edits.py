from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, ToolCallPart, UserPromptPart
from worker.house import House, line, mail

from mixus.agents import conversation
from mixus.agents.prompts import EDITED
from mixus.core.errors import Invalid
from mixus.evals.errors import AlreadyDecided, StaleAttempt
from mixus.evals.lifecycle import Decision, Status


def waiting(house: House, *sayings: Any, **task: Any) -> str:
    execution = house.create(*(sayings or ([line("a")], "done")), **task)
    house.run(execution)
    return execution


def heard(house: House, execution: str) -> conversation.Conversation:
    effects = {row["action_id"]: row for row in house.effects(execution)}
    return conversation.rebuild(house.journal(execution), effects)


def asked_for(talk: conversation.Conversation) -> list[Any]:
    responses = [message for message in talk.messages if isinstance(message, ModelResponse)]
    return [part.args for each in responses for part in each.parts if isinstance(part, ToolCallPart)]


def notes(talk: conversation.Conversation) -> list[str]:
    parts = [part for message in talk.messages for part in message.parts]
    said = [str(part.content) for part in parts if isinstance(part, UserPromptPart)]
    return [text for text in said if text.startswith(EDITED)]


def test_what_was_edited_runs_and_what_was_proposed_does_not(house: House) -> None:
    execution = waiting(house)
    house.edit(execution, {"text": "b"})
    assert house.run(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["b"]


def test_both_forms_are_kept(house: House) -> None:
    execution = waiting(house)
    after = house.edit(execution, {"text": "b"})
    assert after["proposed_actions"][0]["arguments"] == {"text": "a"}
    assert after["effective_actions"][0]["arguments"] == {"text": "b"}
    assert after["proposed_actions"][0]["actionId"] == after["effective_actions"][0]["actionId"]


def test_the_model_hears_what_really_ran_and_what_was_different(house: House) -> None:
    execution = waiting(house)
    house.edit(execution, {"text": "b"})
    house.run(execution)
    talk = heard(house, execution)
    assert asked_for(talk) == [{"text": "b"}]
    assert notes(talk) == [f'{EDITED} You had proposed: {{"text": "a"}}']


def test_of_a_batch_only_what_was_edited_changes(house: House) -> None:
    execution = waiting(house, [line("a"), line("b")], "done")
    house.edit(execution, {"text": "a"}, {"text": "c"})
    house.run(execution)
    assert house.outside.lines == ["a", "c"]
    assert len(notes(heard(house, execution))) == 1


def test_an_edit_that_changes_nothing_is_none(house: House) -> None:
    execution = waiting(house)
    after = house.edit(execution, {"text": "a"})
    assert after["effective_actions"] == after["proposed_actions"]
    house.run(execution)
    assert notes(heard(house, execution)) == []


@pytest.mark.parametrize("arguments", [{}, {"text": 5}, {"text": "b", "more": True}, {"txt": "b"}])
def test_edited_arguments_are_checked_like_those_of_a_model(house: House, arguments: dict[str, Any]) -> None:
    execution = waiting(house)
    with pytest.raises(Invalid, match="not valid"):
        house.edit(execution, arguments)
    assert house.status(execution) is Status.AWAITING
    house.approve(execution)
    assert house.outside.lines == ["a"]


def test_an_edit_of_what_was_not_proposed_is_refused(house: House) -> None:
    execution = waiting(house)
    with pytest.raises(Invalid, match="no action"):
        house.decide(execution, Decision.APPROVE, edits=house.edits({"act_of_somebody_else": {"text": "b"}}))
    assert house.status(execution) is Status.AWAITING


@pytest.mark.parametrize("action", [Decision.REJECT, Decision.HINT])
def test_an_edit_goes_with_an_approval_only(house: House, action: Decision) -> None:
    execution = waiting(house)
    hint = "again" if action is Decision.HINT else None
    with pytest.raises(Invalid, match="go with the approval"):
        house.decide(execution, action, hint=hint, edits=house.edits({"act": {"text": "b"}}))


def test_an_uncertain_effect_cannot_be_edited(house: House) -> None:
    def die(_text: str) -> None:
        raise OSError("cut off")

    house.outside.fault = die
    execution = waiting(house)
    house.approve(execution)
    house.outside.fault = None
    assert house.awaiting(execution)["source"] == "uncertain"
    with pytest.raises(Invalid, match="has not happened"):
        house.edit(execution, {"text": "b"})
    assert house.outside.lines == []


def test_an_edit_is_bound_to_the_attempt_that_was_seen(house: House) -> None:
    execution = waiting(house, [line("a")], [line("b")], "done")
    seen = house.awaiting(execution)
    house.hint(execution, "write b")
    edits = {seen["proposed_actions"][0]["actionId"]: {"text": "c"}}
    with pytest.raises(StaleAttempt):
        house.decide(execution, Decision.APPROVE, checkpoint=seen, attempt=1, edits=house.edits(edits))
    assert house.outside.lines == []


def test_a_decided_checkpoint_cannot_be_edited(house: House) -> None:
    execution = waiting(house, [line("a")], [line("b")], "done")
    seen = house.awaiting(execution)
    house.approve(execution)
    edits = {seen["proposed_actions"][0]["actionId"]: {"text": "c"}}
    with pytest.raises(AlreadyDecided):
        house.decide(execution, Decision.APPROVE, checkpoint=seen, edits=house.edits(edits))


def test_the_proposed_form_is_released_no_more(house: House) -> None:
    """Whatever asks for the call as the model had it must ask a reviewer."""
    execution = waiting(house, [line("a")], [line("a")], "done")
    house.edit(execution, {"text": "b"})
    assert house.run(execution)["status"] == Status.AWAITING
    assert house.outside.lines == ["b"]


def test_a_recorded_mail_can_be_edited_too(house: House) -> None:
    execution = waiting(house, [mail("wrong@example.org")], "done")
    house.edit(execution, {"to": ["right@example.org"], "subject": "s", "body": "b"})
    house.run(execution)
    assert [sent["to"] for sent in house.mails(execution)] == [["right@example.org"]]


def test_a_death_at_any_write_runs_the_edited_form_once_or_asks(house: House) -> None:
    is_over, writes = False, 0
    while not is_over:
        writes += 1
        for is_committed in (False, True):
            house.outside.lines.clear()
            execution = waiting(house)
            house.edit(execution, {"text": "b"})
            is_over = not house.crash(execution, at_write=writes, is_committed=is_committed)
            while house.status(execution) in {Status.RUNNING, Status.QUEUED}:
                house.take_over()
                house.run(execution)
            assert house.outside.lines in (["b"], []), (writes, is_committed)
            if house.status(execution) is not Status.COMPLETED:
                shown = house.awaiting(execution)
                assert shown["source"] == "uncertain"
                assert shown["proposed_actions"][0]["arguments"] == {"text": "b"}
    assert writes > 4
