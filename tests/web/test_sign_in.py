"""Signing in and out at the pages, and the links that let somebody in."""

import logging

import pytest
from api.people import AWAY, PASSWORD
from httpx2 import Response
from sqlalchemy import select
from web.windows import House, Window

from mixus.accounts import changes, links, service
from mixus.accounts.principal import Role
from mixus.accounts.tables import sessions
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor, events

WRONG = "a wrong walk by the sea"
NEW = "another walk by the sea"
HOSTILE = '"><script>alert(1)</script>\u202e'


@pytest.fixture
def ada(house: House) -> Window:
    return house.window(house.account())


def sign_in(window: Window, password: str = PASSWORD, path: str = "/signin", **fields: str) -> Response:
    email = window.account.email if window.account else "nobody@example.org"
    return window.submit(path, **{"email": email, "password": password, **fields})


def is_signed_in(window: Window) -> bool:
    return window.get("/account").status_code == 200


def open_sessions(database: Database) -> int:
    with database.snapshot() as tx:
        return len(tx.execute(select(sessions.c.id).where(sessions.c.ended_at.is_(None))).all())


def kinds(database: Database) -> list[str]:
    with database.snapshot() as tx:
        return list(tx.execute(select(events.c.kind)).scalars())


def first_link(database: Database) -> str:
    with database.transaction() as tx:
        token = links.make_for_first_account(tx, utc_now())
    assert token is not None
    return f"/join/{token}"


def invitation(database: Database, role: Role = Role.VIEWER) -> str:
    with database.transaction() as tx:
        return f"/join/{links.invite(tx, 'cy@example.org', role, Actor(None), utc_now())[0]}"


def password_link(database: Database, user_id: str) -> str:
    with database.transaction() as tx:
        return f"/join/{links.make_for_password(tx, user_id, Actor(None), utc_now())[0]}"


def test_the_right_password_signs_in_and_leads_to_the_page_that_was_wanted(ada: Window) -> None:
    wanted = ada.get("/account?x=1").headers["location"]
    answer = sign_in(ada, path=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?x=1")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert is_signed_in(ada)


@pytest.mark.parametrize("hostile", ["https://evil.example", "//evil.example", "/\\evil.example", HOSTILE])
def test_no_address_leads_to_another_site_after_signing_in(ada: Window, hostile: str) -> None:
    answer = ada.post("/signin", {"email": "ada@example.org", "password": PASSWORD, "next": hostile})
    assert answer.headers["location"] == "/"
    assert ada.get(f"/signin?next={hostile}").headers["location"] == "/"


def test_the_page_never_repeats_a_hostile_way_back(ada: Window) -> None:
    assert 'name="next" value="/review"' in ada.get("/signin?next=%2Freview").text
    assert 'name="next" value="/"' in ada.get("/signin?next=//evil.example").text


def test_whoever_is_signed_in_is_not_asked_again(house: House) -> None:
    answer = house.signed_in().get("/signin?next=%2Freview")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")


def test_all_refusals_are_one_keep_the_address_and_set_no_cookie(house: House, database: Database) -> None:
    ada, gone = house.account(), house.account("gone@example.org")
    with database.transaction() as tx:
        bare = service.create(tx, "bare@example.org", Role.MEMBER, utc_now(), Actor(None))
        changes.disable(tx, gone.id, Actor(None), utc_now())
    answers = [
        sign_in(house.window(ada), WRONG),
        *(sign_in(house.window(account)) for account in (gone, bare, None)),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert "The e-mail or the password is wrong" in answer.text
        assert "set-cookie" not in answer.headers
        assert WRONG not in answer.text
    assert 'value="ada@example.org"' in answers[0].text
    assert len({answer.text.replace("gone", "ada").replace("bare", "ada") for answer in answers[:3]}) == 1
    assert kinds(database).count("session.refused") == 4


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "ada"}, "email"),
        ({"email": ""}, "email"),
        ({"password": ""}, "password"),
        ({"password": "x" * 1001}, "password"),
        ({"role": "admin"}, "role"),
    ],
)
def test_what_cannot_be_read_is_refused_and_kept(ada: Window, fields: dict[str, str], field: str) -> None:
    answer = sign_in(ada, next="/review", **fields)
    assert answer.status_code == 422
    assert f'id="p-{field}"' in answer.text or field in answer.text
    assert 'name="next" value="/review"' in answer.text


def test_hostile_text_in_a_refused_form_stays_text(ada: Window) -> None:
    answer = sign_in(ada, email=HOSTILE)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text


def test_guessing_ends_after_ten_with_the_time_to_come_back(ada: Window) -> None:
    for _ in range(10):
        assert sign_in(ada, WRONG).status_code == 401
    refused = sign_in(ada)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "too many attempts" in refused.text


def test_the_right_password_forgives_slips(ada: Window) -> None:
    for _ in range(3):
        for _ in range(9):
            sign_in(ada, WRONG)
        ada.cookie = None
        assert sign_in(ada).status_code == 303
        ada.cookie = None


def test_a_sign_in_is_always_a_new_session_and_ends_the_one_that_the_browser_had(
    house: House, database: Database
) -> None:
    ada = house.signed_in()
    old = ada.cookie
    answer = ada.post("/signin", {"email": "ada@example.org", "password": PASSWORD})
    assert answer.status_code == 303
    assert ada.cookie != old
    assert open_sessions(database) == 1
    ada.cookie = old
    assert not is_signed_in(ada)


def test_a_planted_cookie_is_worth_nothing_after_signing_in(house: House, ada: Window) -> None:
    ada.cookie = f"mixus_session={'A' * 43}"
    assert sign_in(ada).status_code == 303
    assert ada.cookie != f"mixus_session={'A' * 43}"
    other = house.window()
    other.cookie = f"mixus_session={'A' * 43}"
    assert not is_signed_in(other)


def test_a_refused_sign_in_ends_nothing(house: House) -> None:
    ada = house.signed_in()
    kept = ada.cookie
    assert ada.post("/signin", {"email": "ada@example.org", "password": WRONG}).status_code == 401
    ada.cookie = kept
    assert is_signed_in(ada)


@pytest.mark.parametrize("path", ["/signin", "/join/token"])
def test_no_other_site_can_send_these_forms(ada: Window, path: str) -> None:
    fields = {"email": "ada@example.org", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        answer = ada.post(path, fields, **headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_signing_out_ends_the_session_and_takes_the_cookie(house: House) -> None:
    ada = house.signed_in()
    kept = ada.cookie
    answer = ada.submit("/account", "/signout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?said=signed-out")
    assert "You are signed out." in ada.get("/signin?said=signed-out").text
    ada.cookie = kept
    assert not is_signed_in(ada)


def test_signing_out_needs_a_form_of_this_session(house: House) -> None:
    ada = house.signed_in()
    assert ada.post("/signout", {}).status_code == 403
    assert is_signed_in(ada)


def test_the_first_page_says_how_the_first_account_is_made(house: House) -> None:
    window = house.window()
    assert "There is no account yet" in window.get("/signin").text
    house.account()
    assert "There is no account yet" not in window.get("/signin").text


def test_the_first_link_makes_an_admin_who_goes_on_to_a_key(house: House, database: Database) -> None:
    window, path = house.window(), first_link(database)
    answer = window.submit(path, email="Ada@Example.org", password=PASSWORD)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/integrations/api-keys?said=first-account"
    page = window.get("/account").text
    assert "ada@example.org" in page
    assert "admin" in page


def test_an_invitation_shows_whose_it_is_and_makes_the_account_with_its_role(
    house: House, database: Database
) -> None:
    window, path = house.window(), invitation(database)
    page = window.get(path)
    assert page.status_code == 200
    assert "cy@example.org" in page.text
    assert "viewer" in page.text
    assert window.submit(path, password=PASSWORD).headers["location"] == "/eval?said=welcome"
    assert "viewer" in window.get("/account").text


def test_a_password_link_sets_it_and_ends_the_older_sessions(house: House, database: Database) -> None:
    ada = house.signed_in()
    assert ada.account is not None
    window = house.window(ada.account)
    answer = window.submit(password_link(database, ada.account.id), password=NEW)
    assert answer.headers["location"] == "/eval?said=password-set"
    assert is_signed_in(window)
    assert not is_signed_in(ada)
    assert sign_in(house.window(ada.account), NEW).status_code == 303


def test_looking_at_a_link_uses_nothing_up(house: House, database: Database) -> None:
    path = invitation(database)
    for _ in range(3):
        assert house.window(address=AWAY).get(path).status_code == 200
    assert house.window().submit(path, password=PASSWORD).status_code == 303


def test_a_link_works_once(house: House, database: Database) -> None:
    path = invitation(database)
    assert house.window().submit(path, password=PASSWORD).status_code == 303
    window = house.window()
    for answer in (window.get(path), window.post(path, {"password": NEW})):
        assert answer.status_code == 404
        assert "This link cannot be used" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "%E2%80%AE", "<script>"])
def test_a_link_that_is_none_is_a_page_that_says_so(house: House, token: str) -> None:
    answer = house.window().get(f"/join/{token}")
    assert answer.status_code == 404
    assert "This link cannot be used" in answer.text
    assert "<script>" not in answer.text.replace("<script src=", "")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"password": "short"}, "p-password"),
        ({"password": "cy@example.org"}, "p-password"),
        ({"password": ""}, "p-password"),
        ({"password": PASSWORD, "email": "eve@example.org"}, "for one person already"),
        ({"password": PASSWORD, "role": "admin"}, "not known here"),
    ],
)
def test_a_refused_form_leaves_the_link_as_good_as_it_was(
    house: House, database: Database, fields: dict[str, str], problem: str
) -> None:
    window, path = house.window(), invitation(database)
    answer = window.post(path, fields)
    assert answer.status_code == 422
    assert problem in answer.text
    assert window.submit(path, password=PASSWORD).status_code == 303


def test_the_first_account_keeps_the_address_when_the_password_is_refused(
    house: House, database: Database
) -> None:
    answer = house.window().submit(first_link(database), email="ada@example.org", password="short")
    assert answer.status_code == 422
    assert 'value="ada@example.org"' in answer.text
    assert 'value="short"' not in answer.text


def test_an_account_that_somebody_made_meanwhile_is_said(house: House, database: Database) -> None:
    path = invitation(database)
    house.account("cy@example.org")
    answer = house.window().submit(path, password=PASSWORD)
    assert answer.status_code == 409
    assert "There is an account with this e-mail already." in answer.text


def test_a_link_that_is_used_by_somebody_signed_in_says_so_and_ends_that_session(
    house: House, database: Database
) -> None:
    ada, path = house.signed_in(role=Role.ADMIN), invitation(database)
    old = ada.cookie
    assert "<b>ada@example.org</b> is signed in" in ada.get(path).text
    assert ada.submit(path, password=PASSWORD).status_code == 303
    assert "cy@example.org" in ada.get("/account").text
    ada.cookie = old
    assert not is_signed_in(ada)


def test_a_token_reaches_no_log_no_script_and_no_other_page(
    house: House, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = invitation(database)
    token = path.rpartition("/")[2]
    with caplog.at_level(logging.DEBUG, logger="mixus"):
        page = house.window().get(path)
        house.window().post(path, {"password": "short"})
        answer = house.window().submit(path, password=PASSWORD)
    assert page.headers["referrer-policy"] == "strict-origin"
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count(token) == 1, "in the address that the form is sent to, and nowhere else"
    assert token not in answer.headers["location"]
    assert token not in caplog.text
