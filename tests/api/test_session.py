"""Signing in and out over HTTP: one way in, and no way for another site."""

import logging
import re
from typing import Any

import pytest
from api.factories import Caller, Reference, Team
from api.people import AWAY, HASH, HOME, PASSWORD, Browser, People
from factories import PEPPER
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from mixus.accounts import changes, links, service, sessions
from mixus.accounts.principal import Role
from mixus.accounts.tables import accounts
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.core.settings import Settings
from mixus.server.app import create_app
from mixus.server.hashing import hashing

WRONG = "a wrong walk by the sea"
NEW = "another walk by the sea"
UNSAFE = [
    ("DELETE", "/api/session", None),
    ("DELETE", "/api/account/sessions", None),
    ("DELETE", "/api/account/sessions/ses_0000000000000000000000", None),
    ("POST", "/api/account/password", {"currentPassword": PASSWORD, "newPassword": NEW}),
]
SAFE = [("GET", "/api/session", None), ("GET", "/api/account/sessions", None)]
ROUTES = UNSAFE + SAFE


@pytest.fixture
def people(app: FastAPI, http: TestClient, database: Database, reference: Reference) -> People:
    return People(app, database, reference, http)


@pytest.fixture
def ada(people: People) -> Browser:
    return people.signed_in()


def is_signed_in(browser: Browser) -> bool:
    return browser("GET", "/api/session").status_code == 200


def test_the_right_password_signs_in(people: People) -> None:
    ada = people.person()
    response = ada.sign_in()
    assert response.status_code == 200
    document = response.json()
    assert document["account"] == {"id": ada.account.id, "email": "ada@example.org", "role": "member"}
    assert (document["session"]["network"], document["session"]["agent"]) == ("192.0.2.0/24", "a browser")
    assert ada("GET", "/api/session").json() == document


def test_the_costs_of_earnest_renew_the_hash_of_a_cheaper_time(
    people: People, app: FastAPI, database: Database
) -> None:
    ada = people.person()
    del app.dependency_overrides[hashing]
    for _ in range(2):
        assert ada.sign_in().status_code == 200
        with database.snapshot() as tx:
            stored = tx.execute(select(accounts.c.password_hash)).scalar_one()
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert ada.sign_in(WRONG).status_code == 401
    assert people.events("account.password-changed") == []


def test_an_address_is_taken_in_any_spelling(people: People) -> None:
    people.person("zo\u00eb@example.org")
    body = {"email": "ZOE\u0308@Example.org", "password": PASSWORD}
    assert people.stranger()("POST", "/api/session", json=body).status_code == 200


def test_all_refusals_are_one_and_set_no_cookie(people: People, database: Database) -> None:
    ada, gone = people.person(), people.person("gone@example.org")
    with database.transaction() as tx:
        bare = service.create(tx, "bare@example.org", Role.MEMBER, utc_now(), Actor(None))
        changes.disable(tx, gone.account.id, Actor(None), utc_now())
    answers = [
        ada.sign_in(WRONG),
        gone.sign_in(),
        people.browser(bare).sign_in(),
        people.stranger().sign_in(),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-refused")
        assert "set-cookie" not in answer.headers
    assert len({answer.json()["detail"] for answer in answers}) == 1
    reasons = sorted(event.data["reason"] for event in people.events("session.refused"))
    assert reasons == ["disabled", "no-account", "no-password", "wrong-password"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "ada@example.org"}, "password"),
        ({"email": "ada", "password": PASSWORD}, "email"),
        ({"email": "ada@example.org", "password": ""}, "password"),
        ({"email": "ada@example.org", "password": "x" * 1001}, "password"),
        ({"email": "ada@example.org", "password": 123456789012}, "password"),
        ({"email": "ada@example.org", "password": f"{PASSWORD}\0"}, "password"),
        ({"email": "ada@example.org", "password": PASSWORD, "role": "admin"}, "role"),
    ],
)
def test_a_sign_in_that_is_not_valid_is_refused_without_an_echo(
    people: People, body: dict[str, Any], field: str
) -> None:
    response = people.stranger()("POST", "/api/session", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert PASSWORD not in response.text


def test_the_cookie_is_for_this_server_and_no_script(people: People) -> None:
    response = people.person().sign_in()
    cookie, *attributes = response.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"mixus_session=[A-Za-z0-9_-]{43}", cookie)
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        "max-age=604800",
        "path=/",
        "samesite=lax",
    }
    assert cookie.partition("=")[2] not in response.text


def test_over_https_the_cookie_is_bound_to_the_host(database: Database, reference: Reference) -> None:
    settings = Settings(public_url="https://mixus.example.org")
    app = create_app(settings, database, PEPPER, Catalog("rehearsal"))
    with TestClient(app) as http:
        ada = People(app, database, reference, http).person()
        response = ada.sign_in(headers={"Origin": "https://mixus.example.org"})
        assert is_signed_in(ada)
        cookie, *attributes = response.headers["set-cookie"].split("; ")
        ada.cookie = cookie.removeprefix("__Host-")
        assert not is_signed_in(ada)
    assert re.fullmatch(r"__Host-mixus_session=[A-Za-z0-9_-]{43}", cookie)
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        "max-age=604800",
        "path=/",
        "samesite=lax",
        "secure",
    }


def test_each_sign_in_is_a_session_of_its_own(ada: Browser) -> None:
    cookie, session_id = ada.cookie, ada.session_id
    assert ada.sign_in().status_code == 200
    assert ada.cookie != cookie
    assert ada.session_id != session_id


@pytest.mark.parametrize("planted", ["A" * 43, "x", ""])
def test_a_planted_cookie_is_never_adopted(people: People, planted: str) -> None:
    ada = people.person()
    ada.cookie = f"mixus_session={planted}"
    assert not is_signed_in(ada)
    assert ada.sign_in().status_code == 200
    assert ada.token != planted
    assert is_signed_in(ada)


def test_two_cookies_are_none(ada: Browser) -> None:
    ada.cookie = f"{ada.cookie}; {ada.cookie}"
    assert ada("GET", "/api/session").status_code == 401


def test_other_cookies_do_not_matter(ada: Browser) -> None:
    ada.cookie = f"a=b; mixus; {ada.cookie};xmixus_session=1"
    assert is_signed_in(ada)


def test_without_a_session_nobody_gets_in(people: People) -> None:
    stranger, stale = people.stranger(), people.stranger()
    stale.cookie = f"mixus_session={'A' * 43}"
    for method, path, body in ROUTES:
        options = {} if body is None else {"json": body}
        response = stranger(method, path, **options)
        assert (response.status_code, response.json()["code"]) == (401, "session-missing")
        response = stale(method, path, **options)
        assert (response.status_code, response.json()["code"]) == (401, "session-expired")


def test_no_key_gets_in_whatever_its_scopes(team: Team) -> None:
    caller: Caller = team.person("key@example.org", role=Role.ADMIN)
    for method, path, body in ROUTES:
        response = caller(method, path, **({} if body is None else {"json": body}))
        assert (response.status_code, response.json()["code"]) == (403, "session-required")


FOREIGN = [
    {},
    {"X-CSRF-Token": ""},
    {"X-CSRF-Token": "of another"},
    {"X-CSRF-Token": "\u00e9"},
    {"X-CSRF-Token": "right", "Origin": "null"},
    {"X-CSRF-Token": "right", "Origin": "https://evil.example"},
    {"X-CSRF-Token": "right", "Origin": "http://testserver.evil.example"},
    {"X-CSRF-Token": "right", "Origin": "http://testserver:8001"},
    {"X-CSRF-Token": "right", "Origin": ""},
    {"X-CSRF-Token": "right", "Sec-Fetch-Site": "cross-site"},
    {"X-CSRF-Token": "right", "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize(("method", "path", "body"), UNSAFE)
def test_another_site_can_do_nothing(
    people: People, ada: Browser, method: str, path: str, body: dict[str, str] | None
) -> None:
    tokens = {"right": ada.csrf_token, "of another": people.signed_in("bob@example.org").csrf_token}
    for headers in FOREIGN:
        sent = {name: tokens.get(value, value) for name, value in headers.items()}
        response = ada.send(method, path, sent, **({} if body is None else {"json": body}))
        assert (response.status_code, response.json()["code"]) == (403, "csrf"), headers
        assert ada.csrf_token not in response.text
    assert is_signed_in(ada)
    assert people.events("account.password-changed") == []


OWN = [
    {},
    {"Origin": "http://testserver"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


def test_a_page_of_ours_may(ada: Browser) -> None:
    for headers in OWN:
        assert ada("DELETE", "/api/session", headers=headers).status_code == 204
        assert ada.sign_in(headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_signs_nobody_in(people: People, database: Database, headers: dict[str, str]) -> None:
    ada = people.person()
    with database.transaction() as tx:
        token, _ = links.make_for_password(tx, ada.account.id, Actor(None), utc_now())
    for path, body in (
        ("/api/session", {"email": "ada@example.org", "password": PASSWORD}),
        ("/api/links/redeem", {"token": token, "password": NEW}),
    ):
        response = ada.send("POST", path, headers, json=body)
        assert (response.status_code, response.json()["code"]) == (403, "csrf")
        assert "set-cookie" not in response.headers
    assert ada.redeem(token, NEW).status_code == 201


@pytest.mark.parametrize("path", ["/api/session", "/api/links/redeem", "/api/account/password"])
def test_what_a_form_can_send_is_not_taken(ada: Browser, path: str) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = ada("POST", path, content=b'{"email": "x"}', headers={"Content-Type": content_type})
        assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")


def test_a_method_is_not_overridden(ada: Browser) -> None:
    for header in ("X-HTTP-Method-Override", "X-Method-Override"):
        assert ada.send("GET", "/api/account/sessions", {header: "DELETE"}).status_code == 200
    assert ada("GET", "/api/session", params={"_method": "DELETE"}).status_code == 422
    assert is_signed_in(ada)


def test_signing_out_ends_this_session_and_clears_the_cookie(ada: Browser, people: People) -> None:
    other = people.browser(ada.account)
    other.sign_in()
    response = ada("DELETE", "/api/session")
    assert response.status_code == 204
    assert response.headers["set-cookie"].startswith('mixus_session=""; ')
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert ada("GET", "/api/session").json()["code"] == "session-expired"
    assert is_signed_in(other)
    assert [event.subject_id for event in people.events("session.ended")] == [ada.session_id]


def test_signing_out_everywhere_ends_this_session_too(ada: Browser, people: People) -> None:
    other, bob = people.browser(ada.account), people.signed_in("bob@example.org")
    other.sign_in()
    assert ada("DELETE", "/api/account/sessions").status_code == 204
    assert [is_signed_in(browser) for browser in (ada, other, bob)] == [False, False, True]
    (event,) = people.events("account.signed-out")
    assert sorted(event.data["before"]["openSessions"]) == sorted([ada.session_id, other.session_id])


def test_ones_own_sessions_are_listed_and_ended_one_by_one(ada: Browser, people: People) -> None:
    other = people.browser(ada.account, AWAY)
    other.sign_in()
    items = ada("GET", "/api/account/sessions").json()["items"]
    assert {(item["id"], item["isCurrent"], item["network"]) for item in items} == {
        (ada.session_id, True, "192.0.2.0/24"),
        (other.session_id, False, "198.51.100.0/24"),
    }
    first = ada("GET", "/api/account/sessions", params={"limit": 1}).json()
    second = ada("GET", "/api/account/sessions", params={"limit": 1, "cursor": first["nextCursor"]}).json()
    assert [*first["items"], *second["items"]] == items
    assert ada("DELETE", f"/api/account/sessions/{other.session_id}").status_code == 204
    assert (is_signed_in(ada), is_signed_in(other)) == (True, False)
    assert ada("DELETE", f"/api/account/sessions/{other.session_id}").status_code == 404


def test_a_session_of_nobody_is_not_found(ada: Browser) -> None:
    for session_id in ("ses_0000000000000000000000", "x", "%00"):
        assert ada("DELETE", f"/api/account/sessions/{session_id}").status_code == 404


def test_the_session_of_another_is_not_found(ada: Browser, people: People) -> None:
    bob = people.signed_in("bob@example.org", Role.ADMIN)
    response = bob("DELETE", f"/api/account/sessions/{ada.session_id}")
    unknown = bob("DELETE", "/api/account/sessions/ses_0000000000000000000000")
    assert (response.status_code, response.json()["detail"]) == (404, unknown.json()["detail"])
    assert is_signed_in(ada)


def test_a_cursor_that_is_not_ours_is_refused(ada: Browser) -> None:
    for cursor in ("x", "!", "MTox\u00e9", "A" * 5000):
        response = ada("GET", "/api/account/sessions", params={"cursor": cursor})
        assert response.status_code == 422


def test_a_disabled_account_is_out_at_the_next_request(ada: Browser, database: Database) -> None:
    with database.transaction() as tx:
        changes.disable(tx, ada.account.id, Actor(None), utc_now())
    assert ada("GET", "/api/session").json()["code"] == "session-expired"
    with database.transaction() as tx:
        changes.enable(tx, ada.account.id, Actor(None), utc_now())
    assert not is_signed_in(ada)
    assert ada.sign_in().status_code == 200


def test_the_eleventh_guess_is_refused_and_concerns_nobody_else(people: People) -> None:
    ada, bob = people.person(), people.person("bob@example.org")
    for _ in range(10):
        assert ada.sign_in(WRONG).status_code == 401
    response = ada.sign_in()
    assert (response.status_code, response.json()["code"]) == (429, "rate-limited")
    assert 0 < int(response.headers["retry-after"]) <= 900
    assert "set-cookie" not in response.headers
    assert bob.sign_in().status_code == 200
    assert people.browser(ada.account, AWAY).sign_in().status_code == 200
    assert len(people.events("session.refused")) == 10


def test_signing_in_clears_the_guesses(people: People) -> None:
    ada = people.person()
    for _ in range(2):
        for _ in range(9):
            assert ada.sign_in(WRONG).status_code == 401
        assert ada.sign_in().status_code == 200


def test_a_new_password_ends_all_other_sessions(ada: Browser, people: People) -> None:
    other = people.browser(ada.account)
    other.sign_in()
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    response = ada("POST", "/api/account/password", json=body)
    assert (response.status_code, "set-cookie" in response.headers) == (204, False)
    assert (is_signed_in(ada), is_signed_in(other)) == (True, False)
    assert other.sign_in(PASSWORD).status_code == 401
    assert other.sign_in(NEW).status_code == 200
    (event,) = people.events("account.password-changed")
    assert (event.actor_id, event.credential_id, event.network) == (
        ada.account.id,
        ada.session_id,
        "192.0.2.0/24",
    )


def test_a_wrong_current_password_changes_nothing_and_is_limited_like_a_sign_in(
    ada: Browser, people: People
) -> None:
    body = {"currentPassword": WRONG, "newPassword": NEW}
    for _ in range(10):
        response = ada("POST", "/api/account/password", json=body)
        assert (response.status_code, response.json()["code"]) == (403, "wrong-password")
    body["currentPassword"] = PASSWORD
    assert ada("POST", "/api/account/password", json=body).status_code == 429
    assert people.browser(ada.account).sign_in().status_code == 429
    assert len(people.events("account.password-refused")) == 10
    assert people.events("account.password-changed") == []


@pytest.mark.parametrize("new", ["x" * 11, "x" * 201, "ADA@example.org", "\ud800" * 12])
def test_a_new_password_against_the_rules_is_refused(ada: Browser, new: str) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": new}
    content = str(body).replace("'", '"').encode("ascii", "backslashreplace")
    response = ada(
        "POST", "/api/account/password", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "newPassword"
    assert new not in response.text


def test_a_password_link_sets_a_password_and_signs_in_once(
    ada: Browser, people: People, database: Database
) -> None:
    with database.transaction() as tx:
        token, _ = links.make_for_password(tx, ada.account.id, Actor(None), utc_now())
    other = people.browser(ada.account)
    response = other.redeem(token, NEW)
    assert (response.status_code, response.json()["account"]["id"]) == (201, ada.account.id)
    assert (is_signed_in(ada), is_signed_in(other)) == (False, True)
    again = people.stranger().redeem(token, NEW)
    assert (again.status_code, again.json()["code"]) == (404, "link-unusable")


def test_the_first_account_is_made_by_its_link(people: People, database: Database) -> None:
    with database.transaction() as tx:
        token = str(links.make_for_first_account(tx, utc_now()))
    eve = people.stranger("eve@example.org")
    for fields, field in (({}, "email"), ({"email": "eve"}, "email")):
        response = eve.redeem(token, **fields)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)
    response = eve.redeem(token, "EVE@example.org", email="eve@example.org")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "password")
    response = eve.redeem(token, email="Eve@example.org")
    assert response.status_code == 201
    assert response.json()["account"]["role"] == "admin"
    assert is_signed_in(eve)
    assert eve("GET", "/api/users").status_code == 200


@pytest.mark.parametrize("token", ["ours?", "A" * 43, "A" * 200, "\u00e9" * 43])
def test_a_link_of_nobody_is_not_found(people: People, token: str) -> None:
    response = people.stranger().redeem(token)
    assert (response.status_code, response.json()["code"]) == (404, "link-unusable")
    assert token not in response.text


def test_no_secret_is_in_an_event_a_log_or_an_answer(
    people: People, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada = people.person()
    with database.transaction() as tx:
        link_token, _ = links.make_for_password(tx, ada.account.id, Actor(None), utc_now())
    body = {"currentPassword": NEW, "newPassword": WRONG}
    answers = [
        ada.sign_in(WRONG),
        ada.sign_in(),
        ada.redeem(link_token, NEW),
        ada("POST", "/api/account/password", json=body),
        ada("GET", "/api/session"),
        ada("GET", "/api/account/sessions"),
    ]
    assert [answer.status_code for answer in answers] == [401, 200, 201, 204, 200, 200]
    with database.snapshot() as tx:
        written = repr(tx.connection.exec_driver_sql("select * from events").all())
    told = "".join(answer.text for answer in answers)
    for secret in (PASSWORD, WRONG, NEW, HASH, link_token, ada.token, "argon2"):
        assert secret not in written + told + caplog.text
    assert sessions.csrf_token(ada.token) not in written + caplog.text


def test_the_agent_of_a_session_is_short_and_printable(people: People) -> None:
    ada = people.person()
    response = ada.sign_in(headers={"User-Agent": "x" * 300})
    assert response.json()["session"]["agent"] == "x" * 200
    response = ada.sign_in(headers={"User-Agent": ""})
    assert response.json()["session"]["agent"] is None


def test_behind_a_public_address_only_its_pages_count(database: Database, reference: Reference) -> None:
    settings = Settings(public_url="http://Mixus.example.org:80/tools")
    app = create_app(settings, database, PEPPER, Catalog("rehearsal"))
    with TestClient(app) as http:
        ada = People(app, database, reference, http).person()
        assert ada.sign_in(headers={"Origin": "http://mixus.example.org"}).status_code == 200
        assert ada.sign_in(headers={"Origin": "http://testserver"}).status_code == 403
        assert ada("DELETE", "/api/session", headers={"Origin": "http://testserver"}).status_code == 403


def test_every_address_of_the_network_shares_its_guesses(people: People) -> None:
    ada = people.person()
    for number in range(10):
        assert people.browser(ada.account, f"192.0.2.{number}").sign_in(WRONG).status_code == 401
    assert people.browser(ada.account, HOME).sign_in().status_code == 429
