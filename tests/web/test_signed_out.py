"""A form that is sent after its session has ended: nothing happens, and nothing that was typed is lost."""

import pytest
from web.windows import House, Window

from mixus.accounts.principal import Role

DETAILS = {"taskDescription": "Three paragraphs\nof my own", "taskName": "<b>Mine</b>\u202e", "once": "1.abc"}


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


def test_what_was_typed_is_given_back_when_the_session_has_ended(ada: Window) -> None:
    ada.cookie = None
    answer = ada.post("/eval/new", DETAILS, Referer="http://testserver/eval/new?template=commission")
    assert answer.status_code == 401
    assert "Three paragraphs\nof my own" in answer.text
    assert "&lt;b&gt;Mine&lt;/b&gt;⟨U+202E⟩" in answer.text
    assert "1.abc" not in answer.text
    assert 'href="/signin?next=%2Feval%2Fnew%3Ftemplate%3Dcommission"' in answer.text


def test_what_was_typed_is_given_back_when_somebody_signed_in_anew(ada: Window) -> None:
    answer = ada.post("/eval/new", {**DETAILS, "csrf": "of the session before"})
    assert answer.status_code == 403
    assert "Three paragraphs\nof my own" in answer.text


def test_no_password_is_given_back(ada: Window) -> None:
    ada.cookie = None
    typed = {"currentPassword": "swordfish-1", "newPassword": "swordfish-2"}
    answer = ada.post("/account/password", typed)
    assert answer.status_code == 401
    assert "swordfish" not in answer.text


def test_another_site_puts_no_words_into_our_page(house: House) -> None:
    answer = house.window().post("/eval/new", DETAILS, Origin="https://evil.example")
    assert answer.status_code == 403
    assert "Three paragraphs" not in answer.text


@pytest.mark.parametrize("page", ["https://evil.example/eval", "http://testserver//evil.example", "", "x"])
def test_a_page_of_another_site_is_no_place_to_go_on(house: House, page: str) -> None:
    answer = house.window().post("/eval/new", DETAILS, Referer=page)
    assert answer.status_code == 401
    assert "evil" not in answer.text
    assert 'href="/signin?next=%2F"' in answer.text


def test_the_page_speaks_to_a_person_and_not_to_a_program(house: House) -> None:
    house.account("ada@example.org", Role.MEMBER)
    answer = house.window().post("/eval/new", {})
    assert "You are signed out" in answer.text
    assert "/api/session" not in answer.text
