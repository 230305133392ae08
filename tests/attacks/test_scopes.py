"""Every operation of the reference against every credential: nothing more than it names gets in."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from api.factories import Reference
from attacks.people import Office
from factories import PEPPER
from fastapi import FastAPI
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
KEYS = {
    "create": [Scope.CREATE],
    "read": [Scope.READ],
    "manage": [Scope.MANAGE],
    "all": list(Scope),
}
IMPLIED = {Scope.MANAGE: set(Scope), Scope.READ: {Scope.READ}, Scope.CREATE: {Scope.CREATE}}
# What a request gets that was let in and asks for nothing that there is.
LET_IN = {200, 201, 404, 415, 422}
IDS = {
    "executionId": "exe_0000000000000000000000",
    "checkpointId": "chk_0000000000000000000000",
    "actionId": "act_0000000000000000000000",
    "keyId": "key_0000000000000000000000",
    "sessionId": "ses_0000000000000000000000",
    "userId": "usr_0000000000000000000000",
    "linkId": "lnk_0000000000000000000000",
}
KEYS_OF_A_KEY = {("GET", "/api/keys/self")}
OPEN = {("POST", "/api/keys/report-leak"), ("POST", "/api/session"), ("POST", "/api/links/redeem")}


@pytest.fixture
def app(database: Database) -> FastAPI:
    settings = Settings(requests_per_minute=1_000_000, failed_keys_per_minute=1_000_000)
    return create_app(settings, database, PEPPER, Catalog("rehearsal"))


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def paths(reference: Reference) -> list[str]:
    found = [path for path in reference.document["paths"] if path.startswith("/api/")]
    assert len(found) > 10
    return found


def addressed(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: IDS[match[1]], path)


def needed(reference: Reference, method: str, path: str) -> tuple[str, list[Scope]] | None:
    """The kind of credential of an operation, with its scopes; None when there is no such operation."""
    operation = reference.operation(method, addressed(path))
    if operation is None:
        return None
    security: list[dict[str, list[str]]] = operation.get("security", [])
    if not security:
        return "nothing", []
    # A decision is a key's or, as its second way in, a signed-in person's.
    [(kind, scopes)] = security[0].items()
    assert security[1:] == ([{"session": scopes}] if path.endswith("/decision") else [])
    return kind, [Scope(scope) for scope in scopes]


def expected_of_key(reference: Reference, method: str, path: str, scopes: list[Scope]) -> set[int]:
    need = needed(reference, method, path)
    if need is None:
        return {405}
    kind, wanted = need
    if kind == "session":
        return {403}
    if kind == "key" and not set(wanted) <= set().union(*(IMPLIED[scope] for scope in scopes)):
        return {403}
    return LET_IN


def expected_of_session(reference: Reference, method: str, path: str) -> set[int]:
    need = needed(reference, method, path)
    if need is None:
        return {405}
    if method == "POST" and path.endswith("/decision"):
        return LET_IN
    return {401} if need[0] == "key" else LET_IN | {204, 403}


def send(http: TestClient, method: str, path: str, headers: dict[str, str]) -> Any:
    """With a body that nothing takes, where there may be one."""
    http.cookies.clear()
    body: dict[str, Any] = {"json": {"nothing": True}} if method in {"POST", "PUT", "PATCH"} else {}
    return http.request(method, addressed(path), headers=headers, **body)


def test_every_key_gets_exactly_what_its_scopes_name(
    http: TestClient, office: Office, reference: Reference
) -> None:
    owner = office.person(Role.ADMIN)
    for scopes in KEYS.values():
        headers = office.key(owner, scopes).headers
        for method, path in itertools.product(METHODS, paths(reference)):
            response = send(http, method, path, headers)
            expected = expected_of_key(reference, method, path, scopes)
            assert response.status_code in expected, (scopes, method, path, response.text)


def test_no_key_reaches_a_person_s_routes_whatever_its_scopes(
    http: TestClient, office: Office, reference: Reference
) -> None:
    """Not even that of an admin: whoever steals a key makes no other of it."""
    headers = office.key(office.person(Role.ADMIN), list(Scope)).headers
    asked = 0
    for path, operations in reference.document["paths"].items():
        for method in map(str.upper, operations):
            if not path.startswith("/api/eval/") and path.startswith("/api/"):
                if (method, path) in KEYS_OF_A_KEY | OPEN:
                    continue
                response = send(http, method, path, headers)
                assert (response.status_code, response.json()["code"]) == (403, "session-required"), path
                asked += 1
    assert asked >= 9


def test_a_sign_in_reaches_no_route_of_an_evaluation_but_the_decision(
    http: TestClient, office: Office, reference: Reference
) -> None:
    for role in Role:
        headers = office.sign_in(office.person(role))
        for method, path in itertools.product(METHODS, paths(reference)):
            if (method, path) in {("DELETE", "/api/session"), ("DELETE", "/api/account/sessions")}:
                continue
            response = send(http, method, path, headers)
            expected = expected_of_session(reference, method, path)
            assert response.status_code in expected, (role, method, path, response.text)


def test_a_stranger_gets_nothing_and_learns_no_route(http: TestClient, reference: Reference) -> None:
    for method, path in itertools.product(METHODS, [*paths(reference), "/api/nothing", "/api/eval/nothing"]):
        response = send(http, method, path, {})
        if (method, path) in OPEN:
            assert response.status_code in {401, 403, 422}, path
        else:
            assert response.status_code == 401, (method, path, response.text)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_address_answers_the_same_to_every_key(
    http: TestClient, office: Office, method: str
) -> None:
    answers = []
    for scopes in KEYS.values():
        response = send(http, method, "/api/eval/nothing", office.key(scopes=scopes).headers)
        answers.append((response.status_code, None if method == "HEAD" else response.json()["detail"]))
    assert len(set(answers)) == 1
    assert answers[0][0] == 404


def test_nobody_but_an_admin_is_let_into_the_office(
    http: TestClient, office: Office, reference: Reference
) -> None:
    admin_only = [path for path in paths(reference) if path.startswith(("/api/admin", "/api/users"))]
    for role in (Role.MEMBER, Role.VIEWER):
        headers = office.sign_in(office.person(role))
        for path in admin_only:
            for method in map(str.upper, reference.document["paths"][path]):
                assert send(http, method, path, headers).status_code == 403, (role, method, path)


def test_a_viewer_s_key_only_reads_though_it_was_made_when_he_could_more(
    http: TestClient, office: Office, reference: Reference
) -> None:
    owner = office.person()
    headers = office.key(owner, [Scope.MANAGE]).headers
    assert send(http, "POST", "/api/eval/create-task-agent", headers).status_code == 422
    office.act(lambda tx: tx.connection.exec_driver_sql("update accounts set role = 'viewer'"))
    for method, path in itertools.product(METHODS, paths(reference)):
        expected = expected_of_key(reference, method, path, [Scope.READ])
        assert send(http, method, path, headers).status_code in expected, (method, path)
