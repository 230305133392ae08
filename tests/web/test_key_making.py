"""A key is made on its page, and its secret shown once."""

import html
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from web.keyring import KEYS, NEW, SECRET, calling, given, made, secrets_in, stored
from web.windows import House, Window

from mixus.accounts.principal import Role, Scope
from mixus.core.database import Database
from mixus.keys import tokens


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


def test_a_key_is_shown_once_works_at_once_and_is_in_no_address(ada: Window, database: Database) -> None:
    response = ada.submit(NEW, name="nightly", scopes=["eval:create", "eval:read"], expires="30")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    [secret] = secrets_in(response)
    assert tokens.check(secret) is None
    assert calling(ada, secret).json()["scopes"] == ["eval:create", "eval:read"]
    [row] = stored(database)
    assert row.expires_at - row.created_at == timedelta(days=30)
    for path in (KEYS, f"{KEYS}/{row.id}", f"{KEYS}/{row.id}/revoke", f"{KEYS}/{row.id}/rotate", NEW):
        page = ada.get(path)
        assert page.status_code == 200
        assert secrets_in(page) == set(), path
    assert f"mxs_eval_…{secret[-4:]}" in ada.get(KEYS).text


def test_what_is_shown_with_a_key_can_be_pasted_and_holds_no_key(ada: Window) -> None:
    page = ada.submit(NEW, name="nightly", scopes=["eval:create", "eval:read"])
    text = html.unescape(page.text)
    assert len(SECRET.findall(text)) == 1
    assert "http://testserver/api/eval/create-task-agent" in text
    assert "Bearer $MIXUS_API_KEY" in text
    assert 'os.environ["MIXUS_API_KEY"]' in text
    reader = html.unescape(ada.submit(NEW, name="reader", scopes=["eval:read"]).text)
    assert "create-task-agent" not in reader


def test_a_form_that_is_sent_again_makes_nothing_and_shows_no_secret(ada: Window, database: Database) -> None:
    form = ada.form(NEW)
    fields = {**form.fields, "name": ["nightly"], "scopes": ["eval:read"]}
    assert len(secrets_in(ada.post(NEW, fields))) == 1
    again = ada.post(NEW, fields)
    assert again.status_code == 409
    assert secrets_in(again) == set()
    [row] = stored(database)
    assert f"{KEYS}/{row.id}/rotate" in again.text


def test_of_many_that_are_sent_at_once_one_makes_a_key(ada: Window, database: Database) -> None:
    fields = {**ada.form(NEW).fields, "name": ["nightly"], "scopes": ["eval:read"]}
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: ada.post(NEW, fields), range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert len(set().union(*map(secrets_in, answers))) == 1
    assert len(stored(database)) == 1


def test_a_form_that_is_filled_in_otherwise_and_sent_again_makes_another_key(
    ada: Window, database: Database
) -> None:
    fields = {**ada.form(NEW).fields, "name": ["nightly"], "scopes": ["eval:read"]}
    assert ada.post(NEW, fields).status_code == 200
    assert ada.post(NEW, fields).status_code == 409
    assert ada.post(NEW, {**fields, "name": ["weekly"]}).status_code == 200
    assert [row.name for row in stored(database)] == ["nightly", "weekly"]


@pytest.mark.parametrize("once", ["", "x", "1.00000000000000000000000000000000", f"{2**62}.{'0' * 32}", "\0"])
def test_a_form_that_is_too_old_or_not_ours_makes_nothing_and_loses_nothing(
    ada: Window, database: Database, once: str
) -> None:
    answer = ada.submit(NEW, name="nightly", once=once)
    assert answer.status_code == 409
    assert 'value="nightly"' in answer.text
    assert stored(database) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": "x" * 81}, "81 characters"),
        ({"name": "a\u202eb"}, "mark of writing direction"),
        ({"scopes": None}, "at least one scope"),
        ({"scopes": ["eval:all"]}, "scopes"),
        ({"expires": "8"}, "Choose one of the lifetimes"),
        ({"expires": "never"}, "permission"),
        ({"expires": "date"}, "Choose the day"),
        ({"expires": "date", "date": "2001-01-01"}, "in the past"),
        ({"expires": "date", "date": "soon"}, "date"),
        ({"surprise": "1"}, "not known here"),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    ada: Window, database: Database, fields: dict[str, Any], says: str
) -> None:
    answer = ada.submit(NEW, **{"name": "nightly", "description": "of the billing team", **fields})
    assert answer.status_code == 422
    assert says in html.unescape(answer.text)
    assert "of the billing team" in answer.text
    assert stored(database) == []


def test_a_key_may_end_on_a_day(ada: Window, database: Database) -> None:
    made(ada, expires="date", date="2099-01-31")
    [row] = stored(database)
    assert row.expires_at.isoformat() == "2099-01-31T00:00:00+00:00"


def test_the_eleventh_key_is_refused_with_what_to_do(ada: Window, house: House, database: Database) -> None:
    for _ in range(10):
        given(database, ada.account)
    assert "10 of 10 active" in ada.get(KEYS).text
    assert "which is the most" in ada.get(NEW).text
    answer = ada.submit(NEW, name="one more")
    assert answer.status_code == 409
    assert 'value="one more"' in answer.text
    assert len(stored(database)) == 10


def test_a_viewer_makes_keys_that_read_and_no_others(house: House, database: Database) -> None:
    window = house.signed_in("vic@example.org", Role.VIEWER)
    page = window.get(NEW).text
    assert "eval:read" in page
    assert "eval:create" not in page
    assert window.submit(NEW, name="x", scopes=["eval:manage"]).status_code == 422
    made(window, scopes=["eval:read"])
    assert [row.scopes for row in stored(database)] == [["eval:read"]]


def test_a_key_that_ended_can_be_made_anew(ada: Window, database: Database) -> None:
    key = given(database, ada.account, "nightly", [Scope.MANAGE], description="of the team", ago=91)
    assert f"{NEW}?like={key.id}" in ada.get(f"{KEYS}/{key.id}").text
    form = ada.form(f"{NEW}?like={key.id}")
    assert form.fields["name"] == ["nightly"]
    assert form.fields["scopes"] == ["eval:manage"]
    assert form.fields["description"] == ["of the team"]
