"""Time limits of reviewers, and what is measured of them, over HTTP."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from api.factories import Caller, Team
from factories import PEPPER
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from mixus.accounts.principal import Role, Scope
from mixus.accounts.tables import accounts
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.evals import viewing
from mixus.server.app import create_app
from mixus.worker.schedule import settle_overdue

BOB, CAROL = "bob@example.org", "carol@example.org"
LIMITS = {"reviewTimeoutMs": 3_600_000, "escalateTo": CAROL, "onReviewTimeout": "reject"}
EXTERNAL = {"taskDescription": "Refund order 7.", "agent": "refunds", "assignedReviewer": BOB}
SMTP = {"smtp_url": "smtp://localhost", "mail_from": "a@example.org", "public_url": "https://a.example"}


def paused(team: Team, caller: Caller, **fields: Any) -> tuple[str, str]:
    execution_id = caller.create(assignedReviewer=BOB, **fields)
    checkpoint_id = caller.status(execution_id)["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    return execution_id, checkpoint_id


def shown(caller: Caller, execution_id: str) -> dict[str, Any]:
    checkpoint: dict[str, Any] = caller.status(execution_id)["checkpoints"][0]
    return checkpoint


def later(database: Database, **duration: float) -> None:
    settle_overdue(database, utc_now() + timedelta(**duration))


def test_a_waiting_client_is_told_the_deadline(team: Team, ada: Caller, bob: Caller) -> None:
    execution_id, _ = paused(team, ada, **LIMITS)
    checkpoint = shown(ada, execution_id)
    requested, due = (datetime.fromisoformat(checkpoint[name]) for name in ("requestedAt", "dueAt"))
    assert due - requested == timedelta(hours=1)
    [queued] = bob("GET", "/api/eval/checkpoints").json()["items"]
    assert queued["dueAt"] == checkpoint["dueAt"]
    unlimited, _ = paused(team, ada)
    assert shown(ada, unlimited)["dueAt"] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reviewTimeoutMs": 59_999}, "reviewTimeoutMs"),
        ({"reviewTimeoutMs": 365 * 86_400_000 + 1}, "reviewTimeoutMs"),
        ({"reviewTimeoutMs": 60_000.5}, "reviewTimeoutMs"),
        ({"reviewTimeoutMs": "60000"}, "reviewTimeoutMs"),
        ({**LIMITS, "escalateTo": "nobody"}, "escalateTo"),
        ({**LIMITS, "escalateTo": BOB}, "escalateTo"),
        ({**LIMITS, "assignedReviewer": CAROL}, "escalateTo"),
        ({"escalateTo": CAROL}, "escalateTo"),
        ({"onReviewTimeout": "reject"}, "onReviewTimeout"),
        ({**LIMITS, "onReviewTimeout": "approve"}, "onReviewTimeout"),
    ],
)
@pytest.mark.parametrize("path", ["create-task-agent", "external-executions"])
def test_a_bad_limit_is_named_and_nothing_is_made(
    ada: Caller, path: str, fields: dict[str, Any], field: str
) -> None:
    body = EXTERNAL if path == "external-executions" else {"taskDescription": "x", "assignedReviewer": BOB}
    refused = ada("POST", f"/api/eval/{path}", json={**body, **fields})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert ada("GET", "/api/eval/executions").json()["items"] == []


@pytest.mark.parametrize("limit", [60_000, 365 * 86_400_000])
def test_the_shortest_and_the_longest_limit_are_taken(ada: Caller, limit: int) -> None:
    ada.create(reviewTimeoutMs=limit)


def test_who_made_it_cannot_be_whom_his_own_review_escalates_to(ada: Caller) -> None:
    body = {"taskDescription": "x", "reviewTimeoutMs": 60_000, "escalateTo": "ada@example.org"}
    assert ada("POST", "/api/eval/create-task-agent", json=body).status_code == 422


def test_what_nobody_decided_has_no_name_and_is_no_decision_of_a_person(
    database: Database, team: Team, ada: Caller, bob: Caller
) -> None:
    execution_id, checkpoint_id = paused(team, ada, reviewTimeoutMs=60_000, onReviewTimeout="reject")
    later(database, seconds=61)
    status = ada.status(execution_id)
    [checkpoint] = status["checkpoints"]
    assert (status["status"], checkpoint["status"], checkpoint["decision"]) == (
        *("rejected", "rejected"),
        "timeout",
    )
    assert (checkpoint["decidedBy"], checkpoint["decidedVia"], checkpoint["dueAt"]) == (None, None, None)
    human = status["humanVerification"]
    assert (human["requested"], human["rejected"], human["medianResponseMs"]) == (1, 0, None)
    totals = ada("GET", "/api/eval/metrics", params={"includeRehearsal": "true"}).json()["totals"]["human"]
    assert (totals["requested"], totals["rejected"], totals["medianResponseMs"]) == (1, 0, None)
    late = bob.decide(execution_id, checkpoint_id)
    assert (late.status_code, late.json()["code"]) == (409, "checkpoint-expired")
    assert late.json()["detail"].startswith("Nobody decided in time: this checkpoint was rejected at ")
    kinds = [
        item["kind"] for item in ada("GET", f"/api/eval/executions/{execution_id}/trace").json()["items"]
    ]
    assert kinds[-2:] == ["decision", "rejected"]


def test_an_escalation_shows_and_the_new_reviewer_decides(
    database: Database, team: Team, ada: Caller, bob: Caller
) -> None:
    carol = team.person(CAROL)
    ids = paused(team, ada, **LIMITS)
    version = ada.status(ids[0])["version"]
    later(database, hours=1, seconds=1)
    assert ada.status(ids[0])["version"] > version
    [listed] = ada("GET", "/api/eval/executions").json()["items"]
    assert listed["assignedReviewer"] == CAROL
    assert bob("GET", "/api/eval/checkpoints").json()["items"] == []
    assert bob.decide(*ids).status_code == 404
    assert carol.decide(*ids).json()["decidedBy"] == CAROL


def test_an_external_execution_has_the_same_limits(database: Database, ada: Caller) -> None:
    body = {**EXTERNAL, **LIMITS, "onReviewTimeout": "expire"}
    begun = ada("POST", "/api/eval/external-executions", json=body).json()
    path = f"/api/eval/external-executions/{begun['executionId']}"
    asked = {"workerId": begun["workerId"], "stage": "amount", "work": "It is $40."}
    assert ada("POST", f"{path}/checkpoints", json=asked).status_code == 201
    assert shown(ada, begun["executionId"])["dueAt"] is not None
    later(database, hours=1, seconds=1)
    later(database, hours=2, seconds=2)
    assert ada.status(begun["executionId"])["status"] == "expired"
    gone = ada("POST", f"{path}/checkpoints", json=asked)
    assert (gone.status_code, gone.json()["code"]) == (409, "execution-finished")


def test_a_retry_keeps_the_limits(database: Database, team: Team, ada: Caller) -> None:
    execution_id, _ = paused(team, ada, **LIMITS)
    later(database, hours=1, seconds=1)
    later(database, hours=3)
    again = ada("POST", f"/api/eval/executions/{execution_id}/retry").json()["executionId"]
    team.pause(again, shown(ada, again)["checkpointId"])
    assert shown(ada, again)["dueAt"] is not None
    [first] = [
        each for each in ada("GET", "/api/eval/executions").json()["items"] if each["executionId"] == again
    ]
    assert first["assignedReviewer"] == BOB


def test_what_a_page_measured_shows_in_status_metrics_and_exports(
    database: Database, team: Team, ada: Caller, bob: Caller
) -> None:
    ids = paused(team, ada)
    assert ada.status(ids[0])["humanVerification"]["activeReviewMs"] is None
    now = utc_now()
    for attempt, worked in ((1, 4_000), (2, 5_000)):
        with database.transaction() as tx:
            viewing.note_view(tx, ids[1], attempt, now)
            viewing.note_active(tx, ids[1], attempt, worked, now + timedelta(seconds=10))
        assert shown(ada, ids[0])["firstViewedAt"] is not None
        if attempt == 1:
            assert bob.decide(*ids, action="hint", hint="Use 10 %.").status_code == 200
            team.pause(*ids)
    checkpoint = shown(ada, ids[0])
    assert [hint["activeReviewMs"] for hint in checkpoint["hints"]] == [4_000]
    assert checkpoint["hints"][0]["firstViewedAt"] is not None
    assert ada.status(ids[0])["humanVerification"]["activeReviewMs"] == 9_000
    totals = ada("GET", "/api/eval/metrics", params={"includeRehearsal": "true"}).json()["totals"]
    assert totals["human"]["activeReviewMs"] == 9_000
    table = ada("GET", "/api/eval/export", params={"format": "csv", "includeRehearsal": "true"}).text
    head, record, _ = table.split("\r\n")
    assert dict(zip(head.split(","), record.rsplit(","), strict=False))["executionId"] == ids[0]
    assert (head.split(",")[-1], record.split(",")[-1]) == ("activeReviewMs", "9000")


@pytest.fixture
def app_with(database: Database) -> Any:
    def made(**settings: Any) -> FastAPI:
        return create_app(Settings.model_validate(settings), database, PEPPER, Catalog("rehearsal"))

    return made


@pytest.mark.parametrize(
    ("settings", "fields", "sentence"),
    [
        ({}, {}, "eve@example.org has no account here and cannot be asked; make one"),
        (
            {**SMTP, "public_url": None},
            {},
            "and cannot be asked, and no mail leaves (MIXUS_PUBLIC_URL not set); make one",
        ),
        (SMTP, {}, None),
        ({**SMTP, "review_links": "view"}, {}, "the links in mails decide nothing (MIXUS_REVIEW_LINKS=view)"),
        ({**SMTP, "review_links": "off"}, {}, "the links in mails decide nothing (MIXUS_REVIEW_LINKS=off)"),
        ({}, {"assignedReviewer": BOB}, None),
        ({}, {"assignedReviewer": "viewer@example.org"}, "viewer@example.org is a viewer and may not decide"),
        ({}, {"assignedReviewer": "gone@example.org"}, "The account of gone@example.org is disabled"),
        ({}, {**LIMITS, "assignedReviewer": BOB}, "carol@example.org has no account here"),
        (SMTP, {**LIMITS, "assignedReviewer": BOB}, None),
    ],
)
def test_a_reviewer_whom_nothing_reaches_is_a_warning(
    team: Team, bob: Caller, app_with: Any, settings: Any, fields: Any, sentence: str | None
) -> None:
    team.person("viewer@example.org", scopes=[Scope.READ], role=Role.VIEWER)
    team.person("gone@example.org")
    with team.database.transaction() as tx:
        tx.execute(
            update(accounts).where(accounts.c.email == "gone@example.org").values(disabled_at=utc_now())
        )
    body = {"taskDescription": "x", "assignedReviewer": "eve@example.org", **fields}
    with TestClient(app_with(**settings)) as http:
        headers = {"Authorization": f"Bearer {bob.key}"}
        answer = http.post("/api/eval/create-task-agent", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    warnings = answer.json()["warnings"]
    assert {warning["code"] for warning in warnings} <= {"reviewer-unreachable"}
    assert [sentence in warning["message"] for warning in warnings if sentence] == (
        [] if sentence is None else [True]
    )
    assert bool(warnings) is (sentence is not None)
