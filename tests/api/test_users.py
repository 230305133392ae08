"""The people of the team over HTTP: for admins alone, and never without one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api.factories import Reference, Team
from api.people import PASSWORD, Browser, People
from fastapi import FastAPI
from starlette.testclient import TestClient

from mixus.accounts.principal import Role
from mixus.core.database import Database

NOBODY = "usr_0000000000000000000000"
ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/api/users", None),
    ("POST", "/api/users", {"email": "eve@example.org", "role": "member"}),
    ("PATCH", f"/api/users/{NOBODY}", {"role": "viewer"}),
    ("POST", f"/api/users/{NOBODY}/password-link", None),
    ("POST", f"/api/users/{NOBODY}/sign-out", None),
    ("GET", "/api/audit", None),
]


@pytest.fixture
def people(app: FastAPI, http: TestClient, database: Database, reference: Reference) -> People:
    return People(app, database, reference, http)


@pytest.fixture
def admin(people: People) -> Browser:
    return people.signed_in("admin@example.org", Role.ADMIN)


@pytest.fixture
def bob(people: People) -> Browser:
    return people.signed_in("bob@example.org")


def options(body: dict[str, Any] | None) -> dict[str, Any]:
    return {} if body is None else {"json": body}


def test_without_a_session_nobody_gets_in(people: People) -> None:
    for method, path, body in ROUTES:
        response = people.stranger()(method, path, **options(body))
        assert (response.status_code, response.json()["code"]) == (401, "session-missing")


def test_no_key_gets_in_whatever_its_scopes(team: Team) -> None:
    caller = team.person("key@example.org", role=Role.ADMIN)
    for method, path, body in ROUTES:
        response = caller(method, path, **options(body))
        assert (response.status_code, response.json()["code"]) == (403, "session-required")


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_only_admins_get_in(people: People, role: Role) -> None:
    caller = people.signed_in(role=role)
    for method, path, body in ROUTES:
        response = caller(method, path, **options(body))
        assert (response.status_code, response.json()["code"]) == (403, "not-an-admin")


def test_another_site_can_do_nothing(admin: Browser) -> None:
    foreign = {"X-CSRF-Token": admin.csrf_token, "Origin": "https://evil.example"}
    for method, path, body in [route for route in ROUTES if route[0] != "GET"]:
        for headers in ({}, foreign):
            response = admin.send(method, path, headers, **options(body))
            assert (response.status_code, response.json()["code"]) == (403, "csrf")


def test_unknown_parameters_are_refused(admin: Browser, bob: Browser) -> None:
    for method, path, body in ROUTES:
        place = path.replace(NOBODY, bob.account.id)
        response = admin(method, place, params={"colour": "red"}, **options(body))
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "colour")


@pytest.mark.parametrize("user_id", [NOBODY, "x", "%00", "key_0000000000000000000000"])
def test_an_unknown_person_is_not_found(admin: Browser, user_id: str) -> None:
    for method, path, body in [route for route in ROUTES if NOBODY in route[1]]:
        response = admin(method, path.replace(NOBODY, user_id), **options(body))
        assert (response.status_code, response.json()["code"]) == (404, "not-found")


def test_all_accounts_are_listed_in_pages_without_a_hash(admin: Browser, bob: Browser) -> None:
    first = admin("GET", "/api/users", params={"limit": 1})
    second = admin("GET", "/api/users", params={"limit": 1, "cursor": first.json()["nextCursor"]})
    items = [*first.json()["items"], *second.json()["items"]]
    assert [(item["email"], item["role"], item["hasPassword"], item["disabledAt"]) for item in items] == [
        ("admin@example.org", "admin", True, None),
        ("bob@example.org", "member", True, None),
    ]
    assert second.json()["nextCursor"] is None
    assert "argon2" not in first.text + second.text


def test_an_invitation_is_redeemed_once_by_its_person(admin: Browser, people: People) -> None:
    response = admin("POST", "/api/users", json={"email": "Eve@example.org", "role": "viewer"})
    assert response.status_code == 201
    token = response.json()["inviteToken"]
    assert len(admin("GET", "/api/users").json()["items"]) == 1
    eve = people.stranger("eve@example.org")
    refused = eve.redeem(token, email="mallory@example.org")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "email")
    made = eve.redeem(token)
    assert (made.status_code, made.json()["account"]["email"]) == (201, "eve@example.org")
    assert made.json()["account"]["role"] == "viewer"
    assert people.stranger().redeem(token).status_code == 404
    assert eve.sign_in().status_code == 200
    (invited,), (created,) = (
        people.events("account.invited"),
        [event for event in people.events("account.created") if event.network is not None],
    )
    assert (invited.actor_id, invited.credential_id) == (admin.account.id, admin.session_id)
    assert created.credential_id == invited.subject_id == response.json()["linkId"]
    assert token not in repr((invited, created))


def test_of_many_who_redeem_one_invitation_at_once_one_gets_in(admin: Browser, people: People) -> None:
    token = admin("POST", "/api/users", json={"email": "eve@example.org", "role": "member"}).json()[
        "inviteToken"
    ]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: people.stranger().redeem(token).status_code, range(16)))
    assert sorted(answers) == [201] + [404] * 15


def test_who_has_an_account_is_not_invited(admin: Browser, bob: Browser) -> None:
    response = admin("POST", "/api/users", json={"email": "BOB@example.org", "role": "member"})
    assert (response.status_code, response.json()["code"]) == (409, "account-exists")


def test_a_repeated_invitation_replays_no_secret(admin: Browser, people: People) -> None:
    body, headers = {"email": "eve@example.org", "role": "member"}, {"Idempotency-Key": "once"}
    one = admin("POST", "/api/users", json=body, headers=headers)
    two = admin("POST", "/api/users", json=body, headers=headers)
    assert one.json()["inviteToken"] != two.json()["inviteToken"]
    assert people.stranger().redeem(one.json()["inviteToken"]).status_code == 404
    assert people.stranger().redeem(two.json()["inviteToken"]).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "eve@example.org"}, "role"),
        ({"email": "eve", "role": "member"}, "email"),
        ({"email": "eve@example.org", "role": "owner"}, "role"),
        ({"email": "eve@example.org", "role": "member", "password": PASSWORD}, "password"),
    ],
)
def test_an_invitation_that_is_not_valid_is_refused(admin: Browser, body: dict[str, Any], field: str) -> None:
    response = admin("POST", "/api/users", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": None},
        {"isDisabled": None},
        {"isDisabled": 1},
        {"role": "owner"},
        {"email": "x@example.org"},
    ],
)
def test_a_change_that_is_not_valid_is_refused(admin: Browser, bob: Browser, body: dict[str, Any]) -> None:
    assert admin("PATCH", f"/api/users/{bob.account.id}", json=body).status_code == 422


def test_a_role_holds_at_the_next_request(admin: Browser, bob: Browser, people: People) -> None:
    place = f"/api/users/{bob.account.id}"
    assert admin("PATCH", place, json={"role": "admin"}).json()["role"] == "admin"
    assert bob("GET", "/api/users").status_code == 200
    assert admin("PATCH", place, json={"role": "viewer"}).json()["role"] == "viewer"
    assert bob("GET", "/api/users").json()["code"] == "not-an-admin"
    assert [event.data["after"] for event in people.events("account.role-changed")] == [
        {"role": "admin"},
        {"role": "viewer"},
    ]


def test_a_disabled_person_is_out_at_the_next_request_and_in_again_with_a_new_session(
    admin: Browser, bob: Browser, people: People
) -> None:
    place = f"/api/users/{bob.account.id}"
    answer = admin("PATCH", place, json={"isDisabled": True})
    assert answer.json()["disabledAt"] is not None
    assert bob("GET", "/api/session").json()["code"] == "session-expired"
    assert bob.sign_in().json()["code"] == "sign-in-refused"
    refused = admin("POST", f"{place}/password-link")
    assert (refused.status_code, refused.json()["code"]) == (409, "account-disabled")
    assert admin("PATCH", place, json={"isDisabled": False}).json()["disabledAt"] is None
    assert bob("GET", "/api/session").status_code == 401
    assert bob.sign_in().status_code == 200
    assert len(people.events("account.disabled")) == len(people.events("account.enabled")) == 1


@pytest.mark.parametrize("body", [{"role": "member"}, {"isDisabled": True}])
def test_the_last_admin_stays(admin: Browser, bob: Browser, body: dict[str, Any]) -> None:
    response = admin("PATCH", f"/api/users/{admin.account.id}", json=body)
    assert (response.status_code, response.json()["code"]) == (409, "last-admin")
    assert admin("GET", "/api/users").status_code == 200


def test_of_two_admins_who_demote_each_other_one_stays(admin: Browser, people: People) -> None:
    other = people.signed_in("other@example.org", Role.ADMIN)

    def demote(pair: tuple[Browser, Browser]) -> int:
        by, whom = pair
        return int(by("PATCH", f"/api/users/{whom.account.id}", json={"role": "member"}).status_code)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(demote, [(admin, other), (other, admin)]))
    # The second was let in as an admin before the first was done, or not any more.
    assert sorted(answers) in ([200, 403], [200, 409])
    left = [browser for browser in (admin, other) if browser("GET", "/api/users").status_code == 200]
    assert len(left) == 1


def test_a_password_link_lets_a_person_in_again(admin: Browser, bob: Browser, people: People) -> None:
    response = admin("POST", f"/api/users/{bob.account.id}/password-link")
    assert response.status_code == 201
    assert response.json()["email"] == "bob@example.org"
    other = people.browser(bob.account)
    assert other.redeem(response.json()["passwordToken"], "another walk by the sea").status_code == 201
    assert bob("GET", "/api/session").status_code == 401


def test_a_person_is_signed_out_everywhere(admin: Browser, bob: Browser, people: People) -> None:
    assert admin("POST", f"/api/users/{bob.account.id}/sign-out", json={}).status_code == 204
    assert bob("GET", "/api/session").status_code == 401
    assert admin("GET", "/api/session").status_code == 200
    (event,) = people.events("account.signed-out")
    assert (event.subject_id, event.actor_id) == (bob.account.id, admin.account.id)
