"""The hot path, its document, and the long poll."""

import asyncio
import threading
from typing import Any

import pytest
from api.factories import Caller, Team, until
from fastapi import FastAPI

from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.evals.lifecycle import TestMode
from mixus.keys import service as keys_service
from mixus.server.api.documents import metrics
from mixus.server.api.schemas import StatusDocument
from mixus.server.services import Services


def services(app: FastAPI) -> Services:
    found: Services = app.state.services
    return found


def in_the_background(act: Any) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    return thread, answers


def a_life(team: Team, ada: Caller) -> list[dict[str, Any]]:
    """The status at every station: queued, waiting, hinted, waiting again, approved, completed."""
    execution_id = ada.create(reviewResult=True)
    seen = [ada.status(execution_id)]
    checkpoint_id = seen[0]["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    seen.append(ada.status(execution_id))
    ada.decide(execution_id, checkpoint_id, action="hint", hint="use 12 % instead")
    seen.append(ada.status(execution_id))
    team.pause(execution_id, checkpoint_id)
    seen.append(ada.status(execution_id))
    ada.decide(execution_id, checkpoint_id, attempt=2)
    seen.append(ada.status(execution_id))
    team.complete(execution_id)
    seen.append(ada.status(execution_id))
    return seen


def test_every_answer_fits_the_documented_model(team: Team, ada: Caller) -> None:
    for document in a_life(team, ada):
        StatusDocument.model_validate(document)
        assert set(document) == {field.alias for field in StatusDocument.model_fields.values()}


def test_versions_grow_and_statuses_follow_the_contract(team: Team, ada: Caller) -> None:
    seen = a_life(team, ada)
    versions = [document["version"] for document in seen]
    assert versions == sorted(set(versions))
    assert [document["status"] for document in seen] == [
        "queued",
        "awaiting-verification",
        "queued",
        "awaiting-verification",
        "queued",
        "completed",
    ]


def test_durations_add_up_exactly(team: Team, ada: Caller) -> None:
    for document in a_life(team, ada):
        spent = document["metrics"]
        assert spent["durationMs"] == spent["queuedMs"] + spent["agentMs"] + spent["waitingMs"]


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("queued", "queuedMs"),
        ("running", "agentMs"),
        ("awaiting-verification", "waitingMs"),
        ("failed", None),
    ],
)
def test_the_time_since_the_last_change_counts_for_the_present_status(status: str, name: str | None) -> None:
    row = dict.fromkeys(
        ["steps", "tool_calls", "input_tokens", "output_tokens", "cost_usd", "errors", "retries"]
    )
    row |= {"status": status, "queued_ms": 1, "agent_ms": 2, "waiting_ms": 4, "since": 1000}
    spent, skewed = metrics(row, 1100), metrics(row, 900)
    assert spent["durationMs"] == 7 + (100 if name else 0)
    assert skewed["durationMs"] == 7
    if name:
        assert spent[name] - skewed[name] == 100


def test_a_verified_run_that_asked_nobody_says_so(team: Team, ada: Caller) -> None:
    verified = ada.create(checkpoints=None)
    baseline = ada.create(checkpoints=None, testMode=TestMode.WITHOUT_VERIFICATION)
    for execution_id in (verified, baseline):
        assert ada.status(execution_id)["notice"] is None
        team.complete(execution_id)
    assert ada.status(verified)["notice"] == "no-effect-nobody-asked"
    assert ada.status(baseline)["notice"] is None


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"waitMs": "30001"}, "waitMs"),
        ({"waitMs": "-1"}, "waitMs"),
        ({"waitMs": "1.5"}, "waitMs"),
        ({"waitMs": ""}, "waitMs"),
        ({"waitMs": "9" * 5000}, "waitMs"),
        ({"since": "x"}, "since"),
        ({"wait_ms": "1"}, "wait_ms"),
    ],
)
def test_a_bad_wait_is_named(ada: Caller, parameters: dict[str, str], field: str) -> None:
    response = ada("GET", f"/api/eval/status/{ada.create()}", params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_nothing_is_held_when_there_is_news_already(team: Team, ada: Caller) -> None:
    execution_id = ada.create()
    path = f"/api/eval/status/{execution_id}"
    assert ada("GET", path, params={"waitMs": 30_000, "since": 0}).json()["version"] == 1
    team.complete(execution_id)
    final = ada.status(execution_id)["version"]
    assert ada("GET", path, params={"waitMs": 30_000, "since": final}).json()["version"] == final
    assert ada("GET", path, params={"waitMs": 30_000}).json()["version"] == final


def test_a_wait_ends_with_its_time(ada: Caller) -> None:
    response = ada("GET", f"/api/eval/status/{ada.create()}", params={"waitMs": 150, "since": 1})
    assert (response.status_code, response.json()["version"]) == (200, 1)


def test_a_wait_ends_with_a_change_made_elsewhere(
    app: FastAPI, ada: Caller, team: Team, database: Database
) -> None:
    execution_id = ada.create()
    path = f"/api/eval/status/{execution_id}"
    thread, answers = in_the_background(lambda: ada("GET", path, params={"waitMs": 30_000, "since": 1}))
    until(lambda: bool(services(app).watcher._waiters))
    elsewhere = Database(database.url.render_as_string(hide_password=False))
    Team(team.http, elsewhere, team.reference).complete(execution_id)
    elsewhere.close()
    thread.join(10)
    assert answers[0].json()["status"] == "completed"
    assert answers[0].elapsed.total_seconds() < 10


def test_a_key_that_is_revoked_during_a_wait_gets_no_answer(
    app: FastAPI, ada: Caller, database: Database
) -> None:
    path = f"/api/eval/status/{ada.create()}"
    thread, answers = in_the_background(lambda: ada("GET", path, params={"waitMs": 500}))
    until(lambda: bool(services(app).watcher._waiters))
    with database.transaction() as tx:
        keys_service.revoke(tx, Actor(None), ada.key_id, utc_now())
    thread.join(10)
    assert (answers[0].status_code, answers[0].json()["code"]) == (401, "key-revoked")


def test_an_execution_that_is_deleted_during_a_wait_is_gone(app: FastAPI, ada: Caller) -> None:
    execution_id = ada.create()
    path = f"/api/eval/status/{execution_id}"
    thread, answers = in_the_background(lambda: ada("GET", path, params={"waitMs": 30_000}))
    until(lambda: bool(services(app).watcher._waiters))
    ada("DELETE", f"/api/eval/executions/{execution_id}")
    thread.join(10)
    assert answers[0].status_code == 404


def test_many_wait_on_one_reader(app: FastAPI, ada: Caller, team: Team) -> None:
    created = [ada.create() for _ in range(70)]
    waits = [
        in_the_background(
            lambda path=f"/api/eval/status/{execution_id}": ada("GET", path, params={"waitMs": 30_000})
        )
        for execution_id in created
    ]
    until(lambda: len(services(app).watcher._waiters) == 70)
    for execution_id in created:
        ada("POST", f"/api/eval/executions/{execution_id}/cancel")
    for thread, answers in waits:
        thread.join(20)
        assert answers[0].json()["status"] == "cancelled"
    until(services(app).watcher.is_idle)


def test_a_client_that_leaves_frees_its_place(app: FastAPI, ada: Caller) -> None:
    """The server's own words for it: `http.disconnect` while the answer is held."""
    execution_id = ada.create()
    asyncio.run(asyncio.wait_for(_leave(app, ada, execution_id), 10))


async def _leave(app: FastAPI, ada: Caller, execution_id: str) -> None:
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/eval/status/{execution_id}",
        "query_string": b"waitMs=30000",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {ada.key}".encode())],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    assert not services(app).watcher._waiters
    assert sent[0]["status"] == 200
