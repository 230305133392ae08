"""A key that is revoked, disabled or narrowed is so in every process with the very next request."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
from attacks.fleet import Fleet
from attacks.people import Key, Office
from attacks.raw import SELF, Wire, bearer, request
from factories import NOBODY, PEPPER
from httpx2 import Client, Response

from mixus.accounts.principal import Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Conflict, Unauthorized
from mixus.keys import service
from mixus.keys.authenticate import authenticate
from mixus.keys.lifecycle import State

CREATE = "/api/eval/create-task-agent"
TASK = {"taskDescription": "Calculate 15 % of 50,000"}
ENDED_WITHIN_SECONDS = 15


def everywhere(fleet: Fleet, key: Key, path: str = SELF) -> list[Response]:
    """The answers of all servers, asked at once."""
    with ThreadPoolExecutor(len(fleet.servers)) as threads:
        return list(threads.map(lambda server: server.get(path, headers=key.headers), fleet.servers))


def codes(answers: list[Response]) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json().get("code", "")) for answer in answers}


def test_a_fresh_key_works_in_every_process_in_the_same_moment(fleet: Fleet) -> None:
    for _ in range(5):
        assert codes(everywhere(fleet, fleet.office.key())) == {(200, "")}


def test_a_key_that_was_refused_works_everywhere_once_it_is_there(fleet: Fleet) -> None:
    """A refusal is remembered nowhere: the key of a restored database, say, works at once."""
    key = fleet.office.key()
    fleet.office.act(lambda tx: service.disable(tx, key.id, NOBODY, utc_now()))
    assert codes(everywhere(fleet, key)) == {(401, "key-disabled")}
    fleet.office.act(lambda tx: service.enable(tx, key.id, NOBODY, utc_now()))
    assert codes(everywhere(fleet, key)) == {(200, "")}


def test_a_key_that_one_process_revoked_is_refused_by_all_others_at_once(fleet: Fleet) -> None:
    owner = fleet.office.person()
    page = fleet.office.sign_in(owner)
    for server in fleet.servers:
        key = fleet.office.key(owner)
        assert codes(everywhere(fleet, key)) == {(200, "")}
        assert server.post(f"/api/keys/{key.id}/revoke", headers=page).status_code == 200
        assert codes(everywhere(fleet, key)) == {(401, "key-revoked")}


def test_a_key_that_one_process_disabled_is_refused_by_all_until_one_enables_it(fleet: Fleet) -> None:
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner)
    for one, other in zip(fleet.servers[:4], fleet.servers[4:], strict=True):
        assert one.post(f"/api/keys/{key.id}/disable", headers=page).status_code == 200
        assert codes(everywhere(fleet, key)) == {(401, "key-disabled")}
        assert other.post(f"/api/keys/{key.id}/enable", headers=page).status_code == 200
        assert codes(everywhere(fleet, key)) == {(200, "")}


def test_a_key_that_one_process_narrowed_is_narrow_in_all_at_once(fleet: Fleet) -> None:
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner)
    assert codes(everywhere(fleet, key, "/api/eval/executions")) == {(200, "")}
    change = fleet.servers[0].patch(f"/api/keys/{key.id}", headers=page, json={"scopes": ["eval:create"]})
    assert change.status_code == 200
    assert codes(everywhere(fleet, key, "/api/eval/executions")) == {(403, "insufficient-scope")}


def test_a_role_or_an_account_that_is_taken_away_ends_the_keys_everywhere_at_once(fleet: Fleet) -> None:
    owner = fleet.office.person()
    key = fleet.office.key(owner, [Scope.CREATE])
    assert codes(everywhere(fleet, key, "/api/eval/executions")) == {(403, "insufficient-scope")}
    set_account(fleet.office, owner.id, "role = 'viewer'")
    answers = [server.post(CREATE, headers=key.headers, json=TASK) for server in fleet.servers]
    assert codes(answers) == {(403, "insufficient-scope")}
    set_account(fleet.office, owner.id, "disabled_at = 1")
    assert codes(everywhere(fleet, key)) == {(401, "key-disabled")}
    set_account(fleet.office, owner.id, "disabled_at = null")
    assert codes(everywhere(fleet, key)) == {(200, "")}


def test_calls_that_go_on_while_a_key_is_revoked_stop_with_the_answer(fleet: Fleet) -> None:
    """However busy the key is: what is asked after the revocation was answered is refused."""
    key = fleet.office.key()
    watch = Watch()

    def call(server: Client) -> None:
        while not watch.is_over.is_set():
            watch.see(lambda: server.get(SELF, headers=key.headers).status_code == 200)

    with ThreadPoolExecutor(len(fleet.servers)) as threads:
        callers = [threads.submit(call, server) for server in fleet.servers]
        watch.until_seen(8)
        fleet.office.revoke(key.id)
        watch.end()
        assert codes(everywhere(fleet, key)) == {(401, "key-revoked")}
        watch.is_over.set()
        for caller in callers:
            caller.result()
    watch.require_none_accepted_after_the_end()


def test_streams_and_held_polls_of_an_ended_key_end_within_15_seconds(fleet: Fleet) -> None:
    """However it ended, and in whatever process they are open."""
    keys = {how: fleet.office.key() for how in ENDINGS}
    wires = {how: opened(fleet, key) for how, key in keys.items()}
    started = time.monotonic()
    for how, key in keys.items():
        ENDINGS[how](fleet.office, key)
    for streams, polls in wires.values():
        for wire in polls:
            answer = wire.answer()
            assert answer is not None
            assert answer.status == 401
        for wire in streams:
            assert b'event: closed\ndata: {"reason":"credential"}' in rest(wire)
        for wire in (*streams, *polls):
            wire.close()
    assert time.monotonic() - started < ENDED_WITHIN_SECONDS


def opened(fleet: Fleet, key: Key) -> tuple[list[Wire], list[Wire]]:
    """Two streams and two held polls of one execution, each in a process of its own."""
    created = fleet.servers[0].post(CREATE, headers=key.headers, json=TASK)
    execution = created.json()["executionId"]
    paths = [f"/api/eval/executions/{execution}/events", f"/api/eval/status/{execution}?waitMs=30000"]
    wires = [Wire(port) for port in fleet.ports[1:5]]
    for wire, path in zip(wires, paths * 2, strict=True):
        wire.send(request(bearer(key.secret), path=path.encode()))
    streams, polls = wires[::2], wires[1::2]
    assert {wire.reader.readline() for wire in streams} == {b"HTTP/1.1 200 OK\r\n"}
    return streams, polls


def test_a_body_that_is_still_on_its_way_when_its_key_is_revoked_does_not_outlive_a_second_look(
    fleet: Fleet,
) -> None:
    """The door was passed before; what was begun may end, and nothing new begins."""
    key = fleet.office.key()
    body = orjson.dumps(TASK)
    length = b"Content-Length: %d" % len(body)
    with Wire(fleet.ports[0]) as wire:
        lines = [b"Content-Type: application/json", length, bearer(key.secret)]
        wire.send(request(*lines, method=b"POST", path=CREATE.encode(), body=body[:5]))
        assert fleet.servers[0].get(SELF, headers=key.headers).status_code == 200
        fleet.office.revoke(key.id)
        wire.send(body[5:])
        answer = wire.answer()
        assert answer is not None
        assert answer.status in {201, 401}
        wire.send(request(bearer(key.secret)))
        after = wire.answer()
        assert after is not None
        assert after.status == 401


def test_revoking_twice_keeps_the_first_time_and_says_so(fleet: Fleet) -> None:
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner)
    path = f"/api/keys/{key.id}/revoke"
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda server: server.post(path, headers=page), fleet.servers))
    assert codes(answers) == {(200, ""), (409, "already-revoked")}
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    [receipt] = [answer.json() for answer in answers if answer.status_code == 200]
    listed = fleet.servers[0].get(f"/api/keys/{key.id}", headers=page).json()
    assert (listed["state"], listed["revokedAt"]) == ("revoked", receipt["revokedAt"])
    assert fleet.office.events("key.revoked", key.id) == 1


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_what_is_over_is_never_enabled_disabled_or_rotated(fleet: Fleet, state: str) -> None:
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner)
    if state == "revoked":
        fleet.office.revoke(key.id)
    else:
        expire(fleet.office, key)
    for verb, body in (("enable", None), ("disable", None), ("rotate", {"overlap": "0"})):
        answer = fleet.servers[0].post(f"/api/keys/{key.id}/{verb}", headers=page, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "key-state")
        assert state in answer.json()["detail"]
    assert codes(everywhere(fleet, key)) == {(401, f"key-{state}")}


def test_a_revocation_whose_answer_was_lost_stands(fleet: Fleet) -> None:
    """Its client hangs up before it reads: what was committed is in force all the same."""
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner)
    lines = [f"{name}: {value}".encode() for name, value in page.items()]
    settled = threading.Event()
    with Wire(fleet.ports[0]) as wire:
        wire.send(request(*lines, method=b"POST", path=f"/api/keys/{key.id}/revoke".encode()))
        while fleet.office.describe(key.id).revoked_at is None:
            settled.wait(0.001)
    assert codes(everywhere(fleet, key)) == {(401, "key-revoked")}


ROUNDS = {"sqlite": 60, "postgres": 240}


def test_no_race_of_revoke_rotate_and_request_revives_a_key_or_leaves_two_successors(
    office: Office, database: Database
) -> None:
    """300 rounds over both stores, in which one revokes, two rotate and two call at the same time."""
    chance = random.Random(300)
    with ThreadPoolExecutor(5) as threads:
        for _ in range(ROUNDS["sqlite" if database.is_sqlite else "postgres"]):
            race(office, threads, chance)


def race(office: Office, threads: ThreadPoolExecutor, chance: random.Random) -> None:
    key, watch, start = office.key(), Watch(), threading.Barrier(5)

    def call() -> None:
        start.wait()
        while not watch.is_over.is_set():
            watch.see(lambda: is_accepted(office.database, key))

    def revoke() -> None:
        start.wait()
        office.revoke(key.id)
        watch.end()

    def rotate() -> Key | None:
        start.wait()
        try:
            return office.rotate(key.id, chance.choice([timedelta(0), timedelta(days=7)]))
        except Conflict as refused:
            if refused.error_code not in {"key-state", "already-rotated"}:
                raise
            return None

    callers = [threads.submit(call) for _ in range(2)]
    rotations = [threads.submit(rotate) for _ in range(2)]
    threads.submit(revoke).result()
    made = [successor for each in rotations if (successor := each.result()) is not None]
    watch.is_over.set()
    for caller in callers:
        caller.result()
    watch.require_none_accepted_after_the_end()
    assert office.describe(key.id).state(utc_now()) is State.REVOKED
    assert not is_accepted(office.database, key)
    working = office.working(key.id)
    assert len(working) <= 1
    assert [each.id for each in made if is_accepted(office.database, each)] == working
    office.act(lambda tx: tx.connection.exec_driver_sql("update keys set revoked_at = 1"))


def test_a_change_of_a_key_does_not_wait_for_its_use_to_be_written_nor_the_other_way(
    office: Office,
) -> None:
    """Else a busy key could not be revoked at once, or its revocation could deadlock with the books."""
    if office.database.is_sqlite:
        # One writer at a time, whatever it writes.
        return
    key = office.key()
    with office.database.transaction() as changing:
        service.locked(changing, key.id)
        with office.database.transaction() as counting:
            counting.connection.exec_driver_sql("set local lock_timeout = '1s'")
            counting.connection.exec_driver_sql(
                "insert into key_use (key_id, accepted, refused) values (%s, 1, 0)", (key.id,)
            )


def test_a_narrower_key_is_never_widened_again(fleet: Fleet) -> None:
    owner = fleet.office.person()
    page, key = fleet.office.sign_in(owner), fleet.office.key(owner, [Scope.READ, Scope.CREATE])
    path = f"/api/keys/{key.id}"
    server = fleet.servers[0]
    for scopes in (
        ["eval:manage"],
        ["eval:read", "eval:create", "eval:manage"],
        [],
        ["eval:*"],
        ["EVAL:READ"],
    ):
        assert server.patch(path, headers=page, json={"scopes": scopes}).status_code == 422
    assert server.patch(path, headers=page, json={"scopes": ["eval:read"]}).status_code == 200
    assert server.patch(path, headers=page, json={"scopes": ["eval:create"]}).status_code == 422
    assert server.patch(path, headers=page, json={"allowLive": True}).status_code == 422
    assert fleet.office.describe(key.id).scopes == (Scope.READ,)


@dataclass
class Watch:
    """Sees what is accepted, and when: whether anything that began after the end was."""

    accepted_from: list[float] = field(default_factory=list)
    ended_at: float = 0.0
    is_over: threading.Event = field(default_factory=threading.Event)

    def see(self, accepts: Callable[[], bool]) -> None:
        began = time.monotonic()
        if accepts():
            self.accepted_from.append(began)

    def end(self) -> None:
        self.ended_at = time.monotonic()

    def until_seen(self, count: int) -> None:
        while len(self.accepted_from) < count:
            self.is_over.wait(0.005)

    def require_none_accepted_after_the_end(self) -> None:
        assert not [began for began in self.accepted_from if began > self.ended_at]


def is_accepted(database: Database, key: Key) -> bool:
    try:
        authenticate(database, PEPPER, [f"Bearer {key.secret}".encode()], None, utc_now())
    except Unauthorized:
        return False
    return True


def rest(wire: Wire) -> bytes:
    """Of an answer, until its last chunk."""
    read = b""
    while not read.endswith(b"\r\n0\r\n\r\n"):
        line = wire.reader.readline()
        if not line:
            break
        read += line
    return read


def set_account(office: Office, user_id: str, what: str) -> None:
    statement = f"update accounts set {what} where id = '{user_id}'"  # noqa: S608 - an id of ours
    office.act(lambda tx: tx.connection.exec_driver_sql(statement))


def expire(office: Office, key: Key) -> None:
    """As time would."""
    statement = f"update keys set created_at = 1, expires_at = 2 where id = '{key.id}'"  # noqa: S608 - an id of ours
    office.act(lambda tx: tx.connection.exec_driver_sql(statement))


def end_account(office: Office, key: Key) -> None:
    set_account(office, key.info.user_id, "disabled_at = 1")


ENDINGS: dict[str, Callable[[Office, Key], Any]] = {
    "revoked": lambda office, key: office.revoke(key.id),
    "disabled": lambda office, key: office.act(lambda tx: service.disable(tx, key.id, NOBODY, utc_now())),
    "account": end_account,
    "rotated": lambda office, key: office.rotate(key.id, timedelta(0)),
}
