"""Keys are rotated, disabled and revoked on pages that tell what uses them."""

import pytest
from api.factories import Team, until
from web.keyring import KEYS, NEW, calling, given, made, secrets_in, stored
from web.windows import House, Window

from mixus.core.database import Database


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


def create_with(window: Window, secret: str) -> str:
    body = {"taskDescription": "Calculate 15% of $50,000", "taskName": "Commission", "model": "rehearsal"}
    response = window.http.post(
        "/api/eval/create-task-agent", json=body, headers={"Authorization": f"Bearer {secret}"}
    )
    assert response.status_code == 201
    return str(response.json()["executionId"])


def test_a_rotated_key_works_on_and_its_successor_is_shown_once(ada: Window, database: Database) -> None:
    secret, key_id = made(ada)
    path = f"{KEYS}/{key_id}/rotate"
    form = ada.form(path)
    assert form.fields["overlap"] == ["24h"]
    answer = ada.post(path, form.fields)
    assert answer.status_code == 200
    [successor] = secrets_in(answer)
    assert successor != secret
    assert calling(ada, secret).status_code == calling(ada, successor).status_code == 200
    again = ada.post(path, form.fields)
    assert again.status_code == 409
    assert secrets_in(again) == set()
    assert len(stored(database)) == 2
    assert "replaced" in ada.get(KEYS).text
    # In use by now, so the old one cannot be given another successor.
    assert ada.submit(path).status_code == 409
    assert ada.submit(path, overlap="1 year").status_code == 422


def test_a_rotation_needs_no_free_place_and_can_end_the_old_key_at_once(
    ada: Window, database: Database
) -> None:
    secret, key_id = made(ada)
    for _ in range(9):
        given(database, ada.account)
    answer = ada.submit(f"{KEYS}/{key_id}/rotate", overlap="0", expires="7")
    assert answer.status_code == 200
    assert calling(ada, secret).json()["code"] == "key-expired"
    assert "has ended just now" in answer.text


def test_a_key_is_disabled_and_enabled(ada: Window) -> None:
    secret, key_id = made(ada)
    path = f"{KEYS}/{key_id}"
    assert ada.submit(f"{path}/disable").headers["location"] == f"{path}?said=key-disabled"
    assert calling(ada, secret).json()["code"] == "key-disabled"
    assert ada.submit(f"{path}/disable").status_code == 409
    assert ada.submit(f"{path}/enable").headers["location"] == f"{path}?said=key-enabled"
    assert calling(ada, secret).status_code == 200
    assert ada.submit(f"{path}/enable").status_code == 409


@pytest.mark.parametrize("tick", [None, "on"])
def test_revoking_tells_what_uses_the_key_and_gives_a_receipt(
    ada: Window, team: Team, tick: str | None
) -> None:
    secret, key_id = made(ada)
    execution_id = create_with(ada, secret)
    path = f"{KEYS}/{key_id}/revoke"
    until(lambda: "1 request" in ada.get(path).text)
    question = ada.get(path).text
    assert execution_id in question
    assert "192.0.2.0/24" in question
    answer = ada.submit(path, reason="seen in a log", cancel_executions=tick)
    assert answer.status_code == 200
    assert execution_id in answer.text
    assert "seen in a log" in answer.text
    assert ("cancelled" in answer.text) is (tick is not None)
    assert calling(ada, secret).json()["code"] == "key-revoked"
    assert ada.get(path).status_code == 200
    assert "is revoked" in ada.get(path).text
    reloaded = ada.post(path, {"csrf": ada.form(NEW).fields["csrf"], "reason": "another"})
    assert reloaded.status_code == 409
    assert "seen in a log" in reloaded.text


def test_a_refused_reason_is_kept_and_revokes_nothing(ada: Window, database: Database) -> None:
    key = given(database, ada.account)
    answer = ada.submit(f"{KEYS}/{key.id}/revoke", reason="y" * 501)
    assert answer.status_code == 422
    assert "y" * 501 in answer.text
    assert stored(database)[0].revoked_at is None
