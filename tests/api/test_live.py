"""What `live` asks for before anything is real, and edits of what was proposed."""

from typing import Any

import pytest
from api.factories import TASK, Caller, Reference, Team
from api.people import People
from factories import PEPPER
from fastapi import FastAPI
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.agents.catalog import Catalog, Live
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

SCRIPT = [
    {"tool": "send_email", "arguments": {"to": ["pay@example.org"], "subject": "s", "body": "b"}},
    {"final": "done"},
]
REAL: dict[str, Any] = {
    "taskDescription": "Send it.",
    "environment": "live",
    "model": "script",
    "script": SCRIPT,
}
CREATE = "/api/eval/create-task-agent"


@pytest.fixture
def live() -> Live:
    return Live(frozenset({"send_email"}))


@pytest.fixture
def app(database: Database, live: Live) -> FastAPI:
    return create_app(Settings(), database, PEPPER, Catalog("rehearsal", live=live))


@pytest.fixture
def people(app: FastAPI, database: Database, reference: Reference, http: TestClient) -> People:
    return People(app, database, reference, http)


@pytest.fixture
def trusted(team: Team) -> Caller:
    """Somebody whose key may start what is real."""
    return team.trusted(team.person("eve@example.org").account)


def refusal(caller: Caller, **fields: Any) -> tuple[int, str, str]:
    response = caller("POST", CREATE, json={**REAL, **fields})
    document = response.json()
    return response.status_code, document["code"], document.get("errors", [{"field": ""}])[0]["field"]


def test_a_key_that_may_starts_what_is_real(trusted: Caller) -> None:
    execution = trusted("POST", CREATE, json=REAL).json()["executionId"]
    assert trusted.status(execution)["environment"] == "live"


def test_a_key_that_may_not_go_live_starts_nothing_real(ada: Caller) -> None:
    assert refusal(ada) == (403, "live-forbidden", "")


def test_nothing_is_live_without_verification_unless_the_admin_says_so(trusted: Caller) -> None:
    assert refusal(trusted, testMode="without-verification") == (422, "invalid", "testMode")


@pytest.mark.parametrize("live", [Live(frozenset({"send_email"}), without_verification=True)])
def test_where_the_admin_says_so_the_baseline_may_be_live(trusted: Caller) -> None:
    response = trusted("POST", CREATE, json={**REAL, "testMode": "without-verification"})
    assert response.status_code == 201


@pytest.mark.parametrize("live", [Live()])
def test_a_tool_that_the_admin_did_not_name_is_never_real(trusted: Caller) -> None:
    assert refusal(trusted, tools=["send_email"]) == (422, "invalid", "tools")
    assert refusal(trusted) == (422, "invalid", "environment")


def test_what_is_retried_live_asks_for_the_same_right(team: Team, trusted: Caller) -> None:
    execution = trusted("POST", CREATE, json=REAL).json()["executionId"]
    trusted("POST", f"/api/eval/executions/{execution}/cancel")
    plain = team.with_key(trusted.account, [Scope.MANAGE])
    refused = plain("POST", f"/api/eval/executions/{execution}/retry")
    assert (refused.status_code, refused.json()["code"]) == (403, "live-forbidden")
    assert trusted("POST", f"/api/eval/executions/{execution}/retry").status_code == 201


def test_a_baseline_that_may_be_live_no_more_is_not_retried(trusted: Caller, app: FastAPI) -> None:
    catalog = app.state.services.catalog
    catalog.live = Live(frozenset({"send_email"}), without_verification=True)
    baseline = {**REAL, "testMode": "without-verification"}
    execution = trusted("POST", CREATE, json=baseline).json()["executionId"]
    trusted("POST", f"/api/eval/executions/{execution}/cancel")
    catalog.live = Live(frozenset({"send_email"}))
    refused = trusted("POST", f"/api/eval/executions/{execution}/retry")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "testMode")


def waiting(team: Team, caller: Caller, **fields: Any) -> tuple[str, str]:
    stages = {
        "checkpoints": TASK["checkpoints"],
        "model": "rehearsal",
        "script": None,
        "taskDescription": TASK["taskDescription"],
    }
    execution = str(caller("POST", CREATE, json={**REAL, **stages, **fields}).json()["executionId"])
    checkpoint = str(caller.status(execution)["checkpoints"][0]["checkpointId"])
    team.pause(execution, checkpoint)
    return execution, checkpoint


def test_in_live_a_key_decides_nothing_and_a_person_does(team: Team, trusted: Caller, people: People) -> None:
    bob = people.signed_in("bob@example.org")
    execution, checkpoint = waiting(team, trusted, assignedReviewer="bob@example.org")
    his_key = team.with_key(bob.account, [Scope.MANAGE])
    refused = his_key.decide(execution, checkpoint)
    assert (refused.status_code, refused.json()["code"]) == (403, "live-needs-person")
    path = f"/api/eval/executions/{execution}/checkpoints/{checkpoint}/decision"
    answer = bob("POST", path, json={"attempt": 1, "action": "approve"})
    assert (answer.status_code, answer.json()["decidedVia"]) == (200, "session")
    assert trusted.status(execution)["humanVerification"]["byKey"] == 0


def test_a_session_decides_only_with_its_csrf_token(team: Team, trusted: Caller, people: People) -> None:
    bob = people.signed_in("bob@example.org")
    execution, checkpoint = waiting(team, trusted, assignedReviewer="bob@example.org")
    path = f"/api/eval/executions/{execution}/checkpoints/{checkpoint}/decision"
    answer = bob.send("POST", path, {}, json={"attempt": 1, "action": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


def test_a_session_decides_what_is_no_business_of_its_own_as_little_as_a_key(
    team: Team, trusted: Caller, people: People
) -> None:
    mallory = people.signed_in("mallory@example.org")
    execution, checkpoint = waiting(team, trusted)
    path = f"/api/eval/executions/{execution}/checkpoints/{checkpoint}/decision"
    assert mallory("POST", path, json={"attempt": 1, "action": "approve"}).status_code == 404


def test_a_session_that_may_only_read_decides_nothing(team: Team, trusted: Caller, people: People) -> None:
    viewer = people.signed_in("bob@example.org", Role.VIEWER)
    execution, checkpoint = waiting(team, trusted, assignedReviewer="bob@example.org")
    path = f"/api/eval/executions/{execution}/checkpoints/{checkpoint}/decision"
    answer = viewer("POST", path, json={"attempt": 1, "action": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")


def test_an_edit_is_kept_beside_what_was_proposed_and_counted(team: Team, ada: Caller) -> None:
    execution, checkpoint = waiting(team, ada, environment="sandbox")
    arguments = {"to": ["right@example.org"], "subject": "s", "body": "b"}
    edited = [{"actionId": "act_1", "arguments": arguments}]
    answer = ada.decide(execution, checkpoint, editedActions=edited).json()
    assert answer["proposedActions"][0]["arguments"] == {"to": "bob@example.org"}
    assert answer["effectiveActions"][0]["arguments"] == arguments | {"cc": []}
    human = ada.status(execution)["humanVerification"]
    assert (human["approved"], human["edited"]) == (1, 1)


@pytest.mark.parametrize("said", [{"action": "reject"}, {"action": "hint", "hint": "Do otherwise."}])
def test_edits_go_with_an_approval_even_if_there_are_none(
    team: Team, ada: Caller, said: dict[str, str]
) -> None:
    execution, checkpoint = waiting(team, ada, environment="sandbox")
    answer = ada.decide(execution, checkpoint, **said, editedActions=[])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "editedActions")
    assert ada.decide(execution, checkpoint, editedActions=[]).status_code == 200


@pytest.mark.parametrize(
    "edited",
    [
        [{"actionId": "act_1", "arguments": {"to": "not a list"}}],
        [{"actionId": "act_2", "arguments": {}}],
        [{"actionId": "act_1", "arguments": {}, "tool": "another"}],
        [{"actionId": "act_1", "arguments": {}}, {"actionId": "act_1", "arguments": {}}],
        [{"actionId": "act_1"}],
        "all",
    ],
)
def test_a_bad_edit_is_named_and_decides_nothing(team: Team, ada: Caller, edited: Any) -> None:
    execution, checkpoint = waiting(team, ada, environment="sandbox")
    answer = ada.decide(execution, checkpoint, editedActions=edited)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("editedActions")
    assert ada.status(execution)["status"] == "awaiting-verification"
