"""Making keys: exactly ten, under any race of processes; and nothing that a request can smuggle in."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attacks.people import Office
from factories import NOBODY, PEPPER
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Conflict
from mixus.core.settings import Settings
from mixus.keys import info, service
from mixus.keys.service import NewKey
from mixus.server.app import create_app

MAIN = Path(__file__).with_name("creators_main.py")
KEYS = "/api/keys"
NEW: dict[str, Any] = {"name": "nightly", "scopes": ["eval:read"]}


class Creators:
    """Several processes that make keys for one person at once."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(MAIN)],
            env=os.environ | {"PYTHONPATH": str(MAIN.parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def create(self, database: Database, user_id: str, threads: int = 5, each: int = 5) -> int:
        """How many of threads x each x 4 were made."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        url = database.url.render_as_string(hide_password=False)
        self.process.stdin.write(f"{url} {user_id} 4 {threads} {each}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def creators() -> Iterator[Creators]:
    made = Creators()
    yield made
    made.process.communicate()


@pytest.fixture
def http(database: Database) -> Iterator[TestClient]:
    settings = Settings(failed_keys_per_minute=1_000_000)
    with TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as client:
        yield client


@pytest.fixture
def ada(office: Office) -> Account:
    return office.person()


@pytest.fixture
def page(office: Office, ada: Account) -> dict[str, str]:
    return office.sign_in(ada)


@pytest.mark.parametrize("before", [0, 9, 10])
def test_a_hundred_parallel_creates_from_four_processes_leave_exactly_ten(
    creators: Creators, office: Office, before: int
) -> None:
    owner, other = office.person(), office.person()
    for _ in range(before):
        office.key(owner)
    for gone in (office.key(other), office.key(other)):
        office.revoke(gone.id)
    assert creators.create(office.database, owner.id) == 10 - before
    assert office.active(owner.id) == 10
    # What is over takes no place.
    assert creators.create(office.database, other.id, threads=2, each=6) == 10


def test_while_keys_are_revoked_rotated_and_expire_there_are_never_eleven_and_never_nine_for_good(
    creators: Creators, office: Office
) -> None:
    owner = office.person()
    kept = [office.key(owner) for _ in range(7)]
    # These three end in the middle of it.
    for _ in range(3):
        office.key(owner, expires=utc_now() + timedelta(milliseconds=300))
    is_over, most = threading.Event(), [0]

    def watch() -> None:
        while not is_over.is_set():
            most[0] = max(most[0], office.active(owner.id))

    def disturb() -> None:
        for key in kept[:3]:
            office.revoke(key.id)
        for key in kept[3:]:
            office.rotate(key.id, timedelta(0))
        for key in kept[5:]:
            successor = office.describe(key.id).replaced_by
            assert successor is not None
            office.revoke(successor)

    with ThreadPoolExecutor(3) as threads:
        watcher = threads.submit(watch)
        disturber = threads.submit(disturb)
        threads.submit(creators.create, office.database, owner.id).result()
        disturber.result()
        # Whatever the race left free can be filled.
        creators.create(office.database, owner.id, threads=1, each=12)
        is_over.set()
        watcher.result()
    assert most[0] == 10
    assert office.active(owner.id) == 10
    with pytest.raises(Conflict):
        office.key(owner)


def test_creates_of_two_people_do_not_take_each_other_s_places(creators: Creators, office: Office) -> None:
    ada, bob = office.person(), office.person()
    for _ in range(10):
        office.key(ada)
    assert creators.create(office.database, bob.id, threads=1, each=5) == 10
    assert (office.active(ada.id), office.active(bob.id)) == (10, 10)


def test_parallel_creates_over_http_leave_exactly_ten(
    http: TestClient, office: Office, ada: Account, page: dict[str, str]
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: http.post(KEYS, headers=page, json=NEW), range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 20
    assert office.active(ada.id) == 10
    assert len({answer.json()["key"] for answer in answers if answer.status_code == 201}) == 10


def test_of_twenty_parallel_requests_with_one_idempotency_key_one_makes_a_key(
    http: TestClient, office: Office, ada: Account, page: dict[str, str]
) -> None:
    headers = page | {"Idempotency-Key": "double click"}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: http.post(KEYS, headers=headers, json=NEW), range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert (len(made), len(refused)) == (1, 19)
    assert {answer.json()["code"] for answer in refused} == {"already-created"}
    assert {answer.json()["keyId"] for answer in refused} == {made[0].json()["id"]}
    assert not any(made[0].json()["key"] in answer.text for answer in refused)
    assert office.active(ada.id) == 1


def test_another_person_s_idempotency_key_says_nothing_of_the_first(
    http: TestClient, office: Office, page: dict[str, str]
) -> None:
    once = {"Idempotency-Key": "the same words"}
    first = http.post(KEYS, headers=page | once, json=NEW)
    second = http.post(KEYS, headers=office.sign_in(office.person()) | once, json=NEW)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["key"] != second.json()["key"]
    other_body = http.post(KEYS, headers=page | once, json=NEW | {"name": "another"})
    assert (other_body.status_code, other_body.json()["code"]) == (409, "idempotency-mismatch")


def test_neither_the_secret_nor_its_hash_is_kept_anywhere_for_a_replay(
    http: TestClient, database: Database, page: dict[str, str]
) -> None:
    secret = http.post(KEYS, headers=page | {"Idempotency-Key": "once"}, json=NEW).json()["key"]
    with database.snapshot() as tx:
        for table in ("idempotency", "events", "keys"):
            rows = tx.connection.exec_driver_sql(f"select * from {table}").all()  # noqa: S608 - names of ours
            assert rows
            assert secret[9:35] not in repr(rows)


@pytest.mark.parametrize(
    "fields",
    [
        {"userId": "usr_0000000000000000000000"},
        {"user_id": "usr_0000000000000000000000"},
        {"id": "key_0000000000000000000000"},
        {"key": "mxs_eval_000000000000000000000000003ioNjy"},
        {"lookupHash": "00" * 32},
        {"lookup_hash": "00" * 32},
        {"pepperId": "00000000"},
        {"lineageId": "key_0000000000000000000000"},
        {"lineage_id": "key_0000000000000000000000"},
        {"rateLimit": 1_000_000},
        {"createdAt": "2020-01-01T00:00:00Z"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"expiresAt": "2099-01-01T00:00:00Z"},
        {"role": "admin"},
        {"isAdmin": True},
        {"__proto__": {"role": "admin"}},
        {"allow_live": True},
        {"scope": "eval:manage"},
        {"scopes": []},
        {"scopes": ["*"]},
        {"scopes": ["eval:*"]},
        {"scopes": ["EVAL:READ"]},
        {"scopes": ["eval:read "]},
        {"scopes": [["eval:read"]]},
        {"scopes": ["keys:create"]},
        {"scopes": ["eval:read"] * 10_000},
        {"scopes": "eval:read"},
        {"scopes": {"eval:read": True}},
        {"scopes": None},
        {"expires": 0},
        {"expires": -1},
        {"expires": 1},
        {"expires": 366},
        {"expires": 10**9},
        {"expires": 1e308},
        {"expires": 30.0},
        {"expires": True},
        {"expires": "30"},
        {"expires": "never"},
        {"expires": "NEVER"},
        {"expires": "2020-01-01T00:00:00Z"},
        {"expires": "1970-01-01T00:00:00Z"},
        {"expires": "9999-12-31T23:59:60Z"},
        {"expires": "2030-01-01T24:00:00Z"},
        {"expires": "2030-01-01"},
        {"expires": "2030-01-01T00:00:00"},
        {"expires": "2030-02-30T00:00:00Z"},
        {"expires": "2030-01-01T00:00:00.123456789012345678901234567890Z"},
        {"allowLive": "true"},
        {"allowLive": 1},
    ],
)
def test_a_field_that_is_not_ours_to_give_makes_no_key(
    http: TestClient, office: Office, ada: Account, page: dict[str, str], fields: dict[str, Any]
) -> None:
    response = http.post(KEYS, headers=page, json=NEW | fields)
    assert response.status_code == 422, response.text
    assert office.active(ada.id) == 0


@pytest.mark.parametrize(
    "expires", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_an_expiry_at_the_edge_of_time_is_taken_or_refused_and_never_an_error(
    http: TestClient, office: Office, page: dict[str, str], expires: str
) -> None:
    response = http.post(KEYS, headers=page, json=NEW | {"expires": expires})
    assert response.status_code in {201, 422}, response.text
    assert http.get(KEYS, headers=page).status_code == 200
    if response.status_code == 201:
        used = http.get("/api/keys/self", headers={"Authorization": f"Bearer {response.json()['key']}"})
        assert used.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"name"',
        b'{"name": "a", "scopes": ["eval:read"]} x',
        b'{"name": NaN, "scopes": ["eval:read"]}',
        b'{"name": "\xff", "scopes": ["eval:read"]}',
        b'{"name": "\\ud800", "scopes": ["eval:read"]}',
        b'{"name": "a\\u0000b", "scopes": ["eval:read"]}',
        b'{"name": ' + b"[" * 100_000,
        b'{"name": "a", "scopes": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"name": 1' + b"0" * 5_000 + b', "scopes": ["eval:read"]}',
        b"\x1f\x8b\x08\x00" + b"\x00" * 100,
        b"<key/>",
    ],
)
def test_what_is_no_body_makes_no_key_and_no_error(
    http: TestClient, office: Office, ada: Account, page: dict[str, str], content: bytes
) -> None:
    response = http.post(KEYS, headers=page | {"Content-Type": "application/json"}, content=content)
    assert response.status_code in {400, 422}, response.text
    assert office.active(ada.id) == 0


def test_of_a_member_that_is_sent_twice_nothing_is_smuggled_past_a_check(
    http: TestClient, page: dict[str, str]
) -> None:
    """The last one counts, and it is the one that is judged."""
    content = b'{"name": "a", "scopes": ["eval:read"], "scopes": ["*"]}'
    response = http.post(KEYS, headers=page | {"Content-Type": "application/json"}, content=content)
    assert response.status_code == 422


def test_a_compressed_body_is_not_unpacked(http: TestClient, page: dict[str, str]) -> None:
    headers = page | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = http.post(KEYS, headers=headers, content=b"\x1f\x8b\x08" + b"\x00" * 1000)
    assert response.status_code in {400, 415, 422}


NAMES_REFUSED = [
    "",
    "   ",
    "\u200b",
    "a" * 81,
    "\U0001f600" * 81,
    "a\r\nBcc: mallory@example.org",
    "a\x00",
    "a\x1b[31m",
    "\u202eevil",
    "mxs_eval_000000000000000000000000003ioNjy",
    "my key mxs_eval_000000000000000000000000003ioNjy!",
]
NAMES_KEPT = [
    "a",
    "\U0001f600" * 80,
    "=cmd()",
    "<img onerror=alert(1)>",
    "{{7*7}}",
    "../../etc",
    "' OR 1=1 --",
]


@pytest.mark.parametrize("name", NAMES_REFUSED)
def test_a_name_that_hides_forges_or_leaks_is_refused(
    http: TestClient, office: Office, ada: Account, page: dict[str, str], name: str
) -> None:
    response = http.post(KEYS, headers=page, json=NEW | {"name": name})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "name")
    assert office.active(ada.id) == 0


@pytest.mark.parametrize("name", NAMES_KEPT)
def test_any_other_name_is_kept_as_it_is_and_does_nothing(
    http: TestClient, page: dict[str, str], name: str
) -> None:
    assert http.post(KEYS, headers=page, json=NEW | {"name": name}).json()["name"] == name
    assert http.get(KEYS, headers=page).json()["items"][0]["name"] == name


def test_no_key_makes_a_key_not_even_an_admin_s(http: TestClient, office: Office) -> None:
    admin = office.person(Role.ADMIN)
    key = office.key(admin, list(Scope))
    response = http.post(KEYS, headers=key.headers, json=NEW)
    assert (response.status_code, response.json()["code"]) == (403, "session-required")
    # A key beside a good cookie is still a key.
    response = http.post(KEYS, headers=key.headers | office.sign_in(admin), json=NEW)
    assert (response.status_code, response.json()["code"]) == (403, "session-required")
    assert office.active(admin.id) == 1


def test_a_viewer_makes_no_key_that_does_more_than_read(http: TestClient, office: Office) -> None:
    page = office.sign_in(office.person(Role.VIEWER))
    for scopes in (["eval:manage"], ["eval:create"], ["eval:read", "eval:create"]):
        assert http.post(KEYS, headers=page, json=NEW | {"scopes": scopes}).status_code == 422
    assert http.post(KEYS, headers=page, json=NEW).status_code == 201


FOREIGN: list[dict[str, str | None]] = [
    {"X-CSRF-Token": None},
    {"X-CSRF-Token": ""},
    {"X-CSRF-Token": "guessed"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Cookie": None},
    {"Cookie": "mixus_session=x"},
]


@pytest.mark.parametrize("changed", FOREIGN)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
def test_a_page_of_another_site_makes_no_key(
    http: TestClient,
    office: Office,
    ada: Account,
    page: dict[str, str],
    changed: dict[str, str | None],
    content_type: str,
) -> None:
    headers = {name: value for name, value in (page | changed).items() if value is not None}
    content = b'{"name": "stolen", "scopes": ["eval:manage"]}'
    response: Response = http.post(KEYS, headers=headers | {"Content-Type": content_type}, content=content)
    assert response.status_code in {401, 403}
    assert office.active(ada.id) == 0


def test_neither_a_link_nor_an_overridden_method_makes_a_key(
    http: TestClient, office: Office, ada: Account, page: dict[str, str]
) -> None:
    parameters = {"name": "stolen", "scopes": "eval:manage", "_method": "POST"}
    override = page | {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST"}
    assert http.get(KEYS, headers=override, params=parameters).status_code == 422
    assert http.get(KEYS, headers=override).status_code == 200
    assert office.active(ada.id) == 0


def test_the_answer_with_a_secret_is_stored_nowhere_on_its_way(
    http: TestClient, page: dict[str, str]
) -> None:
    response = http.post(KEYS, headers=page, json=NEW)
    assert response.headers["cache-control"] == "no-store"
    assert "location" not in response.headers
    assert "access-control-allow-origin" not in response.headers


def test_a_million_characters_of_keys_are_spread_evenly_and_none_repeats() -> None:
    from collections import Counter  # noqa: PLC0415 - here alone

    from mixus.keys import tokens  # noqa: PLC0415 - here alone

    made = [tokens.generate() for _ in range(38_462)]
    assert len(set(made)) == len(made)
    counts = Counter("".join(token[9:35] for token in made))
    assert len(counts) == 62
    mean = sum(counts.values()) / 62
    # Six standard deviations of a fair draw.
    assert all(abs(count - mean) < 6 * mean**0.5 for count in counts.values())


def test_a_create_of_a_disabled_account_makes_no_key(office: Office, ada: Account) -> None:
    office.act(lambda tx: tx.connection.exec_driver_sql("update accounts set disabled_at = 1"))
    with pytest.raises(Conflict):
        office.act(
            lambda tx: service.create(tx, PEPPER, NewKey(ada.id, "x", [Scope.READ]), NOBODY, utc_now())
        )
    with office.database.snapshot() as tx:
        assert info.list_keys(tx) == []
