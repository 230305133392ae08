"""Rotation: a successor takes a key's place without a gap, and never more than that."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from attacks.people import Key, Office
from factories import NOBODY, PEPPER
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.accounts.service import Account
from mixus.agents.catalog import Catalog
from mixus.core.clock import shown, utc_now
from mixus.core.database import Database
from mixus.core.errors import Conflict, Invalid, Unauthorized
from mixus.core.settings import Settings
from mixus.keys import rotation, service
from mixus.keys.authenticate import authenticate
from mixus.keys.lifecycle import State
from mixus.keys.rotation import Rotation
from mixus.keys.service import NewKey
from mixus.server.app import create_app

SELF = "/api/keys/self"
HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
OVERLAPS = {"0": timedelta(0), "1h": HOUR, "24h": timedelta(hours=24), "7d": timedelta(days=7)}


@pytest.fixture
def http(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), database, PEPPER, Catalog("rehearsal"))) as client:
        yield client


@pytest.fixture
def ada(office: Office) -> Account:
    return office.person()


def rotated(http: TestClient, page: dict[str, str], key_id: str, **body: object) -> Response:
    response: Response = http.post(f"/api/keys/{key_id}/rotate", headers=page, json={"overlap": "1h", **body})
    return response


def accepted_at(office: Office, key: Key, now: datetime) -> bool:
    try:
        authenticate(office.database, PEPPER, [f"Bearer {key.secret}".encode()], None, now)
    except Unauthorized:
        return False
    return True


def answer_to(http: TestClient, key: Key) -> tuple[int, str]:
    response = http.get(SELF, headers=key.headers)
    return response.status_code, response.json().get("code", "")


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_both_keys_work_until_the_overlap_ends_and_then_only_the_new_one(
    office: Office, ada: Account, overlap: str
) -> None:
    old = office.key(ada)
    new = office.rotate(old.id, OVERLAPS[overlap])
    ends_at = office.describe(old.id).expires_at
    assert ends_at is not None
    assert ends_at - new.info.created_at == OVERLAPS[overlap]
    for moment, is_old_good in ((-MILLISECOND, True), (timedelta(0), False), (MILLISECOND, False)):
        assert accepted_at(office, old, ends_at + moment) is is_old_good
        assert accepted_at(office, new, max(ends_at + moment, new.info.created_at))


@pytest.mark.parametrize("overlap", ["1s", "2h", "-1h", "8d", "", "0h", "never", 0, 3600, -1, None, True, {}])
def test_any_other_overlap_is_refused_and_nothing_changes(
    http: TestClient, office: Office, ada: Account, overlap: object
) -> None:
    key = office.key(ada)
    response = rotated(http, office.sign_in(ada), key.id, overlap=overlap)
    assert response.status_code == 422
    assert office.describe(key.id) == key.info
    assert office.active(ada.id) == 1


@pytest.mark.parametrize("overlap", [timedelta(seconds=1), -HOUR, timedelta(days=8), timedelta(days=100_000)])
def test_no_command_gets_another_overlap_either(office: Office, ada: Account, overlap: timedelta) -> None:
    key = office.key(ada)
    with pytest.raises(Invalid):
        office.rotate(key.id, overlap)
    assert office.describe(key.id) == key.info


def test_ten_of_ten_keys_can_all_be_rotated_and_leave_ten(
    http: TestClient, office: Office, ada: Account
) -> None:
    page = office.sign_in(ada)
    keys = [office.key(ada) for _ in range(10)]
    refused = http.post("/api/keys", headers=page, json={"name": "one more", "scopes": ["eval:read"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "key-limit")
    for key in keys:
        assert rotated(http, page, key.id, overlap="7d").status_code == 201
        assert office.active(ada.id) == 10
    assert {answer_to(http, key) for key in keys} == {(200, "")}


def test_three_rotations_in_a_row_leave_the_last_two_working(office: Office, ada: Account) -> None:
    first = office.key(ada)
    second = office.rotate(first.id, OVERLAPS["7d"])
    third = office.rotate(second.id, OVERLAPS["7d"])
    fourth = office.rotate(third.id, OVERLAPS["7d"])
    now = utc_now()
    good = [accepted_at(office, key, now) for key in (first, second, third, fourth)]
    assert good == [False, False, True, True]
    assert office.working(first.id) == [fourth.id]
    assert {office.describe(key.id).lineage_id for key in (first, second, third, fourth)} == {first.id}


def test_a_successor_that_nobody_used_is_replaced_by_another_rotation(
    http: TestClient, office: Office, ada: Account
) -> None:
    """Its answer was lost, say: whoever lost it asks again, and the lost one is dead."""
    page, old = office.sign_in(ada), office.key(ada)
    lost = Key(rotated(http, page, old.id).json()["key"], old.info)
    found = Key(rotated(http, page, old.id).json()["key"], old.info)
    assert answer_to(http, lost) == (401, "key-revoked")
    assert answer_to(http, found) == (200, "")
    assert answer_to(http, old) == (200, "")
    assert len(office.working(old.id)) == 1


def test_a_successor_in_use_is_named_and_not_replaced(http: TestClient, office: Office, ada: Account) -> None:
    page, old = office.sign_in(ada), office.key(ada)
    new = office.rotate(old.id)
    assert answer_to(http, new) == (200, "")
    http.app.state.services.bookkeeper.write()  # type: ignore[attr-defined] # what the client calls an app is ours
    response = rotated(http, page, old.id)
    assert (response.status_code, response.json()["code"]) == (409, "already-rotated")
    assert response.json()["successorId"] == new.id
    assert office.working(old.id) == [new.id]


def test_a_key_whose_overlap_is_over_names_its_successor_and_cannot_be_rotated(
    http: TestClient, office: Office, ada: Account
) -> None:
    page, old = office.sign_in(ada), office.key(ada)
    new = office.rotate(old.id, timedelta(0))
    response = http.get(SELF, headers=old.headers)
    assert (response.status_code, response.json()["code"]) == (401, "key-expired")
    assert new.id in response.json()["detail"]
    again = rotated(http, page, old.id)
    assert (again.status_code, again.json()["code"]) == (409, "key-state")


def test_a_disabled_key_is_not_rotated_into_a_good_one(
    http: TestClient, office: Office, ada: Account
) -> None:
    key = office.key(ada)
    office.act(lambda tx: service.disable(tx, key.id, NOBODY, utc_now()))
    response = rotated(http, office.sign_in(ada), key.id)
    assert (response.status_code, response.json()["code"]) == (409, "key-state")
    assert office.working(key.id) == [key.id]


@pytest.mark.parametrize(
    "scopes", [["eval:manage"], ["eval:read", "eval:create"], ["eval:read", "eval:manage"]]
)
def test_no_rotation_widens_a_key(http: TestClient, office: Office, ada: Account, scopes: list[str]) -> None:
    key = office.key(ada, [Scope.READ])
    page = office.sign_in(ada)
    assert rotated(http, page, key.id, scopes=scopes).status_code == 422
    assert rotated(http, page, key.id, allowLive=True).status_code == 422
    assert office.working(key.id) == [key.id]
    narrow = office.rotate(office.key(ada, [Scope.MANAGE]).id, HOUR, scopes=[Scope.READ])
    assert narrow.info.scopes == (Scope.READ,)


def test_a_rotation_after_the_role_was_lowered_gives_no_more_than_the_role(
    office: Office, ada: Account
) -> None:
    key = office.key(ada, [Scope.MANAGE])
    office.act(lambda tx: tx.connection.exec_driver_sql("update accounts set role = 'viewer'"))
    assert office.rotate(key.id).info.scopes == (Scope.READ,)


def test_an_overlap_never_lengthens_a_life_and_a_successor_lives_as_long_as_its_predecessor_was_given(
    office: Office, ada: Account
) -> None:
    key = office.key(ada, expires=timedelta(days=7))
    later = key.info.created_at + timedelta(days=6)
    asked = Rotation(key.id, timedelta(days=7))
    with office.database.transaction() as tx:
        _, successor = rotation.rotate(tx, PEPPER, asked, NOBODY, later)
    assert office.describe(key.id).expires_at == key.info.expires_at
    assert successor.expires_at == later + timedelta(days=7)


def test_revoking_either_of_a_pair_leaves_the_other_as_it_is(
    http: TestClient, office: Office, ada: Account
) -> None:
    old = office.key(ada)
    new = office.rotate(old.id)
    office.revoke(new.id)
    assert (answer_to(http, old), answer_to(http, new)) == ((200, ""), (401, "key-revoked"))
    other = office.key(ada)
    its_new = office.rotate(other.id)
    office.revoke(other.id)
    assert (answer_to(http, other), answer_to(http, its_new)) == ((401, "key-revoked"), (200, ""))


def test_a_pair_never_has_more_than_one_quota_however_it_is_split(
    http: TestClient, office: Office, ada: Account
) -> None:
    keys = [office.key(ada)]
    keys.append(office.rotate(keys[0].id, OVERLAPS["7d"]))
    statuses = [http.get(SELF, headers=keys[number % 2].headers).status_code for number in range(104)]
    assert statuses == [200] * 100 + [429] * 4
    third = office.rotate(keys[1].id, OVERLAPS["7d"])
    assert answer_to(http, third) == (429, "rate-limited")


def test_only_the_predecessor_has_a_sunset_and_it_is_the_end_of_the_overlap(
    http: TestClient, office: Office, ada: Account
) -> None:
    old = office.key(ada)
    assert "sunset" not in http.get(SELF, headers=old.headers).headers
    new = office.rotate(old.id, OVERLAPS["24h"])
    told = http.get(SELF, headers=old.headers).headers
    ends_at = office.describe(old.id).expires_at
    assert ends_at is not None
    assert told["mxs-key-expires-at"] == shown(ends_at)
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", told["sunset"])
    assert parsedate_to_datetime(told["sunset"]) == ends_at.astimezone(UTC).replace(microsecond=0)
    assert "sunset" not in http.get(SELF, headers=new.headers).headers


def test_a_repeated_request_to_rotate_never_replays_the_secret(
    http: TestClient, office: Office, ada: Account
) -> None:
    page = office.sign_in(ada) | {"Idempotency-Key": "once"}
    key = office.key(ada)
    first = rotated(http, page, key.id)
    again = rotated(http, page, key.id)
    assert (first.status_code, again.status_code, again.json()["code"]) == (201, 409, "already-created")
    assert again.json()["keyId"] == first.json()["id"]
    assert first.json()["key"] not in again.text
    assert office.working(key.id) == [first.json()["id"]]


def test_of_rival_rotations_all_but_one_successor_are_dead(office: Office, ada: Account) -> None:
    for _ in range(10):
        key = office.key(ada)

        def rotate(_number: int, key: Key = key) -> Key | None:
            try:
                return office.rotate(key.id)
            except Conflict:
                return None

        with ThreadPoolExecutor(6) as threads:
            made = [each for each in threads.map(rotate, range(6)) if each is not None]
        now = utc_now()
        good = [each.id for each in made if accepted_at(office, each, now)]
        assert good == office.working(key.id)
        assert len(good) == 1
        assert office.describe(key.id).replaced_by == good[0]
        office.revoke(good[0])


def test_a_rotated_key_counts_for_no_place_and_its_state_says_so(office: Office, ada: Account) -> None:
    old = office.key(ada)
    office.rotate(old.id, OVERLAPS["7d"])
    assert office.describe(old.id).state(utc_now()) is State.REPLACED
    assert office.active(ada.id) == 1
    for _ in range(9):
        office.key(ada)
    with pytest.raises(Conflict):
        office.act(
            lambda tx: service.create(tx, PEPPER, NewKey(ada.id, "x", [Scope.READ]), NOBODY, utc_now())
        )
