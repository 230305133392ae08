"""The export: whole, apart from rehearsal, harmless in a spreadsheet, and cut off where it must be."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from api.factories import Caller, Team
from fastapi import FastAPI
from sqlalchemy import delete, update

from mixus.accounts.principal import Role, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.evals import export as pages
from mixus.evals.tables import executions
from mixus.keys import service as keys_service
from mixus.server.api import export
from mixus.server.api.export_formats import COLUMNS

EXPORT = "/api/eval/export"
MODEL = "openai:some-model"
Act = Callable[[], None]


def lines(caller: Caller, **parameters: str) -> list[dict[str, Any]]:
    response = caller("GET", EXPORT, params=parameters)
    assert response.status_code == 200, response.text
    assert response.text.endswith("\n")
    return [json.loads(line) for line in response.text.splitlines()]


def documents(caller: Caller, **parameters: str) -> list[dict[str, Any]]:
    *found, end = lines(caller, **parameters)
    assert end == {"complete": True, "count": len(found), "code": None}
    return found


def ids(caller: Caller, **parameters: str) -> list[str]:
    return [document["executionId"] for document in documents(caller, **parameters)]


def table(caller: Caller, **parameters: str) -> list[dict[str, str]]:
    response = caller("GET", EXPORT, params={"format": "csv", **parameters})
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text, newline=""), strict=True))


def real(database: Database, caller: Caller, number: int = 1, **values: Any) -> list[str]:
    """Executions of a model that is no rehearsal."""
    made = [caller.create() for _ in range(number)]
    with database.transaction() as tx:
        tx.execute(update(executions).where(executions.c.id.in_(made)).values(model=MODEL, **values))
    return made


def test_a_line_is_the_status_and_its_task(
    team: Team, ada: Caller, reference: Any, database: Database
) -> None:
    (execution_id,) = real(
        database,
        ada,
        template="commission",
        parameters={"sales": 50_000},
        expected_outcome={"type": "number", "value": 7500},
        score={"type": "number", "passed": True, "value": 7500, "expected": 7500, "detail": "As expected."},
        metadata={"build": [7, None]},
    )
    team.pause(execution_id, ada.status(execution_id)["checkpoints"][0]["checkpointId"])
    ada("POST", f"/api/eval/executions/{execution_id}/cancel")
    response = ada("GET", EXPORT)
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["content-disposition"] == 'attachment; filename="mixus-executions.jsonl"'
    document, end = (json.loads(line) for line in response.text.splitlines())
    assert document == ada.status(execution_id) | {
        "taskDescription": "Calculate 15 % of 50,000 and send the result to bob@example.org",
        "template": "commission",
        "parameters": {"sales": 50_000},
        "expectedOutcome": {"type": "number", "value": 7500},
        "metadata": {"build": [7, None]},
        "assignedReviewer": "ada@example.org",
        "retryOf": None,
    }
    content = reference.operation("GET", EXPORT)["responses"]["200"]["content"]
    schema = content["application/jsonl"]["schema"]
    validator = jsonschema_rs.validator_for({**schema, "components": reference.document["components"]})
    validator.validate(document)
    validator.validate(end)


def test_all_executions_come_once_and_oldest_first(
    ada: Caller, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = real(database, ada, 7)
    with database.transaction() as tx:
        hour_ago = utc_now() - timedelta(hours=1)
        for number, execution_id in enumerate(made):
            # Two of them in each millisecond.
            at = hour_ago - timedelta(milliseconds=number // 2)
            tx.execute(update(executions).where(executions.c.id == execution_id).values(created_at=at))
    whole = ids(ada)
    monkeypatch.setattr(pages, "PLACES_AT_ONCE", 3)
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(export, "PIECE_BYTES", 1)
    places = [(document["createdAt"], document["executionId"]) for document in documents(ada)]
    assert [execution_id for _, execution_id in places] == whole
    assert places == sorted(places)
    assert sorted(execution_id for _, execution_id in places) == sorted(made)
    assert [row["executionId"] for row in table(ada)] == [execution_id for _, execution_id in places]


def test_rehearsal_is_left_out_unless_it_is_asked_for_and_marked(ada: Caller, database: Database) -> None:
    rehearsed = ada.create()
    (made,) = real(database, ada)
    assert ids(ada) == [made]
    marks = {each["executionId"]: each["rehearsal"] for each in documents(ada, includeRehearsal="true")}
    assert marks == {rehearsed: True, made: False}
    shown = {row["executionId"]: row["rehearsal"] for row in table(ada, includeRehearsal="true")}
    assert shown == {rehearsed: "true", made: "false"}


def test_each_exports_what_he_may_see(team: Team, ada: Caller, bob: Caller, database: Database) -> None:
    (own,) = real(database, ada)
    (reviewed,) = real(database, ada, assigned_reviewer="bob@example.org")
    assert sorted(ids(ada)) == sorted([own, reviewed])
    assert ids(bob) == [reviewed]
    assert len(ids(team.person("root@example.org", role=Role.ADMIN))) == 2
    assert ids(team.person("eve@example.org")) == []


def test_an_export_is_filtered_as_the_list_is(team: Team, ada: Caller, database: Database) -> None:
    first, second = real(database, ada, 2)
    ada("PATCH", f"/api/eval/executions/{first}", json={"taskName": "Findable THING"})
    team.complete(second)
    assert ids(ada, status="completed") == [second]
    assert ids(ada, q="findable thing") == [first]
    assert ids(ada, testMode="without-verification") == []
    assert len(ids(ada, **{"from": "2026-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"})) == 2
    assert ids(ada, to="2026-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"format": "xlsx"}, "format"),
        ({"status": "done"}, "status"),
        ({"testMode": ""}, "testMode"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01T00:00:00Z"}, "to"),
        ({"q": "x" * 201}, "q"),
        ({"includeRehearsal": "on"}, "includeRehearsal"),
        ({"limit": "5"}, "limit"),
    ],
)
def test_a_bad_parameter_is_named(ada: Caller, parameters: dict[str, str], field: str) -> None:
    response = ada("GET", EXPORT, params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_an_export_needs_a_key_that_may_read(team: Team, ada: Caller) -> None:
    assert ada.http.get(EXPORT).status_code == 401
    refused = team.with_key(ada.account, (Scope.CREATE,))("GET", EXPORT)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient-scope")


def test_a_table_holds_any_text_as_it_is(team: Team, ada: Caller, database: Database) -> None:
    text = 'He said "no, never",\r\nand left; ö\n\t😀'
    (execution_id,) = real(database, ada, task_description=text, metadata={"a": 'x"y'})
    team.complete(execution_id, "first\nsecond")
    response = ada("GET", EXPORT, params={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="mixus-executions.csv"'
    assert response.text.startswith(",".join(COLUMNS) + "\r\n")
    assert response.text.endswith("\r\n")
    (row,) = table(ada)
    assert (row["taskDescription"], row["result"]) == (text, "first\nsecond")
    assert json.loads(row["metadata"]) == {"a": 'x"y'}
    status = ada.status(execution_id)
    assert row["durationMs"] == str(status["metrics"]["durationMs"])
    assert row["createdAt"] == status["createdAt"]
    assert (row["inputTokens"], row["scorePassed"], row["errorCode"]) == ("", "", "")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_spreadsheet_runs_no_cell(ada: Caller, database: Database, first: str) -> None:
    text = f'{first}HYPERLINK("https://example.org")'
    score = {"type": "equals", "passed": False, "value": text, "expected": "", "detail": text}
    real(database, ada, task_name=text, task_description=text, result=text, score=score)
    (row,) = table(ada)
    for column in ("taskName", "taskDescription", "result", "scoreValue", "scoreDetail"):
        assert row[column] == f"'{text}", column


def test_an_empty_export_is_complete(ada: Caller) -> None:
    assert documents(ada) == []
    assert ada("GET", EXPORT, params={"format": "csv"}).text == ",".join(COLUMNS) + "\r\n"


def received(app: FastAPI, caller: Caller, form: str, act: Act) -> tuple[bytes, bool]:
    """What was sent when `act` follows upon the first piece, and whether the answer was ended properly."""
    body, is_ended = bytearray(), False

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("the client stays")

    async def send(message: Any) -> None:
        nonlocal is_ended
        if message["type"] == "http.response.body":
            if not body:
                act()
            body.extend(message["body"])
            is_ended = not message["more_body"]

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": EXPORT,
        "raw_path": EXPORT.encode(),
        "root_path": "",
        "query_string": f"format={form}".encode(),
        "headers": [(b"authorization", f"Bearer {caller.key}".encode())],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(app(scope, receive, send))
    return bytes(body), is_ended


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(export, "PIECE_BYTES", 1)


@pytest.mark.usefixtures("small_pieces")
def test_an_export_ends_with_its_key_and_says_so(app: FastAPI, ada: Caller, database: Database) -> None:
    real(database, ada, 5)

    def revoke() -> None:
        with database.transaction() as tx:
            keys_service.revoke(tx, Actor(None), ada.key_id, utc_now())

    body, is_ended = received(app, ada, "jsonl", revoke)
    first, end = body.splitlines(keepends=True)
    assert json.loads(first)["success"] is True
    assert json.loads(end) == {"complete": False, "count": 1, "code": "key-revoked"}
    assert end.endswith(b"\n")
    assert not is_ended


@pytest.mark.usefixtures("small_pieces")
def test_a_table_that_is_cut_off_is_not_ended_and_holds_whole_records(
    app: FastAPI, ada: Caller, database: Database
) -> None:
    real(database, ada, 5)

    def revoke() -> None:
        with database.transaction() as tx:
            keys_service.revoke(tx, Actor(None), ada.key_id, utc_now())

    body, is_ended = received(app, ada, "csv", revoke)
    assert not is_ended
    rows = list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))
    assert [len(row) for row in rows] == [len(COLUMNS)] * 2


@pytest.mark.usefixtures("small_pieces")
def test_what_is_deleted_or_hidden_meanwhile_is_exported_no_more(
    app: FastAPI, ada: Caller, bob: Caller, database: Database
) -> None:
    made = real(database, ada, 4, assigned_reviewer="bob@example.org")
    order = ids(bob)

    def change() -> None:
        with database.transaction() as tx:
            tx.execute(delete(executions).where(executions.c.id == order[2]))
            hidden = executions.c.id == order[3]
            tx.execute(update(executions).where(hidden).values(assigned_reviewer="ada@example.org"))

    body, is_ended = received(app, bob, "jsonl", change)
    *found, end = (json.loads(line) for line in body.splitlines())
    assert [document["executionId"] for document in found] == order[:2]
    assert (end["complete"], is_ended, sorted(order)) == (True, True, sorted(made))


@pytest.mark.usefixtures("small_pieces")
def test_an_open_export_holds_no_transaction(app: FastAPI, ada: Caller, database: Database) -> None:
    real(database, ada, 3)
    held: list[int] = []
    pool: Any = database.engine.pool
    _, is_ended = received(app, ada, "jsonl", lambda: held.append(pool.checkedout()))
    assert (held, is_ended) == ([0], True)


@pytest.mark.usefixtures("small_pieces")
def test_what_is_created_after_an_export_began_is_not_in_it(
    app: FastAPI, ada: Caller, database: Database
) -> None:
    made = real(database, ada, 3)

    def create() -> None:
        real(database, ada, 1, created_at=utc_now() + timedelta(seconds=1))

    body, is_ended = received(app, ada, "jsonl", create)
    *found, _ = (json.loads(line) for line in body.splitlines())
    assert is_ended
    assert sorted(document["executionId"] for document in found) == sorted(made)
