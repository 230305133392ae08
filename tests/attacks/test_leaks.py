"""Whoever finds a key may end it, and learns nothing by trying."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from attacks.people import Office
from factories import NOBODY, PEPPER, UNKNOWN_KEY
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.keys import service, tokens
from mixus.keys.pepper import Pepper
from mixus.server.app import create_app

REPORT = "/api/keys/report-leak"
SELF = "/api/keys/self"
OTHER = Pepper(b"pepper of another deployment, also no secret")


@pytest.fixture
def http(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), database, PEPPER, Catalog("rehearsal"))) as client:
        yield client


def reported(http: TestClient, key: str, **options: Any) -> Response:
    response: Response = http.post(REPORT, json={"key": key}, **options)
    return response


def told(response: Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer that may differ, and must not."""
    headers = [(name, value) for name, value in response.headers.items() if name != "x-request-id"]
    return response.status_code, response.content, headers


def test_the_answer_is_the_same_whatever_was_reported(http: TestClient, office: Office) -> None:
    revoked, expired, disabled, replaced = (office.key() for _ in range(4))
    office.revoke(revoked.id)
    office.act(lambda tx: service.disable(tx, disabled.id, NOBODY, utc_now()))
    office.rotate(replaced.id)
    office.act(
        lambda tx: tx.connection.exec_driver_sql(
            f"update keys set created_at = 1, expires_at = 2 where id = '{expired.id}'"  # noqa: S608 - an id of ours
        )
    )
    live = office.key()
    foreign = Office(office.database, OTHER).key()
    wrong = live.secret[:-1] + ("a" if live.secret[-1] != "a" else "b")
    texts = [live.secret, live.secret, revoked.secret, expired.secret, disabled.secret, replaced.secret]
    texts += [foreign.secret, UNKNOWN_KEY, wrong, live.secret[:-1], live.secret.swapcase(), "x", " ", "\n"]
    texts += ["' OR '1'='1", live.id, "\u00e9" * 200, *tokens.PUBLISHED]
    answers = {told(reported(http, text)).__repr__() for text in texts}
    assert len(answers) == 1
    assert reported(http, live.secret).json() == {"success": True, "received": True}


def test_a_reported_key_is_dead_at_once_and_its_owner_is_told_once(http: TestClient, office: Office) -> None:
    key, other = office.key(), office.key()
    assert http.get(SELF, headers=key.headers).status_code == 200
    for _ in range(3):
        assert reported(http, key.secret).status_code == 200
    response = http.get(SELF, headers=key.headers)
    assert (response.status_code, response.json()["code"]) == (401, "key-revoked")
    assert http.get(SELF, headers=other.headers).status_code == 200
    assert office.events("key.leak-reported", key.id) == 1
    assert office.events("key.revoked", key.id) == 1
    assert office.events("key.leak-reported", other.id) == 0


def test_of_many_finders_at_once_one_ends_it(http: TestClient, office: Office) -> None:
    key = office.key()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: reported(http, key.secret), range(16)))
    assert len({told(answer).__repr__() for answer in answers}) == 1
    assert office.events("key.leak-reported", key.id) == 1
    assert office.events("key.revoked", key.id) == 1


def test_what_only_looks_like_a_key_ends_none(http: TestClient, office: Office) -> None:
    key = office.key()
    foreign = Office(office.database, OTHER).key()
    for text in (key.secret + " ", " " + key.secret, key.secret + "\n", f"Bearer {key.secret}", key.id):
        assert reported(http, text).status_code == 200
    assert reported(http, foreign.secret).status_code == 200
    assert http.get(SELF, headers=key.headers).status_code == 200
    assert office.describe(foreign.id).revoked_at is None


def test_a_finder_needs_no_credential_and_a_wrong_one_does_not_matter(
    http: TestClient, office: Office
) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "mixus_session=x"}, office.key().headers):
        key = office.key()
        assert reported(http, key.secret, headers=headers).status_code == 200
        assert http.get(SELF, headers=key.headers).status_code == 401


def test_reporting_a_predecessor_or_a_successor_ends_that_one_alone(http: TestClient, office: Office) -> None:
    old = office.key()
    new = office.rotate(old.id)
    reported(http, old.secret)
    assert http.get(SELF, headers=old.headers).status_code == 401
    assert http.get(SELF, headers=new.headers).status_code == 200


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": None}, {"key": 1}, {"key": "x", "id": "y"}, []])
def test_what_is_no_report_is_said_to_be_none(http: TestClient, body: object) -> None:
    assert http.post(REPORT, json=body).status_code == 422
    assert http.post(REPORT, json={"key": "x" * 257}).status_code == 422


def test_reports_cannot_be_sent_in_masses(http: TestClient, office: Office) -> None:
    statuses = [reported(http, UNKNOWN_KEY).status_code for _ in range(62)]
    assert statuses == [200] * 60 + [429] * 2


def test_the_secret_of_a_reported_key_is_in_no_event_and_no_log(
    http: TestClient, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    key = office.key()
    with caplog.at_level(0):
        reported(http, key.secret)
    with office.database.snapshot() as tx:
        rows = tx.connection.exec_driver_sql("select * from events").all()
    assert rows
    assert key.secret[9:35] not in repr(rows)
    assert key.secret[9:35] not in caplog.text
