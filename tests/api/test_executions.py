"""List, change, cancel, retry, delete."""

import pytest
from api.factories import Caller, Team

from mixus.accounts.principal import Role

LIST = "/api/eval/executions"


def ids(caller: Caller, **parameters: str | int) -> list[str]:
    response = caller("GET", LIST, params=parameters)
    assert response.status_code == 200, response.text
    return [item["executionId"] for item in response.json()["items"]]


def test_a_list_is_newest_first_and_comes_in_pages(ada: Caller) -> None:
    created = [ada.create(taskName=str(number)) for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = ada("GET", LIST, params=parameters).json()
        seen += [item["executionId"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(created)
    assert len(seen) == 5


def test_a_list_shows_what_one_owns_or_reviews_and_an_admin_sees_all(
    team: Team, ada: Caller, bob: Caller
) -> None:
    own, reviewed = ada.create(), ada.create(assignedReviewer="bob@example.org")
    assert set(ids(ada)) == {own, reviewed}
    assert ids(bob) == [reviewed]
    assert set(ids(team.person("root@example.org", role=Role.ADMIN))) == {own, reviewed}


def test_a_list_is_filtered(team: Team, ada: Caller) -> None:
    baseline = ada.create(testMode="without-verification", taskName="Findable THING")
    verified = ada.create()
    team.complete(verified)
    assert ids(ada, testMode="without-verification") == [baseline]
    assert ids(ada, status="completed") == [verified]
    assert ids(ada, q="findable thing") == [baseline]
    assert ids(ada, q="100%") == []
    assert set(ids(ada, **{"from": "2026-01-01T00:00:00Z", "to": "2999-01-01T00:00:00.5+01:00"})) == {
        baseline,
        verified,
    }
    assert ids(ada, to="2026-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "1_0"}, "limit"),
        ({"limit": " 5"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"status": "done"}, "status"),
        ({"testMode": ""}, "testMode"),
        ({"batchId": "bat_1"}, "batchId"),
        ({"from": "yesterday"}, "from"),
        ({"from": "1700000000"}, "from"),
        ({"from": "2026-01-01T00:00:00"}, "from"),
        ({"to": "2026-13-01T00:00:00Z"}, "to"),
        ({"q": "x" * 201}, "q"),
        ({"q": "\0"}, "q"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "\0"}, "cursor"),
        ({"cursor": "MTow"}, "cursor"),
        ({"cursor": "MTphAGI"}, "cursor"),
        ({"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OmE"}, "cursor"),
    ],
)
def test_a_bad_filter_is_named(ada: Caller, parameters: dict[str, str], field: str) -> None:
    response = ada("GET", LIST, params=parameters)
    if parameters == {"cursor": "MTow"}:
        assert response.json()["items"] == []
        return
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_a_change_is_shown_and_counts_as_a_version(ada: Caller, bob: Caller) -> None:
    execution_id = ada.create()
    before = ada.status(execution_id)["version"]
    fields = {"taskName": "new", "metadata": {"a": [1, None]}, "assignedReviewer": "Bob@example.org"}
    answer = ada("PATCH", f"{LIST}/{execution_id}", json=fields).json()
    assert (answer["taskName"], answer["metadata"]) == ("new", {"a": [1, None]})
    assert answer["assignedReviewer"] == "bob@example.org"
    assert ada.status(execution_id)["version"] == before + 1
    assert ids(bob) == [execution_id]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "body"),
        ({"taskName": None}, "taskName"),
        ({"taskName": ""}, "taskName"),
        ({"metadata": {"a": "\0"}}, "metadata.a"),
        ({"assignedReviewer": "nobody"}, "assignedReviewer"),
        ({"status": "completed"}, "status"),
        ({"webhookUrl": "https://example.org"}, "webhookUrl"),
    ],
)
def test_a_bad_change_is_named(ada: Caller, fields: dict[str, object], field: str) -> None:
    response = ada("PATCH", f"{LIST}/{ada.create()}", json=fields)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_a_reviewer_sees_and_does_not_change(ada: Caller, bob: Caller) -> None:
    path = f"{LIST}/{ada.create(assignedReviewer='bob@example.org')}"
    refusals = [
        bob("PATCH", path, json={"taskName": "x"}),
        bob("DELETE", path),
        bob("POST", f"{path}/cancel"),
        bob("POST", f"{path}/retry"),
    ]
    assert {(refusal.status_code, refusal.json()["code"]) for refusal in refusals} == {(403, "not-the-owner")}


def test_an_execution_is_cancelled_once(ada: Caller) -> None:
    execution_id = ada.create()
    answer = ada("POST", f"{LIST}/{execution_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = ada("POST", f"{LIST}/{execution_id}/cancel", json={})
    assert (again.status_code, again.json()["code"]) == (409, "execution-finished")
    status = ada.status(execution_id)
    assert [checkpoint["status"] for checkpoint in status["checkpoints"]] == ["skipped"]


def test_a_retry_is_a_new_execution_of_the_same_task(ada: Caller) -> None:
    execution_id = ada.create(taskName="again")
    refused = ada("POST", f"{LIST}/{execution_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "execution-unfinished")
    ada("POST", f"{LIST}/{execution_id}/cancel")
    answer = ada("POST", f"{LIST}/{execution_id}/retry")
    assert (answer.status_code, answer.json()["retryOf"]) == (201, execution_id)
    status = ada.status(answer.json()["executionId"])
    assert (status["taskName"], status["status"], len(status["checkpoints"])) == ("again", "queued", 1)


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_an_action_takes_no_fields(ada: Caller, action: str) -> None:
    response = ada("POST", f"{LIST}/{ada.create()}/{action}", json={"force": True})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "force"


def test_a_deleted_execution_is_gone(ada: Caller) -> None:
    execution_id = ada.create()
    assert ada("DELETE", f"{LIST}/{execution_id}").status_code == 204
    assert ada("GET", f"/api/eval/status/{execution_id}").status_code == 404
    assert ada("DELETE", f"{LIST}/{execution_id}").status_code == 404
    assert ids(ada) == []


@pytest.mark.parametrize("q", ["ÄÖ", "äö", "DÉJÀ", "déjà", "ж"])
def test_a_search_knows_the_letters_of_every_alphabet(ada: Caller, q: str) -> None:
    execution_id = ada.create(taskName="ÄÖ DÉJÀ Ж")
    found = ada("GET", LIST, params={"q": q}).json()["items"]
    assert [item["executionId"] for item in found] == [execution_id]
