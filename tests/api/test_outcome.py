"""`expectedOutcome` of a request and `score` of a status."""

from typing import Any

import pytest
from api.factories import Caller, Team
from factories import PEPPER
from starlette.testclient import TestClient

from mixus.agents.catalog import Catalog, ModelRules
from mixus.cli.building import require_judge
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Misconfigured
from mixus.core.settings import Settings
from mixus.evals import progress, scoring
from mixus.evals.lifecycle import Status
from mixus.server.app import create_app

CREATE = "/api/eval/create-task-agent"
SAID = {"taskDescription": "Calculate 2 plus 2"}
NUMBER = {"type": "number", "value": 4, "tolerance": 0.5}


def post(ada: Caller, expected: Any, **fields: Any) -> Any:
    return ada("POST", CREATE, json={**SAID, **fields, "expectedOutcome": expected})


@pytest.mark.parametrize(
    "expected",
    [
        NUMBER,
        {"type": "contains", "value": "4"},
        {"type": "equals", "value": "four"},
        {"type": "regex", "value": r"\b4\b"},
        {"type": "json", "value": {"sum": None}},
        {"type": "json", "value": [1], "match": "subset", "tolerance": None},
        {"type": "json", "value": {"type": "object"}, "match": "schema"},
    ],
    ids=str,
)
def test_every_type_of_outcome_is_taken_and_nothing_is_scored_before_the_end(
    ada: Caller, expected: dict[str, Any]
) -> None:
    response = post(ada, expected)
    assert response.status_code == 201
    assert ada.status(response.json()["executionId"])["score"] is None


def test_null_is_no_expectation(ada: Caller) -> None:
    assert post(ada, None).status_code == 201


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        ("4", "expectedOutcome"),
        ({}, "expectedOutcome.type"),
        ({"type": "number"}, "expectedOutcome.value"),
        ({"type": "sum", "value": 4}, "expectedOutcome.type"),
        ({"type": "number", "value": "4"}, "expectedOutcome.value"),
        ({"type": "number", "value": None}, "expectedOutcome.value"),
        ({"type": "number", "value": True}, "expectedOutcome.value"),
        ({"type": "number", "value": 4, "tolerance": -1}, "expectedOutcome.tolerance"),
        ({"type": "number", "value": 4, "match": "subset"}, "expectedOutcome.match"),
        ({"type": "contains", "value": "a", "tolerance": 1}, "expectedOutcome.tolerance"),
        ({"type": "contains", "value": " "}, "expectedOutcome.value"),
        ({"type": "contains", "value": "a", "case": True}, "expectedOutcome.case"),
        ({"type": "regex", "value": "(a"}, "expectedOutcome.value"),
        ({"type": "regex", "value": "(?=a)"}, "expectedOutcome.value"),
        ({"type": "json", "value": "{}"}, "expectedOutcome.value"),
        ({"type": "json", "value": {}, "match": "part"}, "expectedOutcome.match"),
        ({"type": "json", "value": [], "match": "schema"}, "expectedOutcome.value"),
        ({"type": "json", "value": {"type": 7}, "match": "schema"}, "expectedOutcome.value"),
        ({"type": "json", "value": {"$ref": "#"}, "match": "schema"}, "expectedOutcome.value"),
        ({"type": "json", "value": {"a": "b" * 17_000}}, "expectedOutcome.value"),
        ({"type": "judge", "value": "It is polite."}, "expectedOutcome.type"),
    ],
    ids=str,
)
def test_an_expectation_that_cannot_be_scored_is_refused_and_says_where(
    ada: Caller, expected: Any, field: str
) -> None:
    response = post(ada, expected)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_a_script_cannot_judge_itself(ada: Caller) -> None:
    said = {"model": "script", "script": [{"final": "4"}]}
    response = post(ada, {"type": "judge", "value": "It is polite."}, **said)
    assert response.status_code == 422
    assert "MIXUS_JUDGE_MODEL" in response.json()["detail"]


def test_where_there_is_a_judge_the_rehearsal_can_be_judged(
    database: Database, team: Team, ada: Caller
) -> None:
    catalog = Catalog("rehearsal", rules=ModelRules(judge="openai:gpt-4.1-mini"))
    with TestClient(create_app(Settings(), database, PEPPER, catalog)) as http:
        judged = Caller(http, team.reference, ada.account, ada.key, ada.key_id)
        assert post(judged, {"type": "judge", "value": "It is polite."}).status_code == 201


@pytest.mark.parametrize("judge", ["rehearsal", "script", "judge", "openai:", "nobody:model"])
def test_a_judge_that_cannot_be_used_is_refused_at_the_start(judge: str) -> None:
    with pytest.raises(Misconfigured, match="MIXUS_JUDGE_MODEL"):
        require_judge(Catalog("rehearsal", rules=ModelRules(judge=judge)))


def test_a_judge_is_one_of_the_models_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    allowed = frozenset({"openai:gpt-*"})
    require_judge(Catalog("rehearsal", rules=ModelRules(allowed, judge="openai:gpt-4.1-mini")))
    with pytest.raises(Misconfigured, match="not allowed"):
        require_judge(Catalog("rehearsal", rules=ModelRules(allowed, judge="openai:o3")))


def test_the_status_shows_the_score_of_a_completed_execution(
    ada: Caller, team: Team, database: Database
) -> None:
    execution = post(ada, NUMBER).json()["executionId"]
    leg = team._leg(execution)
    score = scoring.score(NUMBER, "The sum is 4.2.").shown()
    with database.transaction() as tx:
        progress.claim(tx, leg, utc_now())
        progress.complete(tx, leg, "The sum is 4.2.", utc_now(), score=score)
    status = ada.status(execution)
    assert status["status"] == Status.COMPLETED
    assert status["score"] == {
        "type": "number",
        "passed": True,
        "value": 4.2,
        "expected": 4,
        "detail": "The last number of the answer, 4.2, is 4 within 0.5.",
    }


def test_a_retry_expects_the_same(ada: Caller, team: Team, database: Database) -> None:
    execution = post(ada, NUMBER).json()["executionId"]
    ada("POST", f"/api/eval/executions/{execution}/cancel")
    again = ada("POST", f"/api/eval/executions/{execution}/retry").json()["executionId"]
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("select id, expected_outcome from executions").all()
    kept = {row.id: row.expected_outcome for row in found}
    assert kept[again] == kept[execution] is not None
