"""The trace in pages and as a stream."""

import json
import threading
from typing import Any

import pytest
from api.factories import Caller, Team, until
from fastapi import FastAPI

from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.keys import service as keys_service
from mixus.server.api import events

LIST = "/api/eval/executions"


def parsed(text: str) -> list[tuple[str | None, str, Any]]:
    """Each event as (id, event, data); comments are left out."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
    return found


def follow(caller: Caller, execution_id: str, **headers: str) -> Any:
    return caller("GET", f"{LIST}/{execution_id}/events", headers=headers)


@pytest.fixture
def finished(team: Team, ada: Caller) -> str:
    execution_id = ada.create()
    ada("PATCH", f"{LIST}/{execution_id}", json={"taskName": "new"})
    team.complete(execution_id)
    return execution_id


def test_the_trace_is_in_order_and_in_pages(ada: Caller, finished: str) -> None:
    first = ada("GET", f"{LIST}/{finished}/trace", params={"limit": 3}).json()
    second = ada("GET", f"{LIST}/{finished}/trace", params={"limit": 3, "cursor": first["nextCursor"]}).json()
    entries = first["items"] + second["items"]
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4]
    assert [entry["kind"] for entry in entries] == ["created", "updated", "started", "completed"]
    assert second["nextCursor"] is None
    assert first["rehearsal"] is True


@pytest.mark.parametrize(
    "parameters",
    [{"limit": "0"}, {"cursor": "!"}, {"cursor": "OTk5OTk5OTk5OTphCg"}, {"cursor": "OTk5OTk5OTk5OTph"}],
)
def test_a_bad_trace_parameter_is_named(ada: Caller, finished: str, parameters: dict[str, str]) -> None:
    response = ada("GET", f"{LIST}/{finished}/trace", params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(parameters))


def test_the_stream_is_the_trace_and_ends_with_the_execution(ada: Caller, finished: str) -> None:
    response = follow(ada, finished)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-store"
    *entries, closing = parsed(response.text)
    listed = ada("GET", f"{LIST}/{finished}/trace").json()["items"]
    assert [data for _, _, data in entries] == listed
    assert [(event_id, kind) for event_id, kind, _ in entries] == [
        (str(entry["number"]), entry["kind"]) for entry in listed
    ]
    assert closing == (None, "closed", {"reason": "finished"})


def test_the_stream_goes_on_after_the_last_event(ada: Caller, finished: str) -> None:
    found = parsed(follow(ada, finished, **{"Last-Event-ID": "3"}).text)
    assert [event_id for event_id, _, _ in found] == ["4", None]
    assert parsed(follow(ada, finished, **{"Last-Event-ID": "999"}).text) == [
        (None, "closed", {"reason": "finished"})
    ]


@pytest.mark.parametrize("last", ["x", "-1", "", "1.5", "9999999999"])
def test_a_bad_last_event_is_named(ada: Caller, finished: str, last: str) -> None:
    response = follow(ada, finished, **{"Last-Event-ID": last})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Last-Event-ID"


def test_a_long_trace_is_streamed_whole(ada: Caller) -> None:
    execution_id = ada.create()
    for number in range(events.ENTRIES_AT_ONCE + 1):
        ada("PATCH", f"{LIST}/{execution_id}", json={"taskName": str(number)})
    ada("POST", f"{LIST}/{execution_id}/cancel")
    *entries, _ = parsed(follow(ada, execution_id).text)
    assert [int(event_id or 0) for event_id, _, _ in entries] == list(range(1, events.ENTRIES_AT_ONCE + 4))


def streaming(app: FastAPI, caller: Caller, execution_id: str) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(follow(caller, execution_id)))
    thread.start()
    until(lambda: bool(app.state.services.watcher._waiters))
    return thread, answers


def test_an_open_stream_tells_what_happens_and_ends_with_the_execution(app: FastAPI, ada: Caller) -> None:
    execution_id = ada.create()
    thread, answers = streaming(app, ada, execution_id)
    ada("POST", f"{LIST}/{execution_id}/cancel")
    thread.join(10)
    assert [kind for _, kind, _ in parsed(answers[0].text)] == ["created", "cancelled", "closed"]


def test_an_open_stream_ends_when_the_execution_is_deleted(app: FastAPI, ada: Caller) -> None:
    execution_id = ada.create()
    thread, answers = streaming(app, ada, execution_id)
    ada("DELETE", f"{LIST}/{execution_id}")
    thread.join(10)
    assert parsed(answers[0].text)[-1] == (None, "closed", {"reason": "deleted"})


def test_an_open_stream_says_that_it_lives_and_ends_with_the_key(
    app: FastAPI, ada: Caller, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)
    thread, answers = streaming(app, ada, ada.create())
    with database.transaction() as tx:
        keys_service.revoke(tx, Actor(None), ada.key_id, utc_now())
    thread.join(10)
    assert ": keep-alive\n\n" in answers[0].text
    assert parsed(answers[0].text)[-1] == (None, "closed", {"reason": "credential"})


def test_a_former_reviewer_is_told_no_more(app: FastAPI, ada: Caller, bob: Caller) -> None:
    execution_id = ada.create(assignedReviewer="bob@example.org")
    thread, answers = streaming(app, bob, execution_id)
    ada("PATCH", f"{LIST}/{execution_id}", json={"assignedReviewer": "ada@example.org"})
    thread.join(10)
    assert [kind for _, kind, _ in parsed(answers[0].text)] == ["created", "closed"]
