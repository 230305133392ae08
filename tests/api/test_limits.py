"""The rate of a key and the room of its owner, over HTTP, at their true limits."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from api.factories import Caller, Reference, Team
from factories import PEPPER
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.core.settings import Settings
from mixus.keys import rotation
from mixus.keys.rotation import Rotation
from mixus.server.app import create_app

SELF = "/api/keys/self"
LEFT = re.compile(r'"default";r=(\d+);t=(\d+)')


@pytest.fixture
def team(database: Database, reference: Reference) -> Iterator[Team]:
    settings = Settings(queued_per_user=3, waiting_per_user=1)
    with TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal"))) as http:
        yield Team(http, database, reference)


@pytest.fixture
def ada(team: Team) -> Caller:
    return team.person("ada@example.org")


def test_a_hundred_requests_pass_and_the_next_one_is_told_when_to_come_back(ada: Caller) -> None:
    answers = [ada("GET", SELF) for _ in range(101)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    told = [LEFT.fullmatch(answer.headers["ratelimit"]) for answer in answers]
    assert [match and int(match[1]) for match in told] == [*range(99, -1, -1), 0]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=100;w=60'}
    refused = answers[-1]
    assert refused.json()["code"] == "rate-limited"
    assert told[-1] is not None
    assert 1 <= int(refused.headers["retry-after"]) == int(told[-1][2]) <= 60
    assert refused.headers["mxs-key-expires-at"]


def test_every_answer_to_a_key_tells_what_is_left(ada: Caller) -> None:
    path = f"/api/eval/status/{ada.create()}"
    answers = [
        ada("GET", path),
        ada("GET", "/api/eval/status/exe_0000000000000000000000"),
        ada("GET", "/api/nothing"),
        ada("GET", path, params={"colour": "red"}),
        ada("GET", "/api/keys"),
        ada("PUT", path),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 422, 403, 405]
    assert [answer.headers["ratelimit"].partition(";t")[0] for answer in answers] == [
        f'"default";r={left}' for left in range(98, 92, -1)
    ]


def test_keys_of_one_person_do_not_share_and_a_rotated_pair_does(ada: Caller, team: Team) -> None:
    other = team.with_key(ada.account, [Scope.MANAGE])
    with team.database.transaction() as tx:
        wanted = Rotation(other.key_id, timedelta(hours=1))
        secret, info = rotation.rotate(tx, PEPPER, wanted, _actor(other), utc_now())
    successor = Caller(other.http, other.reference, other.account, secret, info.id)
    for _ in range(50):
        assert ada("GET", SELF).status_code == 200
        assert other("GET", SELF).status_code == 200
        assert successor("GET", SELF).status_code == 200
    assert (other("GET", SELF).status_code, successor("GET", SELF).status_code) == (429, 429)
    assert ada("GET", SELF).status_code == 200


def test_a_bad_key_takes_nothing_from_a_good_one(ada: Caller) -> None:
    for _ in range(20):
        ada.http.get(SELF, headers={"Authorization": f"Bearer {ada.key[:-1]}"})
        ada.http.get(SELF, headers=[("Authorization", ada.key), ("Authorization", ada.key)])
    assert ada("GET", SELF).headers["ratelimit"].startswith('"default";r=99;')


def test_only_the_predecessor_of_a_rotation_is_told_its_sunset(ada: Caller, team: Team) -> None:
    assert "sunset" not in ada("GET", SELF).headers
    with team.database.transaction() as tx:
        wanted = Rotation(ada.key_id, timedelta(hours=24))
        secret, info = rotation.rotate(tx, PEPPER, wanted, _actor(ada), utc_now())
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", ada("GET", SELF).headers["sunset"])
    successor = Caller(ada.http, ada.reference, ada.account, secret, info.id)
    assert "sunset" not in successor("GET", SELF).headers


def test_a_full_queue_refuses_new_executions_and_retries(ada: Caller, team: Team) -> None:
    done = ada.create()
    team.complete(done)
    for _ in range(3):
        ada.create()
    for response in (
        ada("POST", "/api/eval/create-task-agent", json={"taskDescription": "Add 1 and 2"}),
        ada("POST", f"/api/eval/executions/{done}/retry"),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "queue-full")
    assert team.person("bob@example.org").create()


def test_a_full_waiting_room_refuses_new_executions_and_no_decision(ada: Caller, team: Team) -> None:
    waiting = ada.create()
    checkpoint_id = ada.status(waiting)["checkpoints"][0]["checkpointId"]
    team.pause(waiting, checkpoint_id)
    response = ada("POST", "/api/eval/create-task-agent", json={"taskDescription": "Add 1 and 2"})
    assert (response.status_code, response.json()["code"]) == (409, "waiting-full")
    assert ada.decide(waiting, checkpoint_id).status_code == 200
    queued = [ada.create() for _ in range(2)]
    assert len(queued) == 2
    assert ada("GET", SELF).json()["limits"]["executions"] == {
        "running": 0,
        "mostRunning": 10,
        "queued": 3,
        "mostQueued": 3,
        "waiting": 0,
        "mostWaiting": 1,
    }


def test_a_decision_is_never_refused_for_a_full_queue(ada: Caller, team: Team) -> None:
    waiting = ada.create()
    checkpoint_id = ada.status(waiting)["checkpoints"][0]["checkpointId"]
    others = [ada.create() for _ in range(2)]
    team.pause(waiting, checkpoint_id)
    team.complete(others[0])
    assert ada.decide(waiting, checkpoint_id).status_code == 200


def _actor(caller: Caller) -> Actor:
    return Actor(caller.account.id)
