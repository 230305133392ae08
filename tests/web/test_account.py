"""/account: a password and the sessions of its owner, and of nobody else."""

import pytest
from api.people import AWAY, PASSWORD
from web.windows import House, Window

from mixus.accounts.principal import Role

WRONG = "a wrong walk by the sea"
NEW = "another walk by the sea"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


def is_signed_in(window: Window) -> bool:
    return window.get("/account").status_code == 200


def elsewhere(house: House, window: Window, agent: str = FIREFOX) -> Window:
    """The same person at another device."""
    other = house.window(window.account, AWAY)
    assert window.account is not None
    fields = {"email": window.account.email, "password": PASSWORD}
    assert other.post("/signin", fields, User_Agent=agent).status_code == 303
    return other


def change(window: Window, current: str = PASSWORD, new: str = NEW) -> tuple[int, str]:
    answer = window.submit("/account", "/account/password", currentPassword=current, newPassword=new)
    return answer.status_code, answer.text


def session_forms(window: Window) -> list[str]:
    text = window.get("/account").text
    return [
        part.partition('"')[0] for part in text.split('action="') if part.startswith("/account/sessions/")
    ]


def test_the_page_says_who_one_is(house: House) -> None:
    page = house.signed_in("vi@example.org", Role.VIEWER).get("/account").text
    assert "vi@example.org" in page
    assert "Sees every evaluation on the pages and decides nothing; makes keys that only read." in page


def test_a_stranger_is_asked_to_sign_in(house: House) -> None:
    assert house.window().get("/account").headers["location"] == "/signin?next=%2Faccount"


def test_a_new_password_ends_the_other_sessions_and_not_this_one(house: House, ada: Window) -> None:
    other = elsewhere(house, ada)
    answer = ada.submit("/account", "/account/password", currentPassword=PASSWORD, newPassword=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?said=password-changed")
    assert "Your password is changed" in ada.get("/account?said=password-changed").text
    assert not is_signed_in(other)
    assert ada.sign_in(NEW).status_code == 200


def test_a_viewer_changes_his_own_password(house: House) -> None:
    assert change(house.signed_in(role=Role.VIEWER))[0] == 303


@pytest.mark.parametrize(
    ("current", "new", "status", "said"),
    [
        (WRONG, NEW, 403, "The current password is wrong"),
        (PASSWORD, "short", 422, "p-newPassword"),
        (PASSWORD, "ada@example.org", 422, "p-newPassword"),
        ("", NEW, 422, "p-currentPassword"),
        (PASSWORD, "", 422, "p-newPassword"),
    ],
)
def test_a_refused_change_says_why_and_changes_nothing(
    ada: Window, current: str, new: str, status: int, said: str
) -> None:
    refused, text = change(ada, current, new)
    assert refused == status
    assert said in text
    assert NEW not in text
    assert ada.sign_in().status_code == 200


def test_guessing_the_current_password_counts_as_guessing_at_the_door(house: House, ada: Window) -> None:
    for _ in range(10):
        assert change(ada, WRONG)[0] == 403
    answer = ada.submit("/account", "/account/password", currentPassword=PASSWORD, newPassword=NEW)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert house.window(ada.account).sign_in().status_code == 429


def test_sessions_are_listed_in_words_with_the_present_one_marked(house: House, ada: Window) -> None:
    elsewhere(house, ada)
    page = ada.get("/account").text
    assert "Firefox on Windows" in page
    assert "198.51.100.0/24" in page
    assert page.count("this one") == 1


def test_one_session_is_ended_and_the_others_go_on(house: House, ada: Window) -> None:
    other = elsewhere(house, ada)
    [action] = session_forms(ada)
    answer = ada.submit("/account", action)
    assert answer.headers["location"] == "/account?said=session-ended"
    assert not is_signed_in(other)
    assert is_signed_in(ada)


def test_a_session_that_is_over_is_said_and_the_page_is_still_there(house: House, ada: Window) -> None:
    elsewhere(house, ada)
    [action] = session_forms(ada)
    fields = ada.form("/account", action).fields
    assert ada.post(action, fields).status_code == 303
    again = ada.post(action, fields)
    assert again.status_code == 404
    assert "You have no open session with this id" in again.text
    assert "Change the password" in again.text


def test_the_session_of_another_is_not_there(house: House, ada: Window) -> None:
    eve = house.signed_in("eve@example.org", Role.ADMIN)
    elsewhere(house, eve)
    [action] = session_forms(eve)
    elsewhere(house, ada)
    [own] = session_forms(ada)
    fields = ada.form("/account", own).fields
    assert ada.post(action, fields).status_code == 404
    assert ada.post("/account/sessions/nonsense/end", fields).status_code == 404
    assert session_forms(eve) == [action]


def test_signing_out_everywhere_is_asked_and_then_ends_all(house: House, ada: Window) -> None:
    other, eve = elsewhere(house, ada), house.signed_in("eve@example.org")
    kept = ada.cookie
    assert "this one too" in ada.get("/account/sign-out").text
    assert is_signed_in(other)
    answer = ada.submit("/account/sign-out")
    assert answer.headers["location"] == "/signin?said=signed-out-everywhere"
    ada.cookie = kept
    assert not is_signed_in(ada)
    assert not is_signed_in(other)
    assert is_signed_in(eve)


@pytest.mark.parametrize("path", ["/account/password", "/account/sign-out", "/account/sessions/{id}/end"])
def test_every_form_needs_the_token_of_this_session(house: House, ada: Window, path: str) -> None:
    other = elsewhere(house, ada)
    [end] = session_forms(ada)
    action = end if "{id}" in path else path
    fields = {"currentPassword": PASSWORD, "newPassword": NEW}
    eve = house.signed_in("eve@example.org")
    foreign = eve.form("/account", "/account/password").fields["csrf"][0]
    for token in ({}, {"csrf": ""}, {"csrf": foreign}):
        assert ada.post(action, fields | token).status_code == 403
    assert is_signed_in(ada)
    assert is_signed_in(other)
    assert ada.sign_in().status_code == 200


def test_what_a_browser_calls_itself_stays_text(house: House, ada: Window) -> None:
    elsewhere(house, ada, '"><script>alert(1)</script><img src=x onerror=alert(1)>')
    page = ada.get("/account").text
    assert "<script>alert" not in page
    assert "<img" not in page
