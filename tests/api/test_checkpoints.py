"""The reviewer's queue and his decisions."""

import json
from typing import Any

import pytest
from api.factories import MAIL, Caller, Team

from mixus.accounts.principal import Role

QUEUE = "/api/eval/checkpoints"


@pytest.fixture
def waiting(team: Team, ada: Caller, bob: Caller) -> tuple[str, str]:
    """An execution of ada's and its checkpoint, which waits for bob."""
    execution_id = ada.create(assignedReviewer="bob@example.org")
    checkpoint_id = ada.status(execution_id)["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    return execution_id, checkpoint_id


def test_the_queue_shows_what_waits_for_the_reviewer(
    ada: Caller, bob: Caller, waiting: tuple[str, str]
) -> None:
    assert ada("GET", QUEUE, params={"status": "awaiting"}).json()["items"] == []
    items = bob("GET", QUEUE, params={"status": "awaiting"}).json()["items"]
    assert [(item["executionId"], item["checkpointId"]) for item in items] == [waiting]
    assert items[0]["proposedActions"] == [MAIL]
    assert items[0]["rehearsal"] is True


def test_the_queue_comes_in_pages(team: Team, ada: Caller) -> None:
    for _ in range(3):
        execution_id = ada.create()
        team.pause(execution_id, ada.status(execution_id)["checkpoints"][0]["checkpointId"])
    first = ada("GET", QUEUE, params={"limit": 2}).json()
    second = ada("GET", QUEUE, params={"limit": 2, "cursor": first["nextCursor"]}).json()
    found = {item["checkpointId"] for item in first["items"] + second["items"]}
    assert (len(found), second["nextCursor"]) == (3, None)


@pytest.mark.parametrize("parameters", [{"status": "approved"}, {"limit": "no"}, {"cursor": "x"}])
def test_a_bad_queue_parameter_is_named(bob: Caller, parameters: dict[str, str]) -> None:
    response = bob("GET", QUEUE, params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(parameters))


def test_an_approval_is_recorded_and_the_execution_goes_on(bob: Caller, waiting: tuple[str, str]) -> None:
    answer = bob.decide(*waiting, comment="fine")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["decidedBy"]) == ("approved", "bob@example.org")
    assert answer.json()["effectiveActions"] == [MAIL]
    status = bob.status(waiting[0])
    assert status["status"] == "queued"
    human = status["humanVerification"]
    assert (human["requested"], human["approved"], human["byKey"]) == (1, 1, 1)
    assert human["medianResponseMs"] >= 0
    assert status["progress"]["checkpointsDecided"] == 1


def test_a_hint_is_kept_and_the_next_ask_is_another_attempt(
    team: Team, bob: Caller, waiting: tuple[str, str]
) -> None:
    answer = bob.decide(*waiting, action="hint", hint="use 12 % instead")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (200, "pending", 2)
    assert [hint["hint"] for hint in answer.json()["hints"]] == ["use 12 % instead"]
    team.pause(*waiting)
    stale = bob.decide(*waiting, attempt=1)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-attempt")
    assert bob.decide(*waiting, attempt=2, action="reject").json()["status"] == "rejected"
    status = bob.status(waiting[0])
    human = status["humanVerification"]
    assert (human["requested"], human["hints"], human["rejected"], human["byKey"]) == (2, 1, 1, 2)
    assert status["status"] == "rejected"


def test_the_second_decision_gets_the_name_and_time_of_the_first(
    bob: Caller, waiting: tuple[str, str]
) -> None:
    first = bob.decide(*waiting, action="reject").json()
    second = bob.decide(*waiting)
    assert (second.status_code, second.json()["code"]) == (409, "already-decided")
    assert second.json()["decidedBy"] == "bob@example.org"
    assert second.json()["decidedAt"] == first["decidedAt"]


def test_what_does_not_wait_cannot_be_decided(ada: Caller) -> None:
    execution_id = ada.create()
    checkpoint_id = ada.status(execution_id)["checkpoints"][0]["checkpointId"]
    response = ada.decide(execution_id, checkpoint_id)
    assert (response.status_code, response.json()["code"]) == (409, "not-awaiting")


def test_only_the_reviewer_and_admins_decide(team: Team, ada: Caller, waiting: tuple[str, str]) -> None:
    refused = ada.decide(*waiting)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-the-reviewer")
    assert "www-authenticate" not in refused.headers
    assert team.person("eve@example.org").decide(*waiting).status_code == 404
    assert team.person("root@example.org", role=Role.ADMIN).decide(*waiting).status_code == 200


def test_a_checkpoint_belongs_to_its_execution(bob: Caller, ada: Caller, waiting: tuple[str, str]) -> None:
    other = ada.create(assignedReviewer="bob@example.org")
    assert bob.decide(other, waiting[1]).status_code == 404
    assert bob.decide(waiting[0], "chk_%00").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"attempt": 0}, "attempt"),
        ({"attempt": 2**31}, "attempt"),
        ({"attempt": "1"}, "attempt"),
        ({"attempt": None}, "attempt"),
        ({"action": "maybe"}, "action"),
        ({"action": "hint"}, "hint"),
        ({"action": "hint", "hint": "  "}, "hint"),
        ({"hint": "use 12 %"}, "hint"),
        ({"action": "hint", "hint": "x" * 4001}, "hint"),
        ({"comment": "\0"}, "comment"),
        ({"comment": "\ud800"}, "comment"),
        ({"editedActions": "all"}, "editedActions"),
    ],
)
def test_a_bad_decision_is_named_and_decides_nothing(
    bob: Caller, waiting: tuple[str, str], fields: dict[str, Any], field: str
) -> None:
    path = f"/api/eval/executions/{waiting[0]}/checkpoints/{waiting[1]}/decision"
    content = json.dumps({"attempt": 1, "action": "approve", **fields})
    response = bob("POST", path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert field in [error["field"] for error in response.json()["errors"]]
    assert bob.status(waiting[0])["status"] == "awaiting-verification"
