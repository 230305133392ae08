"""Idempotency-Key, and the promise that what was answered is committed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from api.factories import TASK, Caller, Reference, Team
from factories import PEPPER
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.idempotency import forget_old, idempotency
from mixus.core.settings import Settings
from mixus.evals.tables import executions
from mixus.server.app import create_app

CREATE = "/api/eval/create-task-agent"


def create(caller: Caller, key: str, **fields: Any) -> Any:
    return caller("POST", CREATE, json={**TASK, **fields}, headers={"Idempotency-Key": key})


def count(database: Database) -> int:
    with database.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(executions)).scalar_one())


def test_a_repeat_gets_the_first_answer(ada: Caller, database: Database) -> None:
    first, second = create(ada, "one"), create(ada, "one")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert count(database) == 1


def test_order_and_spaces_make_no_other_request(ada: Caller, database: Database) -> None:
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    for content in (
        b'{"taskDescription":"Calculate 2 plus 2","taskName":"x"}',
        b' { "taskName" : "\\u0078", "taskDescription":"Calculate 2 plus 2" } ',
    ):
        assert ada("POST", CREATE, content=content, headers=headers).status_code == 201
    assert count(database) == 1


def test_the_same_key_with_another_request_is_a_mistake(ada: Caller, database: Database) -> None:
    execution_id = create(ada, "one").json()["executionId"]
    other = create(ada, "one", taskName="other")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-mismatch")
    ada("POST", f"/api/eval/executions/{execution_id}/cancel")
    path = f"/api/eval/executions/{execution_id}/retry"
    retry = ada("POST", path, headers={"Idempotency-Key": "one"})
    assert (retry.status_code, retry.json()["code"]) == (409, "idempotency-mismatch")
    assert count(database) == 1


def test_a_retry_happens_once_too(ada: Caller, database: Database) -> None:
    execution_id = ada.create()
    ada("POST", f"/api/eval/executions/{execution_id}/cancel")
    path = f"/api/eval/executions/{execution_id}/retry"
    answers = [ada("POST", path, headers={"Idempotency-Key": "again"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert count(database) == 2


def test_a_key_is_its_owners_alone(ada: Caller, bob: Caller, database: Database) -> None:
    assert create(ada, "one").json()["executionId"] != create(bob, "one").json()["executionId"]
    assert count(database) == 2


def test_a_refusal_is_not_kept(ada: Caller, database: Database) -> None:
    assert create(ada, "one", model="unheard-of").status_code == 422
    assert create(ada, "one").status_code == 201
    assert count(database) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tinside", "é".encode().decode("latin-1")])
def test_a_bad_key_is_named(ada: Caller, key: str) -> None:
    response = ada("POST", CREATE, json=TASK, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_is_free_again_after_a_day(ada: Caller, database: Database) -> None:
    create(ada, "one")
    with database.transaction() as tx:
        tx.execute(update(idempotency).values(created_at=utc_now() - timedelta(hours=24)))
    response = create(ada, "one", taskName="other")
    assert response.status_code == 201
    assert "idempotency-replayed" not in response.headers
    assert count(database) == 2


def test_what_is_old_is_forgotten(ada: Caller, database: Database) -> None:
    create(ada, "one")
    with database.transaction() as tx:
        assert forget_old(tx, utc_now()) == 0
        assert forget_old(tx, utc_now() + timedelta(hours=25)) == 1


def test_ten_at_once_make_one_execution(ada: Caller, database: Database) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: create(ada, "one"), range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["executionId"] for answer in answers}) == 1
    assert count(database) == 1


def test_many_writers_at_once_all_get_through(ada: Caller, database: Database) -> None:
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: ada.create(), range(120)))
    assert len(set(answers)) == count(database) == 120


def test_what_is_answered_is_committed(database: Database, reference: Reference) -> None:
    app = create_app(Settings(), database, PEPPER, Catalog("rehearsal"))
    counted: list[int] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def looking(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["method"] == "POST":
                counted.append(count(database))
            await send(message)

        await app(scope, receive, looking)

    with TestClient(watched) as http:
        Team(http, database, reference).person("ada@example.org").create()
    assert counted == [1]
