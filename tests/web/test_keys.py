"""The list of keys and the page of one: seen by its owner, in few queries, with nothing obeyed."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import event, update
from web.keyring import GET, HOSTILE, KEYS, NEW, NOBODY, NOTHING, given, last_used, stored, used
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.keys import service
from mixus.keys.tables import keys


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


@pytest.mark.parametrize("key_id", ["other", NOTHING, "key_%00", "%E2%80%AE", "x" * 300])
def test_another_s_key_is_not_there(house: House, database: Database, key_id: str) -> None:
    other = given(database, house.account("bob@example.org"))
    window = house.signed_in()
    shown = other.id if key_id == "other" else key_id
    csrf = window.form(NEW).fields["csrf"]
    for path in GET:
        assert window.get(f"{KEYS}/{shown}{path}").status_code == 404, path
        assert window.post(f"{KEYS}/{shown}{path}", {"csrf": csrf}).status_code == 404, path
    assert window.get(f"{NEW}?like={shown}").status_code == 404
    assert other.name not in window.get(KEYS).text
    [row] = stored(database)
    assert (row.revoked_at, row.disabled_at, row.replaced_by) == (None, None, None)


def test_an_admin_sees_whose_key_it_is(house: House, database: Database) -> None:
    key = given(database, house.account("bob@example.org"))
    admin = house.signed_in("root@example.org", Role.ADMIN)
    assert "bob@example.org" in admin.get(f"{KEYS}/{key.id}").text


def test_nothing_is_done_without_the_token_of_the_form(ada: Window, database: Database) -> None:
    key = given(database, ada.account)
    for path in (NEW, *(f"{KEYS}/{key.id}{path}" for path in GET)):
        assert ada.post(path, {"name": "x"}).status_code == 403, path
        assert ada.post(path, {"csrf": "x", "name": "x"}).status_code == 403, path
    assert len(stored(database)) == 1


def test_hostile_text_is_shown_and_not_obeyed(ada: Window, database: Database) -> None:
    key = given(database, ada.account, "nightly", description="first")
    text = f"{HOSTILE}\u202e"
    with database.transaction() as tx:
        # What the forms refuse may stand in the database from elsewhere.
        tx.execute(update(keys).values(name=text[:80], description=text, revoke_reason=text))
    last_used(database, key, text)
    ended = given(database, ada.account, "ended")
    with database.transaction() as tx:
        values = {"revoked_at": utc_now(), "revoke_reason": text}
        tx.execute(update(keys).where(keys.c.id == ended.id).values(**values))
    pages = [KEYS, f"{KEYS}?show=ended", f"{NEW}?like={key.id}", f"{KEYS}/{ended.id}/revoke"]
    for path in (*pages, *(f"{KEYS}/{key.id}{path}" for path in GET)):
        page = ada.get(path)
        assert page.status_code == 200
        assert "<img" not in page.text, path
        assert "<script>" not in page.text, path
        # Within a field it is as it was typed, for it would be lost otherwise.
        outside = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", page.text, flags=re.DOTALL)
        assert "\u202e" not in outside, path


def test_the_list_has_what_works_and_what_ended_apart(ada: Window, database: Database) -> None:
    given(database, ada.account, "at work")
    asleep = given(database, ada.account, "asleep")
    given(database, ada.account, "too old", ago=91)
    lost = given(database, ada.account, "lost")
    with database.transaction() as tx:
        service.revoke(tx, NOBODY, lost.id, utc_now(), "seen in a log")
        service.disable(tx, asleep.id, NOBODY, utc_now())
    working, ended = ada.get(KEYS).text, ada.get(f"{KEYS}?show=ended").text
    assert "2 of 10 active" in working
    assert [name for name in ("at work", "asleep", "too old", "lost") if f"{name}</a>" in working] == [
        "at work",
        "asleep",
    ]
    assert [name for name in ("at work", "asleep", "too old", "lost") if f"{name}</a>" in ended] == [
        "too old",
        "lost",
    ]
    assert "seen in a log" in ended


def test_a_long_list_comes_in_pages(ada: Window, database: Database) -> None:
    for number in range(18):
        given(database, ada.account, f"key number {number}", ago=200 - number)
    first = ada.get(f"{KEYS}?show=ended").text
    assert first.count("key number ") == 15
    [older] = re.findall(r'href="([^"]+cursor=[^"]+)"', first)
    rest = ada.get(html.unescape(older)).text
    assert rest.count("key number ") == 3
    assert ada.get(f"{KEYS}?cursor=nonsense").status_code == 422


def test_a_longer_list_asks_the_database_no_more_often(ada: Window, database: Database) -> None:
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    counts = []
    for more in (2, 30):
        for _ in range(more):
            key = given(database, ada.account)
            used(database, key, 1, 3)
        asked.clear()
        assert ada.get(KEYS).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_an_empty_list_says_how_to_begin(ada: Window) -> None:
    page = ada.get(KEYS).text
    assert "No key yet" in page
    assert f'href="{NEW}"' in page
    assert "/api/keys/self" in page


def test_use_is_said_in_words_and_rights_that_nobody_needs_are_named(ada: Window, database: Database) -> None:
    key = given(database, ada.account, ago=40)
    used(database, key, 0, 1200)
    used(database, key, 80, 4)
    used(database, key, 3, 5, status=429, refusal="rate-limited", scope=None)
    listed, details = ada.get(KEYS).text, ada.get(f"{KEYS}/{key.id}").text
    assert 'aria-label="1,204 requests in 90 days, 5 more refused"' in listed
    assert "not needed for 30 days" in listed
    assert "No request needed eval:create for 30 days" in details
    assert "rate-limited" in details
    young = given(database, ada.account, "young")
    assert "for 30 days" not in ada.get(f"{KEYS}/{young.id}").text


def test_a_key_that_ends_soon_is_marked(ada: Window, database: Database) -> None:
    key = given(database, ada.account, expires=timedelta(days=30), ago=20)
    late = given(database, ada.account, expires=timedelta(days=30))
    assert "This key ends" in ada.get(f"{KEYS}/{key.id}").text
    assert "This key ends" not in ada.get(f"{KEYS}/{late.id}").text
    assert ada.get(KEYS).text.count('class="chip warn"') == 1


def test_a_key_is_renamed_and_narrowed_and_never_widened(ada: Window, database: Database) -> None:
    key = given(database, ada.account)
    path = f"{KEYS}/{key.id}"
    answer = ada.submit(path, name="weekly", description="of the team", scopes=["eval:read"])
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?said=saved")
    [row] = stored(database)
    assert (row.name, row.description, row.scopes) == ("weekly", "of the team", ["eval:read"])
    wide = ada.submit(path, name="another name", scopes=["eval:read", "eval:manage"])
    assert wide.status_code == 422
    assert "never widened" in wide.text
    assert 'value="another name"' in wide.text
    assert ada.submit(path, scopes=None).status_code == 422
    assert ada.submit(path, allow_live="on").status_code == 422
    assert stored(database) == [row]
    history = ada.get(path).text
    assert "Changed" in history
    assert "name, description, scopes" in history


def test_a_page_weighs_little(ada: Window, database: Database) -> None:
    for number in range(10):
        key = given(database, ada.account, f"a key for the program number {number}", ago=80)
        for day in range(80):
            used(database, key, day, day * 7 % 13 + 1)
    assert len(ada.get(KEYS).content) < 25_000
