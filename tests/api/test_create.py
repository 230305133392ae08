"""POST /api/eval/create-task-agent."""

import json
from typing import Any

import pytest
from api.factories import TASK, Caller, Reference, Team
from factories import PEPPER
from starlette.testclient import TestClient

from mixus.agents.catalog import Catalog
from mixus.client.calls import TaskFields
from mixus.client.external_calls import ExternalFields
from mixus.client.wire import camel
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

CREATE = "/api/eval/create-task-agent"
SAID = {"taskDescription": "Calculate 2 plus 2"}


def post(ada: Caller, body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ada("POST", CREATE, content=content, headers={"Content-Type": "application/json"})


def test_a_task_is_queued_with_its_checkpoints_and_plan(ada: Caller) -> None:
    response = post(ada, {**TASK, "taskName": "commission", "metadata": {"run": 7}})
    answer = response.json()
    assert response.status_code == 201
    assert (answer["status"], answer["model"], answer["rehearsal"]) == ("queued", "rehearsal", True)
    assert answer["statusUrl"] == f"http://testserver/api/eval/status/{answer['executionId']}"
    assert answer["reviewUrl"] == f"http://testserver/review/{answer['executionId']}"
    assert answer["warnings"] == []
    status = ada.status(answer["executionId"])
    assert status["taskName"] == "commission"
    assert [checkpoint["stage"] for checkpoint in status["checkpoints"]] == ["calculation"]
    assert [step["effect"] for step in status["plan"]] == ["read", "send"]


def test_the_name_is_the_first_line_of_the_description(ada: Caller) -> None:
    description = "  Calculate 2 plus 2\nand nothing else"
    assert ada.status(ada.create(taskDescription=description))["taskName"] == "Calculate 2 plus 2"
    long = "Calculate 2 plus 2 " + "x" * 300
    assert ada.status(ada.create(taskDescription=long))["taskName"] == long[:200]


def test_detection_is_on_exactly_when_no_checkpoint_is_given(ada: Caller, database: Database) -> None:
    created = {
        ada.create(): False,
        ada.create(checkpoints=None): True,
        ada.create(checkpoints=[], testMode="without-verification"): True,
        ada.create(checkpoints=None, autoDetectCheckpoints=False): False,
        ada.create(autoDetectCheckpoints=True): True,
    }
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("select id, auto_detect from executions").all()
    assert {row.id: bool(row.auto_detect) for row in found} == created


def test_in_the_baseline_checkpoints_are_kept_and_skipped(ada: Caller) -> None:
    status = ada.status(ada.create(testMode="without-verification"))
    assert [checkpoint["status"] for checkpoint in status["checkpoints"]] == ["skipped"]
    assert status["humanVerification"]["requested"] == 0


def test_the_result_can_be_reviewed_too(ada: Caller) -> None:
    status = ada.status(ada.create(reviewResult=True))
    assert [checkpoint["source"] for checkpoint in status["checkpoints"]] == ["manual", "result"]


def test_a_script_is_played_by_the_model_script_only(ada: Caller) -> None:
    script = [{"tool": "calculate", "arguments": {"expression": "1+1"}}, {"final": "2"}]
    assert post(ada, {**SAID, "model": "script", "script": script}).status_code == 201
    for wrong in ({"script": script}, {"model": "script"}):
        response = post(ada, {**SAID, **wrong})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "script")


def test_a_reviewer_without_an_account_is_a_warning(ada: Caller, bob: Caller) -> None:
    assert post(ada, {**TASK, "assignedReviewer": "Bob@Example.org"}).json()["warnings"] == []
    warnings = post(ada, {**TASK, "assignedReviewer": "eve@example.org"}).json()["warnings"]
    assert [warning["code"] for warning in warnings] == ["reviewer-unreachable"]


def test_the_reviewer_sees_the_execution_and_others_do_not(team: Team, ada: Caller, bob: Caller) -> None:
    execution_id = ada.create(assignedReviewer="BOB@example.org")
    assert bob("GET", f"/api/eval/status/{execution_id}").status_code == 200
    stranger = team.person("eve@example.org")
    refused = stranger("GET", f"/api/eval/status/{execution_id}")
    missing = stranger("GET", "/api/eval/status/exe_0000000000000000000000")
    assert refused.status_code == missing.status_code == 404
    assert refused.json()["code"] == missing.json()["code"]


def test_links_are_built_on_the_public_address(database: Database, reference: Reference) -> None:
    settings = Settings(public_url="https://mixus.example.org/")
    with TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as http:
        ada = Team(http, database, reference).person("ada@example.org")
        url = post(ada, TASK).json()["statusUrl"]
    assert url.startswith("https://mixus.example.org/api/eval/status/exe_")


@pytest.mark.parametrize(
    "host", ["[", "a b", "example.org:x", "", "é".encode().decode("latin-1"), "a@b/c?d#e"]
)
def test_a_strange_host_breaks_nothing(ada: Caller, host: str) -> None:
    response = ada("POST", CREATE, json=TASK, headers={"Host": host.encode("latin-1")})
    assert response.status_code == 201


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"taskDescription": None}, "taskDescription"),
    ({"taskDescription": ""}, "taskDescription"),
    ({"taskDescription": " \n "}, "taskDescription"),
    ({"taskDescription": 7}, "taskDescription"),
    ({"taskDescription": "x" * 20_001}, "taskDescription"),
    ({"taskDescription": "a\0b"}, "taskDescription"),
    ({"taskDescription": "a\ud800b"}, "taskDescription"),
    ({"taskName": ""}, "taskName"),
    ({"taskName": "x" * 201}, "taskName"),
    ({"checkpoints": [{"stage": "s", "description": "d"}] * 51}, "checkpoints"),
    ({"checkpoints": {}}, "checkpoints"),
    (
        {"checkpoints": [{"stage": "s", "description": "d"}] * 3 + [{"description": "d"}]},
        "checkpoints.3.stage",
    ),
    ({"checkpoints": [{"stage": "", "description": "d"}]}, "checkpoints.0.stage"),
    ({"checkpoints": [{"stage": "s", "description": "d", "x": 1}]}, "checkpoints.0.x"),
    (
        {"checkpoints": [{"stage": "s", "description": "d", "verificationQuestion": 1}]},
        "checkpoints.0.verificationQuestion",
    ),
    ({"autoDetectCheckpoints": "yes"}, "autoDetectCheckpoints"),
    ({"autoDetectCheckpoints": 1}, "autoDetectCheckpoints"),
    ({"testMode": "sometimes"}, "testMode"),
    ({"testMode": 1}, "testMode"),
    ({"assignedReviewer": "bob"}, "assignedReviewer"),
    ({"assignedReviewer": "bob@example.org\r\nBcc: eve@example.org"}, "assignedReviewer"),
    ({"model": "unheard-of"}, "model"),
    ({"model": "nobody:gpt"}, "model"),
    ({"model": "script", "script": []}, "script"),
    ({"model": "script", "script": [{"final": "x"}] * 2}, "script"),
    ({"model": "script", "script": [{"final": "x"}] * 201}, "script"),
    ({"model": "script", "script": [{}]}, "script.0"),
    ({"model": "script", "script": [{"tool": "calculate", "final": "x"}]}, "script.0"),
    ({"model": "script", "script": [{"tool": "unheard-of", "arguments": {}}]}, "script.0"),
    ({"reviewResult": "true"}, "reviewResult"),
    ({"environment": "live"}, "environment"),
    ({"tools": ["unheard-of"]}, "tools"),
    ({"tools": "calculate"}, "tools"),
    ({"maxSteps": 0}, "maxSteps"),
    ({"maxSteps": 501}, "maxSteps"),
    ({"maxSteps": True}, "maxSteps"),
    ({"maxSteps": "5"}, "maxSteps"),
    ({"maxCostUsd": 0}, "maxCostUsd"),
    ({"maxCostUsd": float("nan")}, "maxCostUsd"),
    ({"maxCostUsd": float("inf")}, "maxCostUsd"),
    ({"maxCostUsd": True}, "maxCostUsd"),
    ({"maxCostUsd": 1.5}, "maxCostUsd"),
    ({"timeoutMs": 999}, "timeoutMs"),
    ({"timeoutMs": 86_400_001}, "timeoutMs"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"a": "x" * 16_400}}, "metadata"),
    ({"metadata": {"a": {"b": "\0"}}}, "metadata.a.b"),
    ({"metadata": {"a\0": 1}}, "metadata"),
    ({"metadata": {"\udfff": 1}}, "metadata"),
    ({"metadata": {"a": [1, float("nan")]}}, "metadata.a.1"),
    ({"metadata": {"a": 2**53 + 1}}, "metadata.a"),
    ({"metadata": {"a": -(10**400)}}, "metadata.a"),
    ({"expectedOutcome": "x"}, "expectedOutcome"),
    ({"reviewTimeoutMs": 1000}, "reviewTimeoutMs"),
    ({"escalateTo": "bob@example.org"}, "escalateTo"),
    ({"onReviewTimeout": "expire"}, "onReviewTimeout"),
    ({"webhookUrl": "https://example.org"}, "webhookUrl"),
    ({"template": "x"}, "template"),
    ({"parameters": {}}, "parameters"),
    ({"task_name": "x"}, "task_name"),
]


@pytest.mark.parametrize(
    ("fields", "field"), INVALID, ids=[f"{number}-{case[1]}" for number, case in enumerate(INVALID)]
)
def test_what_is_not_valid_is_named(ada: Caller, fields: dict[str, Any], field: str) -> None:
    response = post(ada, {**SAID, **fields})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid")
    assert field in [error["field"] for error in problem["errors"]]


def test_a_refusal_does_not_repeat_what_was_sent(ada: Caller) -> None:
    response = post(ada, {**SAID, "taskName": "very-private" * 100, "testMode": "very-private"})
    assert response.status_code == 422
    assert "very-private" not in response.text


def test_metadata_may_not_be_nested_without_end(ada: Caller) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    response = post(ada, {**SAID, "metadata": deep})
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"not json",
        b'{"taskDescription": "x",}',
        b"\xff\xfe",
        b'{"taskDescription": "\xff"}',
        b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"maxSteps":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_is_a_bad_request(ada: Caller, content: bytes) -> None:
    response = post(ada, content)
    assert (response.status_code, response.json()["code"]) == (400, "invalid-json")


@pytest.mark.parametrize("content", [b"[]", b"null", b'"x"', b"7", b""])
def test_json_that_is_no_object_is_not_valid(ada: Caller, content: bytes) -> None:
    assert post(ada, content).status_code == 422


def test_the_client_gives_every_field_that_is_taken(reference: Reference) -> None:
    schemas = reference.document["components"]["schemas"]
    given = {camel(name) for name in TaskFields.__annotations__} | {"taskDescription"}
    assert given == set(schemas["CreateTask"]["properties"])
    external = {camel(name) for name in ExternalFields.__annotations__} | {"taskDescription", "agent"}
    assert external == set(schemas["NewExternal"]["properties"])
