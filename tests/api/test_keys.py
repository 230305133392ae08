"""The routes of keys: their owner's, and the two that a key or its finder may use."""

from typing import Any

import pytest
from api.factories import Team
from api.people import Browser, People
from factories import UNKNOWN_KEY
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.accounts.tables import accounts
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.keys import tokens

NEW = {"name": "nightly", "scopes": ["eval:create", "eval:read"]}
NOTHING = "key_0000000000000000000000"
# Every route of a person, with a body that fits.
ROUTES = [
    ("POST", "", NEW),
    ("GET", "", None),
    ("GET", f"/{NOTHING}", None),
    ("PATCH", f"/{NOTHING}", {"name": "x"}),
    ("POST", f"/{NOTHING}/rotate", {"overlap": "1h"}),
    ("POST", f"/{NOTHING}/disable", None),
    ("POST", f"/{NOTHING}/enable", None),
    ("POST", f"/{NOTHING}/revoke", None),
    ("GET", f"/{NOTHING}/usage", None),
]
OF_ONE = [route for route in ROUTES if NOTHING in route[1]]


@pytest.fixture
def people(app: FastAPI, http: TestClient, database: Database, reference: Any) -> People:
    return People(app, database, reference)


@pytest.fixture
def ada(people: People) -> Browser:
    return people.signed_in("ada@example.org")


@pytest.fixture
def bob(people: People) -> Browser:
    return people.signed_in("bob@example.org")


def make(person: Browser, **fields: Any) -> dict[str, Any]:
    response = person("POST", "/api/keys", json={**NEW, **fields})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def calling(person: Browser, key: str, path: str = "/api/keys/self", method: str = "GET") -> Any:
    person.http.cookies.clear()
    return person.http.request(method, path, headers={"Authorization": f"Bearer {key}"})


def act(person: Browser, key: dict[str, Any], verb: str, **body: Any) -> Any:
    options = {"json": body} if body else {}
    return person("POST", f"/api/keys/{key['id']}/{verb}", **options)


def test_a_key_is_shown_once_and_works_at_once(ada: Browser) -> None:
    made = make(ada, description="for the build", expires=30)
    assert tokens.check(made["key"]) is None
    assert calling(ada, made["key"]).json()["id"] == made["id"]
    listed = ada("GET", "/api/keys").json()
    assert (listed["active"], listed["mostActive"]) == (1, 10)
    assert made["key"] not in str(listed)
    assert listed["items"][0]["masked"] == tokens.mask(made["key"])
    assert ada("GET", f"/api/keys/{made['id']}").json() == {
        name: value for name, value in made.items() if name != "key"
    }
    assert made["state"] == "active"
    assert made["scopes"] == NEW["scopes"]


@pytest.mark.parametrize(
    "field",
    [
        *({"userId": "usr_x"}, {"id": "key_x"}, {"lookupHash": "x"}, {"rateLimit": 5}, {"createdAt": "x"}),
        *({"scopes": []}, {"scopes": ["*"]}, {"scopes": ["EVAL:READ"]}, {"scopes": ["eval:read "]}),
        *({"scopes": [["eval:read"]]}, {"scopes": ["eval:read"] * 21}, {"scopes": "eval:read"}),
        *({"name": ""}, {"name": " "}, {"name": "x" * 81}, {"name": "a\r\nb"}, {"name": "a\u202eb"}),
        *({"name": UNKNOWN_KEY}, {"name": None}, {"name": 5}, {"description": "x" * 501}),
        *({"expires": 0}, {"expires": -1}, {"expires": 31}, {"expires": True}, {"expires": 1e308}),
        *({"expires": 10**15}, {"expires": "never"}, {"expires": "2020-01-01T00:00:00Z"}),
        *({"expires": "2027-01-01"}, {"expires": "2027-01-01T00:00:00"}, {"expires": "9999-99-99T00:00:00Z"}),
        *({"allowLive": 1}, {"allowLive": "yes"}),
    ],
    ids=str,
)
def test_a_bad_field_is_refused_and_no_key_is_made(ada: Browser, field: dict[str, Any]) -> None:
    response = ada("POST", "/api/keys", json={**NEW, **field})
    assert response.status_code == 422, response.text
    (name,) = field
    assert {error["field"].partition(".")[0] for error in response.json()["errors"]} == {name}
    if name == "expires":
        assert [error["field"] for error in response.json()["errors"]] == ["expires"]
    assert UNKNOWN_KEY not in response.text
    assert ada("GET", "/api/keys").json()["items"] == []


@pytest.mark.parametrize("expires", [7, 365, "2027-03-01T00:00:00Z", "2027-03-01T00:00:00+14:00"])
def test_a_key_lives_for_days_or_until_a_time(ada: Browser, expires: Any) -> None:
    made = make(ada, expires=expires)
    assert made["expiresAt"] > made["createdAt"]


def test_the_eleventh_active_key_is_refused(ada: Browser, bob: Browser) -> None:
    made = [make(ada) for _ in range(10)]
    response = ada("POST", "/api/keys", json=NEW)
    assert (response.status_code, response.json()["code"]) == (409, "key-limit")
    assert act(ada, made[0], "disable").status_code == 200
    assert ada("POST", "/api/keys", json=NEW).status_code == 409
    assert act(ada, made[1], "revoke").status_code == 200
    assert make(ada)
    assert make(bob)


def test_a_repeat_with_the_same_idempotency_key_is_told_the_id_and_no_secret(ada: Browser) -> None:
    headers = {"Idempotency-Key": "one"}
    first = ada("POST", "/api/keys", json=NEW, headers=headers).json()
    again = ada("POST", "/api/keys", json=NEW, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "already-created")
    assert again.json()["keyId"] == first["id"]
    assert first["key"] not in again.text
    other = ada("POST", "/api/keys", json={**NEW, "name": "other"}, headers=headers)
    assert other.json()["code"] == "idempotency-mismatch"
    rotated = act(ada, first, "rotate", overlap="1h")
    assert rotated.status_code == 201
    assert len(ada("GET", "/api/keys").json()["items"]) == 2


def test_the_list_comes_in_pages_newest_first(ada: Browser) -> None:
    made = [make(ada, name=f"key {number}")["id"] for number in range(5)]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = ada("GET", "/api/keys", params=query).json()
        found += [key["id"] for key in page["items"]]
        cursor = page["nextCursor"]
    assert sorted(found) == sorted(made)
    assert len(found) == 5


def test_a_key_is_renamed_described_and_narrowed_and_never_widened(ada: Browser) -> None:
    made = make(ada, allowLive=True)
    path = f"/api/keys/{made['id']}"
    changed = ada(
        "PATCH",
        path,
        json={"name": "weekly", "description": "x", "scopes": ["eval:read"], "allowLive": False},
    ).json()
    assert (changed["name"], changed["description"], changed["scopes"], changed["allowLive"]) == (
        *("weekly", "x", ["eval:read"], False),
    )
    response = calling(ada, made["key"], "/api/eval/create-task-agent", "POST")
    assert response.json()["code"] == "insufficient-scope"
    for wider in ({"scopes": ["eval:create"]}, {"scopes": ["eval:manage"]}, {"allowLive": True}):
        response = ada("PATCH", path, json=wider)
        assert (response.status_code, "never widened" in response.text) == (422, True)
    for nothing in ({}, {"name": None}, {"name": "x", "description": None}):
        assert ada("PATCH", path, json=nothing).status_code == 422


def test_a_disabled_key_is_refused_until_it_is_enabled(ada: Browser) -> None:
    made = make(ada)
    assert act(ada, made, "disable").json()["state"] == "disabled"
    assert calling(ada, made["key"]).json()["code"] == "key-disabled"
    assert act(ada, made, "disable").json()["code"] == "key-state"
    assert act(ada, made, "enable").json()["state"] == "active"
    assert calling(ada, made["key"]).status_code == 200
    assert act(ada, made, "enable").json()["code"] == "key-state"


def test_a_revoked_key_leaves_a_receipt(ada: Browser) -> None:
    made = make(ada)
    created = ada.http.post(
        "/api/eval/create-task-agent",
        json={"taskDescription": "Add 1 and 2"},
        headers={"Authorization": f"Bearer {made['key']}", "User-Agent": "a program"},
    ).json()
    receipt = act(ada, made, "revoke", reason="found in a log").json()
    assert receipt["state"] == "revoked"
    assert receipt["effectiveAt"] == receipt["revokedAt"]
    assert receipt["revokeReason"] == "found in a log"
    assert (receipt["lastUsed"]["network"], receipt["lastUsed"]["agent"]) == ("192.0.2.0/24", "a program")
    assert receipt["executions"] == [
        {"executionId": created["executionId"], "taskName": "Add 1 and 2", "status": "queued"}
    ]
    assert (receipt["executionsCancelled"], receipt["openStreams"]) == (False, 0)
    assert calling(ada, made["key"]).json()["code"] == "key-revoked"
    again = act(ada, made, "revoke")
    assert (again.status_code, again.json()["code"]) == (409, "already-revoked")
    assert act(ada, made, "enable").status_code == 409
    assert act(ada, made, "rotate", overlap="1h").status_code == 409


def test_revoking_cancels_what_the_key_started_where_that_is_wanted(ada: Browser) -> None:
    made, other = make(ada), make(ada, scopes=["eval:manage"])
    for key in (made, other):
        ada.http.post(
            "/api/eval/create-task-agent",
            json={"taskDescription": "Add 1 and 2"},
            headers={"Authorization": f"Bearer {key['key']}"},
        )
    receipt = act(ada, made, "revoke", cancelExecutions=True).json()
    assert receipt["executionsCancelled"] is True
    items = calling(ada, other["key"], "/api/eval/executions").json()["items"]
    statuses = {item["executionId"]: item["status"] for item in items}
    assert statuses.pop(receipt["executions"][0]["executionId"]) == "cancelled"
    assert list(statuses.values()) == ["queued"]


def test_a_rotated_pair_works_until_the_overlap_ends(ada: Browser) -> None:
    made = make(ada)
    successor = act(ada, made, "rotate", overlap="24h").json()
    assert (successor["lineageId"], successor["scopes"]) == (made["id"], made["scopes"])
    old = ada("GET", f"/api/keys/{made['id']}").json()
    assert (old["state"], old["replacedBy"]) == ("replaced", successor["id"])
    assert calling(ada, made["key"]).json()["replacedBy"] == successor["id"]
    assert calling(ada, successor["key"]).status_code == 200
    third = act(ada, successor, "rotate", overlap="0").json()
    for ended in (made, successor):
        problem = calling(ada, ended["key"]).json()
        assert problem["code"] == "key-expired"
        assert "rotated" in problem["detail"]
    assert calling(ada, third["key"]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"overlap": "2h"}, {"overlap": 0}, {"overlap": "-1h"}, {"overlap": None}),
        *({"overlap": "1h", "scopes": ["eval:manage"]}, {"overlap": "1h", "allowLive": True}),
        *(
            {"overlap": "1h", "expires": 5},
            {"overlap": "1h", "expires": "never"},
            {"overlap": "1h", "name": "x"},
        ),
    ],
    ids=str,
)
def test_a_bad_rotation_is_refused_and_changes_nothing(ada: Browser, body: dict[str, Any]) -> None:
    made = make(ada)
    response = ada("POST", f"/api/keys/{made['id']}/rotate", json=body)
    assert response.status_code == 422, response.text
    assert [key["state"] for key in ada("GET", "/api/keys").json()["items"]] == ["active"]


def test_ten_active_keys_can_still_be_rotated(ada: Browser) -> None:
    made = [make(ada) for _ in range(10)]
    assert act(ada, made[0], "rotate", overlap="7d").status_code == 201
    assert ada("GET", "/api/keys").json()["active"] == 10


@pytest.mark.parametrize(("method", "path", "body"), OF_ONE)
def test_the_key_of_another_is_not_there(
    ada: Browser, bob: Browser, method: str, path: str, body: dict[str, Any] | None
) -> None:
    made = make(bob)
    options = {} if body is None else {"json": body}
    answers = []
    for key_id in (made["id"], NOTHING, "key_x", "%00", "exe_0000000000000000000000"):
        response = ada(method, "/api/keys" + path.replace(NOTHING, key_id), **options)
        assert response.status_code == 404
        answers.append({**response.json(), "requestId": None})
    assert all(answer == answers[0] for answer in answers)
    assert [key["state"] for key in bob("GET", "/api/keys").json()["items"]] == ["active"]


def test_an_admin_acts_on_the_key_of_another(people: People, bob: Browser) -> None:
    root = people.signed_in("root@example.org", Role.ADMIN)
    made = make(bob)
    assert act(root, made, "revoke").status_code == 200
    (event,) = people.events("key.revoked")
    assert (event.actor_id, event.credential_id, event.network) == (
        *(root.account.id, root.session_id, "192.0.2.0/24"),
    )
    assert event.data["before"] == {"state": "active"}


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_no_key_manages_keys(team: Team, method: str, path: str, body: dict[str, Any] | None) -> None:
    caller = team.person("cy@example.org", [Scope.MANAGE], Role.ADMIN)
    options = {} if body is None else {"json": body}
    response = caller(method, f"/api/keys{path}", **options)
    assert (response.status_code, response.json()["code"]) == (403, "session-required")


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_nobody_who_is_not_signed_in_manages_keys(
    http: TestClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    options: dict[str, Any] = {} if body is None else {"json": body}
    response = http.request(method, f"/api/keys{path}", **options)
    assert (response.status_code, response.json()["code"]) == (401, "session-missing")


@pytest.mark.parametrize(("method", "path", "body"), [route for route in ROUTES if route[0] != "GET"])
def test_a_request_from_another_site_changes_nothing(
    ada: Browser, method: str, path: str, body: dict[str, Any] | None
) -> None:
    made = make(ada)
    options = {} if body is None else {"json": body}
    address = f"/api/keys{path.replace(NOTHING, made['id'])}"
    for headers in (
        {},
        {"X-CSRF-Token": "x"},
        {"X-CSRF-Token": ada.csrf_token, "Origin": "null"},
        {"X-CSRF-Token": ada.csrf_token, "Origin": "https://example.com"},
        {"X-CSRF-Token": ada.csrf_token, "Sec-Fetch-Site": "cross-site"},
    ):
        response = ada.send(method, address, headers, **options)
        assert (response.status_code, response.json()["code"]) == (403, "csrf")
    assert [key["state"] for key in ada("GET", "/api/keys").json()["items"]] == ["active"]


def test_a_viewer_makes_keys_that_read(people: People) -> None:
    viewer = people.signed_in("view@example.org", Role.VIEWER)
    assert viewer("POST", "/api/keys", json=NEW).status_code == 422
    assert make(viewer, scopes=["eval:read"])


def test_use_is_told_by_day_route_and_outcome(ada: Browser, app: FastAPI) -> None:
    made = make(ada)
    for _ in range(3):
        calling(ada, made["key"])
    calling(ada, made["key"], "/api/eval/executions")
    calling(ada, made["key"], "/api/eval/status/exe_0000000000000000000000")
    calling(ada, made["key"], "/api/nothing")
    calling(ada, made["key"], f"/api/eval/executions/{NOTHING}", "DELETE")
    app.state.services.bookkeeper.write()
    act(ada, made, "disable")
    calling(ada, made["key"])
    app.state.services.bookkeeper.write()
    usage = ada("GET", f"/api/keys/{made['id']}/usage").json()
    assert (usage["requests"], usage["refused"]) == (7, 1)
    assert [(day["requests"], day["refused"]) for day in usage["days"]] == [(7, 1)]
    assert usage["days"][0]["day"] == utc_now().date().isoformat()
    found = {(each["route"], each["status"], each["refusal"]): each for each in usage["routes"]}
    counts = {name: each["count"] for name, each in found.items()}
    assert counts == {
        ("GET /api/keys/self", 200, None): 3,
        ("GET /api/eval/executions", 200, None): 1,
        ("GET /api/eval/status/{executionId}", 404, None): 1,
        ("DELETE /api/eval/executions/{executionId}", 403, None): 1,
        ("unknown", 404, None): 1,
        ("", 401, "key-disabled"): 1,
    }
    assert found["GET /api/eval/executions", 200, None]["scope"] == "eval:read"
    assert usage["unusedScopes"] == []


def test_a_report_is_answered_the_same_whatever_was_sent(ada: Browser, people: People) -> None:
    made, gone = make(ada), make(ada)
    act(ada, gone, "revoke")
    sent = [made["key"], made["key"], gone["key"], UNKNOWN_KEY, "x", "mxs_eval_", made["key"][:-1] + "x"]
    answers = [ada.http.post("/api/keys/report-leak", json={"key": key}) for key in sent]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {'{"success":true,"received":true}'}
    headers = [{**answer.headers, "x-request-id": None} for answer in answers]
    assert all(each == headers[0] for each in headers)
    assert calling(ada, made["key"]).json()["code"] == "key-revoked"
    (event,) = people.events("key.leak-reported")
    assert (event.subject_id, event.actor_id, event.network) == (made["id"], None, "192.0.2.0/24")
    assert ada("GET", f"/api/keys/{made['id']}").json()["revokeReason"] == "Reported as leaked."


def test_reports_of_one_network_are_limited(ada: Browser) -> None:
    answers = [ada.http.post("/api/keys/report-leak", json={"key": "x"}) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_every_act_on_a_key_is_one_event(ada: Browser, people: People) -> None:
    made = make(ada)
    path = f"/api/keys/{made['id']}"
    ada("PATCH", path, json={"name": "other"})
    ada("PATCH", path, json={"name": "other"})
    act(ada, made, "disable")
    act(ada, made, "enable")
    successor = act(ada, made, "rotate", overlap="1h").json()
    act(ada, made, "revoke")
    kinds = ["created", "changed", "disabled", "enabled", "rotated", "revoked"]
    found = {kind: people.events(f"key.{kind}") for kind in kinds}
    assert {kind: len(events) for kind, events in found.items()} == {
        **dict.fromkeys(kinds, 1),
        "created": 2,
    }
    for events in found.values():
        for event in events:
            assert (event.actor_id, event.credential_id) == (ada.account.id, ada.session_id)
            assert event.network == "192.0.2.0/24"
            assert "after" in event.data
    assert found["changed"][0].data["before"]["name"] == "nightly"
    assert found["rotated"][0].data["after"]["successorId"] == successor["id"]
    assert made["key"] not in repr(found)


def test_a_key_sees_what_is_left_of_its_limits(ada: Browser) -> None:
    made = make(ada)
    told = calling(ada, made["key"]).json()
    assert told["limits"]["requests"]["remaining"] == told["limits"]["requests"]["limit"] - 1
    assert told["limits"]["executions"]["mostRunning"] == 10
    assert made["key"] not in str(told)


def test_a_key_in_a_wrong_place_is_not_repeated(ada: Browser) -> None:
    made = make(ada)["key"]
    answers = [
        calling(ada, made, f"/api/eval/status/{made}"),
        calling(ada, made, f"/api/eval/executions?{made}=1"),
        ada("POST", "/api/keys", json={**NEW, made: 1}),
        ada.sign_in(headers={"User-Agent": f"agent {made}"}),
        ada("GET", "/api/account/sessions"),
    ]
    assert [answer.status_code for answer in answers] == [404, 422, 422, 200, 200]
    assert not any(made in answer.text for answer in answers)
    assert "agent mxs_eval_…" in answers[-1].text


def test_a_successor_that_was_just_used_is_not_replaced(ada: Browser) -> None:
    made = make(ada)
    successor = act(ada, made, "rotate", overlap="24h").json()
    assert calling(ada, successor["key"]).status_code == 200
    again = act(ada, made, "rotate", overlap="24h")
    assert (again.status_code, again.json()["code"]) == (409, "already-rotated")
    assert calling(ada, successor["key"]).status_code == 200


def test_the_key_of_a_lowered_role_is_told_that_the_role_forbids_it(
    people: People, ada: Browser, database: Database
) -> None:
    made = make(ada, scopes=["eval:manage"])
    with database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.id == ada.account.id).values(role=Role.VIEWER))
    response = calling(ada, made["key"], "/api/eval/create-task-agent", "POST")
    assert response.status_code == 403
    assert "viewer" in response.json()["detail"]
