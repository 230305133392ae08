"""Another person's keys and executions are not there: by no id, cursor, search or parameter."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from attacks.people import Key, Office
from factories import PEPPER
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

RANDOM_KEY, RANDOM_EXECUTION = "key_0000000000000000000000", "exe_0000000000000000000000"
SECRETS = re.compile(r"mxs_eval_[0-9A-Za-z]{32}|lookup|pepper|hash", re.IGNORECASE)
OF_A_KEY: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None),
    ("PATCH", "", {"name": "mine now"}),
    ("POST", "/rotate", {"overlap": "0"}),
    ("POST", "/disable", None),
    ("POST", "/enable", None),
    ("POST", "/revoke", None),
    ("GET", "/usage", None),
]
CHECKPOINT = "chk_0000000000000000000000"
OF_AN_EXECUTION: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/api/eval/status/{id}", None),
    ("GET", "/api/eval/status/{id}?waitMs=10", None),
    ("PATCH", "/api/eval/executions/{id}", {"taskName": "mine now"}),
    ("DELETE", "/api/eval/executions/{id}", None),
    ("POST", "/api/eval/executions/{id}/cancel", None),
    ("POST", "/api/eval/executions/{id}/retry", None),
    ("GET", "/api/eval/executions/{id}/trace", None),
    ("GET", "/api/eval/executions/{id}/events", None),
    (
        "POST",
        f"/api/eval/executions/{{id}}/checkpoints/{CHECKPOINT}/decision",
        {"attempt": 1, "action": "approve"},
    ),
]


@pytest.fixture
def http(database: Database) -> Iterator[TestClient]:
    settings = Settings(requests_per_minute=1_000_000)
    with TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as client:
        yield client


@pytest.fixture
def ada(office: Office) -> Account:
    return office.person()


@pytest.fixture
def hers(office: Office, ada: Account) -> Key:
    return office.key(ada)


@pytest.fixture
def bob(office: Office) -> dict[str, str]:
    """Bob's page."""
    return office.sign_in(office.person())


def told(response: Response, *ids: str) -> tuple[int, str]:
    """An answer without what always differs, and without the id that was asked for."""
    text = re.sub(r'"requestId":"\w+"', "", response.text)
    for each in ids:
        text = text.replace(each, "ID")
    return response.status_code, text


@pytest.mark.parametrize(("method", "path", "body"), OF_A_KEY)
def test_another_person_s_key_answers_as_one_that_is_not_there(
    http: TestClient, office: Office, hers: Key, method: str, path: str, body: object
) -> None:
    answers = [
        told(http.request(method, f"/api/keys/{key_id}{path}", headers=page, json=body))
        for page in (office.sign_in(office.person()), office.sign_in(office.person(Role.VIEWER)))
        for key_id in (hers.id, RANDOM_KEY, hers.info.user_id, "x", hers.info.last4, "key_%25")
    ]
    assert answers[0][0] == 404
    assert len(set(answers)) == 1
    assert office.describe(hers.id) == hers.info


@pytest.mark.parametrize(("method", "path", "body"), OF_AN_EXECUTION)
def test_another_person_s_execution_answers_as_one_that_is_not_there(
    http: TestClient, office: Office, hers: Key, method: str, path: str, body: object
) -> None:
    task = {"taskDescription": "Calculate 15 % of 50,000"}
    made = http.post("/api/eval/create-task-agent", headers=hers.headers, json=task).json()["executionId"]
    before = http.get(f"/api/eval/executions/{made}/trace", headers=hers.headers).json()
    his = office.key()
    answers = [
        told(http.request(method, path.format(id=each), headers=his.headers, json=body), each)
        for each in (made, RANDOM_EXECUTION)
    ]
    assert answers[0][0] == 404
    assert answers[0] == answers[1]
    assert http.get(f"/api/eval/executions/{made}/trace", headers=hers.headers).json() == before


def test_lists_hold_one_s_own_and_no_secret(
    http: TestClient, office: Office, ada: Account, hers: Key, bob: dict[str, str]
) -> None:
    revoked = office.key(ada)
    office.revoke(revoked.id)
    office.rotate(office.key(ada).id)
    response = http.get("/api/keys", headers=office.sign_in(ada))
    assert len(response.json()["items"]) == 4
    assert {item["state"] for item in response.json()["items"]} == {"active", "revoked", "replaced"}
    assert not SECRETS.search(response.text)
    assert hers.secret[9:35] not in response.text
    assert http.get("/api/keys", headers=bob).json()["items"] == []
    assert http.get("/api/keys", headers=bob).json()["active"] == 0


def test_no_parameter_reaches_into_another_person_s_list(
    http: TestClient, hers: Key, bob: dict[str, str]
) -> None:
    for name in ("userId", "user_id", "owner", "keyId", "key_id", "q", "last4", "lineageId", "sort", "all"):
        response = http.get("/api/keys", headers=bob, params={name: hers.info.user_id})
        assert response.status_code == 422, name
    for path in (f"/api/keys/{hers.id}/usage", "/api/keys/self/usage"):
        assert http.get(path, headers=bob, params={"key_id": hers.id}).status_code in {404, 422}


@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "1000000000", "1.5", "x", "", " 10", "1_0", "\u0665", "NaN"]
)
def test_a_page_of_no_sensible_size_is_refused(http: TestClient, bob: dict[str, str], limit: str) -> None:
    assert http.get("/api/keys", headers=bob, params={"limit": limit}).status_code == 422


def test_the_cursor_of_another_person_shows_nothing_of_his(
    http: TestClient, office: Office, ada: Account, hers: Key
) -> None:
    for _ in range(3):
        office.key(ada)
    first = http.get("/api/keys", headers=office.sign_in(ada), params={"limit": 2}).json()
    assert first["nextCursor"]
    carl = office.person()
    his = [office.key(carl).id for _ in range(2)]
    params = {"cursor": first["nextCursor"]}
    response = http.get("/api/keys", headers=office.sign_in(carl), params=params)
    assert {item["id"] for item in response.json()["items"]} <= set(his)


TAMPERED = [
    "",
    "x",
    "\u00e9",
    "' OR 1=1 --",
    "%00",
    "A" * 10_000,
    base64.urlsafe_b64encode(b"null").decode(),
    base64.urlsafe_b64encode(b"[]").decode(),
    base64.urlsafe_b64encode(b'[1e400, "key"]').decode(),
    base64.urlsafe_b64encode(b'[99999999999999999999, "key"]').decode(),
    base64.urlsafe_b64encode(b'["x", 1]').decode(),
    base64.urlsafe_b64encode(b'[0, "\\u0000"]').decode(),
    base64.urlsafe_b64encode(b'[9223372036854775807, "key"]').decode(),
    base64.urlsafe_b64encode(b'[-9223372036854775808, "key"]').decode(),
    base64.urlsafe_b64encode(b"9223372036854775807:key").decode(),
    base64.urlsafe_b64encode(b"1:\x00").decode(),
]


@pytest.mark.parametrize("cursor", TAMPERED)
@pytest.mark.parametrize("path", ["/api/keys", "/api/account/sessions", "/api/eval/executions"])
def test_a_cursor_that_is_not_ours_is_refused_or_shows_one_s_own_and_breaks_nothing(
    http: TestClient, office: Office, hers: Key, path: str, cursor: str
) -> None:
    carl = office.person()
    headers = office.key(carl).headers if path.startswith("/api/eval") else office.sign_in(carl)
    response = http.get(path, headers=headers, params={"cursor": cursor})
    assert response.status_code in {200, 422}, response.text
    assert hers.id not in response.text


def test_tampering_with_a_cursor_of_ours_breaks_nothing(
    http: TestClient, office: Office, ada: Account, hers: Key
) -> None:
    for _ in range(3):
        office.key(ada)
    page = office.sign_in(ada)
    cursor = http.get("/api/keys", headers=page, params={"limit": 2}).json()["nextCursor"]
    for place in range(len(cursor)):
        for other in "A_9":
            changed = cursor[:place] + other + cursor[place + 1 :]
            response = http.get("/api/keys", headers=page, params={"cursor": changed})
            assert response.status_code in {200, 422}, (changed, response.text)


def test_an_admin_sees_every_key_and_no_secret(http: TestClient, office: Office, hers: Key) -> None:
    page = office.sign_in(office.person(Role.ADMIN))
    response = http.get(f"/api/keys/{hers.id}", headers=page)
    assert response.status_code == 200
    assert not SECRETS.search(response.text)
    assert http.post(f"/api/keys/{hers.id}/revoke", headers=page).status_code == 200
    assert http.get("/api/keys/self", headers=hers.headers).json()["code"] == "key-revoked"


def test_an_id_tells_neither_its_number_nor_its_time(office: Office, ada: Account) -> None:
    ids = [office.key(ada).id for _ in range(10)]
    assert len(set(ids)) == 10
    assert ids != sorted(ids)
    assert len({each[4:8] for each in ids}) == 10


def test_what_a_user_agent_writes_comes_back_as_text_in_json_and_never_as_a_header(
    http: TestClient, office: Office, ada: Account, hers: Key
) -> None:
    agent = "<script>alert(1)</script>" + "A" * 500
    http.get("/api/keys/self", headers=hers.headers | {"User-Agent": agent})
    http.app.state.services.bookkeeper.write()  # type: ignore[attr-defined] # what the client calls an app is ours
    response = http.get(f"/api/keys/{hers.id}", headers=office.sign_in(ada))
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(response.json()["lastUsed"]["agent"]) == 200


def test_scopes_of_another_key_of_the_same_person_are_not_lent(http: TestClient, office: Office) -> None:
    """An execution belongs to the person: his reading key sees it, and only his managing one ends it."""
    owner = office.person()
    maker, reader = office.key(owner, [Scope.CREATE]), office.key(owner, [Scope.READ])
    task = {"taskDescription": "Calculate 15 % of 50,000"}
    made = http.post("/api/eval/create-task-agent", headers=maker.headers, json=task).json()["executionId"]
    path = f"/api/eval/status/{made}"
    assert http.get(path, headers=reader.headers).status_code == 200
    assert http.get(path, headers=maker.headers).status_code == 403
    for key in (maker, reader):
        assert http.delete(f"/api/eval/executions/{made}", headers=key.headers).status_code == 403
