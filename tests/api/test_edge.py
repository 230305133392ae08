"""What holds for every request, whatever it asks for."""

import logging
from typing import Any

import pytest
from api.factories import TASK, Caller, Reference, Team
from factories import PEPPER, UNKNOWN_KEY
from pydantic import SecretStr
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.core.settings import Settings
from mixus.keys import service as keys_service
from mixus.server.app import create_app

CREATE = "/api/eval/create-task-agent"
NOTHING = "exe_0000000000000000000000"

EXTERNAL = "/api/eval/external-executions"
NO_ACTION = "act_0000000000000000000000"

# Every route that needs a scope, with the lowest one that it takes.
ROUTES = [
    ("POST", CREATE, Scope.CREATE),
    ("GET", f"/api/eval/status/{NOTHING}", Scope.READ),
    ("GET", "/api/eval/executions", Scope.READ),
    ("PATCH", f"/api/eval/executions/{NOTHING}", Scope.MANAGE),
    ("DELETE", f"/api/eval/executions/{NOTHING}", Scope.MANAGE),
    ("POST", f"/api/eval/executions/{NOTHING}/cancel", Scope.MANAGE),
    ("POST", f"/api/eval/executions/{NOTHING}/retry", Scope.MANAGE),
    ("POST", f"/api/eval/executions/{NOTHING}/checkpoints/{NOTHING}/decision", Scope.MANAGE),
    ("GET", "/api/eval/checkpoints", Scope.READ),
    ("GET", f"/api/eval/executions/{NOTHING}/trace", Scope.READ),
    ("GET", f"/api/eval/executions/{NOTHING}/events", Scope.READ),
    ("GET", "/api/eval/templates", Scope.READ),
    ("GET", "/api/eval/metrics", Scope.READ),
    ("GET", "/api/eval/export", Scope.READ),
    ("POST", EXTERNAL, Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/attach", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/steps", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/checkpoints", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/effects", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/effects/{NO_ACTION}/start", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/effects/{NO_ACTION}/result", Scope.CREATE),
    ("POST", f"{EXTERNAL}/{NOTHING}/finish", Scope.CREATE),
]
WORKER = "wrk_0000000000000000000000"
BODIES = {
    CREATE: TASK,
    f"/api/eval/executions/{NOTHING}": {"taskName": "x"},
    f"/api/eval/executions/{NOTHING}/checkpoints/{NOTHING}/decision": {"attempt": 1, "action": "approve"},
    EXTERNAL: {"taskDescription": "Do it.", "agent": "mine"},
    f"{EXTERNAL}/{NOTHING}/steps": {"workerId": WORKER, "name": "look"},
    f"{EXTERNAL}/{NOTHING}/checkpoints": {"workerId": WORKER, "stage": "sum", "work": "4"},
    f"{EXTERNAL}/{NOTHING}/effects": {
        "workerId": WORKER,
        "tool": "refund",
        "effect": "purchase",
        "arguments": {},
    },
    f"{EXTERNAL}/{NOTHING}/effects/{NO_ACTION}/start": {"workerId": WORKER, "arguments": {}},
    f"{EXTERNAL}/{NOTHING}/effects/{NO_ACTION}/result": {"result": 1},
    f"{EXTERNAL}/{NOTHING}/finish": {"workerId": WORKER, "result": "done"},
}


def test_every_route_of_the_reference_is_in_this_list(team: Team) -> None:
    listed = {(method, team.reference.operation(method, path)["operationId"]) for method, path, _ in ROUTES}  # type: ignore[index] # None fails the test as it should
    documented = {
        (method.upper(), operation["operationId"])
        for path, operations in team.reference.document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/api/eval/")
    }
    assert listed == documented


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_without_a_key_nobody_gets_in(http: TestClient, method: str, path: str, scope: Scope) -> None:
    response = http.request(method, path)
    assert response.status_code == 401
    assert response.json()["code"] == "key-missing"
    assert response.json()["title"] == "Unauthorized"
    assert response.headers["www-authenticate"] == 'Bearer realm="mixus"'


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_a_key_without_the_scope_is_refused_before_its_body_is_judged(
    team: Team, method: str, path: str, scope: Scope
) -> None:
    other = Scope.READ if scope is not Scope.READ else Scope.CREATE
    caller = team.person("cy@example.org", [other])
    body = {"json": {"unknown": True}} if method in {"POST", "PATCH"} else {}
    response = caller(method, path, **body)
    assert response.status_code == 403
    problem = response.json()
    assert (problem["code"], problem["title"], problem["scope"]) == (
        "insufficient-scope",
        "Access denied",
        scope.value,
    )
    assert f'scope="{scope.value}"' in response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path", "scope"), [route for route in ROUTES if NOTHING in route[1]])
def test_an_unknown_execution_is_not_found(ada: Caller, method: str, path: str, scope: Scope) -> None:
    body = {"json": BODIES[path]} if path in BODIES and method in {"POST", "PATCH"} else {}
    response = ada(method, path, **body)
    assert response.status_code == 404
    assert response.json()["code"] == "not-found"


@pytest.mark.parametrize(
    "execution_id", ["x", "%00", "exe_%00", "..%2Fx", "%F0%9F%98%80", "exe_" + "9" * 500]
)
@pytest.mark.parametrize(("method", "path", "scope"), [route for route in ROUTES if NOTHING in route[1]])
def test_what_cannot_be_an_id_is_not_found(
    ada: Caller, method: str, path: str, scope: Scope, execution_id: str
) -> None:
    body = {"json": BODIES[path]} if path in BODIES and method in {"POST", "PATCH"} else {}
    response = ada(method, path.replace(NOTHING, execution_id, 1), **body)
    assert response.status_code == 404


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_unknown_parameters_are_refused(ada: Caller, method: str, path: str, scope: Scope) -> None:
    execution_id = ada.create()
    body = {"json": BODIES[path]} if path in BODIES and method in {"POST", "PATCH"} else {}
    response = ada(method, path.replace(NOTHING, execution_id, 1), params={"colour": "red"}, **body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "colour"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Basic YTpi", "key-missing"),
        ("Bearer", "key-missing"),
        ("Bearer mxs_eval_short", "key-malformed"),
        (f"Bearer {UNKNOWN_KEY}", "key-unknown"),
    ],
)
def test_a_bad_credential_says_what_is_wrong_with_it(http: TestClient, header: str, code: str) -> None:
    response = http.get("/api/keys/self", headers={"Authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, code)
    is_told = 'error="invalid_token"' in response.headers["www-authenticate"]
    assert is_told is (code != "key-missing")


def test_two_authorization_headers_are_a_bad_request(http: TestClient, ada: Caller) -> None:
    pair = ("Authorization", f"Bearer {ada.key}")
    response = http.get("/api/keys/self", headers=[pair, pair])
    assert (response.status_code, response.json()["code"]) == (400, "invalid-request")


def test_a_revoked_key_is_refused_with_the_next_request(ada: Caller, database: Database) -> None:
    assert ada("GET", "/api/keys/self").status_code == 200
    with database.transaction() as tx:
        keys_service.revoke(tx, Actor(None), ada.key_id, utc_now())
    response = ada("GET", "/api/keys/self")
    assert (response.status_code, response.json()["code"]) == (401, "key-revoked")


def test_every_answer_has_an_id_and_forbids_sniffing(http: TestClient, ada: Caller) -> None:
    answers = [http.get("/healthz"), http.get("/nowhere"), http.get("/api/x"), ada("GET", "/api/keys/self")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 4
    assert all(request_id.startswith("req_") for request_id in ids)
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert answers[1].json()["requestId"] == answers[1].headers["x-request-id"]


def test_nothing_of_the_api_is_stored_on_the_way(http: TestClient, ada: Caller) -> None:
    for answer in (http.get("/api/x"), ada("GET", "/api/keys/self"), ada("GET", "/api/x")):
        assert answer.headers["cache-control"] == "no-store"


def test_a_stranger_learns_no_route(http: TestClient, ada: Caller) -> None:
    assert http.get("/api/eval/nothing").status_code == 401
    response = ada("GET", "/api/eval/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("path", ["/redoc", "/api/eval/executions/", "/api/metrics"])
def test_what_is_not_built_is_not_found(ada: Caller, path: str) -> None:
    assert ada("GET", path).status_code == 404


def test_another_method_is_told_which_ones_there_are(ada: Caller) -> None:
    response = ada("PUT", f"/api/eval/executions/{NOTHING}")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, PATCH")
    response = ada("POST", f"/api/eval/status/{NOTHING}", json={})
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_body_that_is_not_said_to_be_json_is_refused(ada: Caller, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = ada("POST", CREATE, content=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_taken_with_its_charset(ada: Caller, content_type: str) -> None:
    response = ada("POST", CREATE, content=b"{}", headers={"Content-Type": content_type})
    assert response.json()["errors"][0]["field"] == "taskDescription"


def test_a_body_over_the_limit_is_refused_by_its_length(ada: Caller) -> None:
    response = ada("POST", CREATE, json={"taskDescription": "x" * 2 * 1024 * 1024})
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


def test_a_body_over_the_limit_is_refused_while_it_streams(ada: Caller) -> None:
    parts = (b"x" * 65_536 for _ in range(32))
    response = ada("POST", CREATE, content=parts, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


WORDS = "private" + "-words"


class Broken(Catalog):
    def prepare(self, task: Any) -> Any:
        raise RuntimeError(WORDS + task.description)


def test_our_own_fault_is_told_and_logged_without_its_words(
    database: Database, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app(Settings(), database, PEPPER, Broken("rehearsal"))) as http:
        ada = Team(http, database, reference).person("ada@example.org")
        with caplog.at_level(logging.ERROR):
            response = ada("POST", CREATE, json={"taskDescription": "private matter"})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert response.json()["requestId"] in caplog.text
    assert "RuntimeError" in caplog.text
    for told in (response.text, caplog.text):
        assert WORDS not in told
        assert "private matter" not in told
        assert ada.key not in told


def test_a_database_that_is_away_is_no_fault_of_the_client() -> None:
    away = Database("postgresql://127.0.0.1:1/nothing")
    with TestClient(create_app(Settings(), away, PEPPER, Catalog("rehearsal"))) as http:
        response = http.get("/api/keys/self", headers={"Authorization": f"Bearer {UNKNOWN_KEY}"})
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert http.get("/readyz").status_code == 503
        assert http.get("/healthz").status_code == 200
    away.close()


def test_a_ready_service_says_so(http: TestClient) -> None:
    assert http.get("/readyz").json() == {"status": "ready", "warnings": []}


def test_mail_that_is_set_up_by_half_is_a_warning(database: Database) -> None:
    settings = Settings(smtp_url=SecretStr("smtp://127.0.0.1:25"))
    with TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as http:
        warnings = http.get("/readyz").json()["warnings"]
    assert warnings == ["No mail leaves: MIXUS_MAIL_FROM and MIXUS_PUBLIC_URL not set."]


def test_a_key_describes_itself_and_keeps_its_secret(ada: Caller) -> None:
    response = ada("GET", "/api/keys/self")
    assert response.json()["id"] == ada.key_id
    assert response.json()["scopes"] == ["eval:manage"]
    assert ada.key not in response.text


def test_an_answer_to_a_key_says_when_it_expires(ada: Caller) -> None:
    response = ada("GET", "/api/keys/self")
    assert response.headers["mxs-key-expires-at"] == response.json()["expiresAt"]


def test_the_reference_names_the_scope_of_each_operation(team: Team) -> None:
    for method, path, scope in ROUTES:
        operation = team.reference.operation(method, path)
        assert operation is not None
        # A decision is a person's too, signed in.
        others = [{"session": [scope.value]}] if path.endswith("/decision") else []
        assert operation["security"] == [{"key": [scope.value]}, *others]
