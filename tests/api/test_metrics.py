"""Metrics over many executions: what they count, what they leave out, and for whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from api.factories import Caller, Team
from sqlalchemy import update

from mixus.accounts.principal import Role, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.ids import new_id
from mixus.evals.lifecycle import Status
from mixus.evals.tables import executions

METRICS = "/api/eval/metrics"
MODEL = "openai:some-model"


def metrics(caller: Caller, **parameters: str) -> dict[str, Any]:
    response = caller("GET", METRICS, params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


@pytest.fixture
def change(database: Database) -> Any:
    def changed(execution_id: str, **values: Any) -> str:
        with database.transaction() as tx:
            tx.execute(update(executions).where(executions.c.id == execution_id).values(**values))
        return execution_id

    return changed


def finished(change: Any, caller: Caller, **values: Any) -> str:
    now = utc_now()
    row = {"model": MODEL, "status": Status.COMPLETED, "finished_at": now, "since": now, **values}
    return str(change(caller.create(), **row))


def paused(team: Team, caller: Caller, **fields: Any) -> tuple[str, str]:
    execution_id = caller.create(**fields)
    checkpoint_id = caller.status(execution_id)["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    return execution_id, checkpoint_id


def test_what_people_did_is_the_sum_of_what_the_statuses_say(team: Team, ada: Caller) -> None:
    approved, rejected, hinted, waiting = (paused(team, ada) for _ in range(4))
    assert ada.decide(*approved).status_code == 200
    assert ada.decide(*rejected, action="reject").status_code == 200
    assert ada.decide(*hinted, action="hint", hint="Use 10 %.").status_code == 200
    team.pause(*hinted)
    statuses = [ada.status(execution_id) for execution_id, _ in (approved, rejected, hinted, waiting)]
    human = metrics(ada, includeRehearsal="true")["totals"]["human"]
    for name in ("requested", "approved", "edited", "rejected", "hints", "byKey"):
        assert human[name] == sum(status["humanVerification"][name] for status in statuses), name
    assert (human["requested"], human["hints"], human["byKey"]) == (5, 1, 3)
    times = [status["humanVerification"]["medianResponseMs"] for status in statuses[:3]]
    assert human["medianResponseMs"] == sorted(times)[1]


def test_an_execution_and_many_have_the_median_by_one_rule(
    team: Team, ada: Caller, database: Database
) -> None:
    execution_id, checkpoint_id = paused(team, ada)
    ada.decide(execution_id, checkpoint_id, action="hint", hint="Use 10 %.")
    team.pause(execution_id, checkpoint_id)
    ada.decide(execution_id, checkpoint_id, attempt=2)
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("update checkpoints set decided_at = requested_at + 1000000000")
    human = metrics(ada, includeRehearsal="true")["totals"]["human"]
    own = ada.status(execution_id)["humanVerification"]
    assert own["medianResponseMs"] == human["medianResponseMs"] < 1_000_000_000 // 2


def test_an_approval_in_another_form_counts_as_edited(team: Team, ada: Caller, database: Database) -> None:
    execution_id, checkpoint_id = paused(team, ada)
    ada.decide(execution_id, checkpoint_id)
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("update checkpoints set effective_actions = '[]'")
    assert ada.status(execution_id)["humanVerification"]["edited"] == 1
    assert metrics(ada, includeRehearsal="true")["totals"]["human"]["edited"] == 1


def test_in_the_baseline_nobody_is_asked(team: Team, ada: Caller, database: Database) -> None:
    ada.create(testMode="without-verification")
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("update checkpoints set requested_at = 1, decision = 'approve'")
    (group,) = metrics(ada, includeRehearsal="true")["groups"]
    assert group["testMode"] == "without-verification"
    assert {name: value for name, value in group["human"].items() if value} == {}


def test_the_time_that_somebody_is_being_waited_for_counts_already(
    team: Team, ada: Caller, change: Any
) -> None:
    execution_id, _ = paused(team, ada)
    change(execution_id, since=utc_now() - timedelta(hours=1), waiting_ms=5)
    totals = metrics(ada, includeRehearsal="true")["totals"]
    assert 3_600_005 <= totals["human"]["waitingMs"] <= ada.status(execution_id)["metrics"]["waitingMs"]
    assert totals["durations"]["waitingMs"] == {"sum": 0, "median": None, "p90": None}


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 11])
def test_median_and_p90_are_exact_and_of_finished_executions(ada: Caller, change: Any, size: int) -> None:
    values = [(number * 7919) % 1000 for number in range(size)]
    for value in values:
        finished(change, ada, queued_ms=value, agent_ms=2 * value, waiting_ms=3)
    change(ada.create(), model=MODEL, queued_ms=10**9)
    ranked = sorted(values)
    # The smallest value that at least that share of all values does not exceed.
    median = next(value for value in ranked if 2 * sum(other <= value for other in ranked) >= size)
    p90 = next(value for value in ranked if 10 * sum(other <= value for other in ranked) >= 9 * size)
    document = metrics(ada)
    for totals in (document["totals"], *document["groups"]):
        assert totals["durations"] == {
            "durationMs": {
                "sum": 3 * sum(values) + 3 * size,
                "median": 3 * median + 3,
                "p90": 3 * p90 + 3,
            },
            "agentMs": {"sum": 2 * sum(values), "median": 2 * median, "p90": 2 * p90},
            "queuedMs": {"sum": sum(values), "median": median, "p90": p90},
            "waitingMs": {"sum": 3 * size, "median": 3, "p90": 3},
        }


def test_unscored_is_neither_success_nor_failure(ada: Caller, change: Any) -> None:
    for passed in (True, True, False, None, None):
        finished(change, ada, passed=passed)
    finished(change, ada, status=Status.FAILED)
    change(ada.create(), model=MODEL)
    totals = metrics(ada)["totals"]
    names = ("executions", "finished", "scored", "passed", "failedScore", "unscored")
    assert [totals[name] for name in names] == [7, 6, 3, 2, 1, 4]
    assert totals["successRate"] == pytest.approx(2 / 3, abs=1e-6)
    assert totals["errorRate"] == pytest.approx(1 / 6, abs=1e-6)
    counted = {status: count for status, count in totals["byStatus"].items() if count}
    assert counted == {"completed": 5, "failed": 1, "queued": 1}
    assert set(totals["byStatus"]) == set(Status)


def test_of_nothing_there_is_no_rate_and_no_sum(ada: Caller) -> None:
    document = metrics(ada)
    assert document["groups"] == []
    totals = document["totals"]
    assert (totals["executions"], totals["successRate"], totals["errorRate"]) == (0, None, None)
    assert totals["cost"] == {"costUsd": None, "costKnown": 0, "costUnknown": 0}
    assert totals["human"]["medianResponseMs"] is None


def test_what_is_unknown_is_counted_and_not_added_as_nothing(ada: Caller, change: Any) -> None:
    finished(change, ada, input_tokens=10, output_tokens=1, cost_usd=0.1)
    finished(change, ada, input_tokens=20, output_tokens=2, cost_usd=0.2)
    finished(change, ada, input_tokens=40)
    totals = metrics(ada)["totals"]
    assert totals["tokens"] == {
        "inputTokens": 30,
        "outputTokens": 3,
        "tokensKnown": 2,
        "tokensUnknown": 1,
    }
    assert totals["cost"] == {"costUsd": 0.3, "costKnown": 2, "costUnknown": 1}


def test_groups_are_by_mode_and_model_and_add_up_to_the_totals(ada: Caller, change: Any) -> None:
    for model in ("a:x", "a:x", "b:y", "script"):
        finished(change, ada, model=model, cost_usd=1.0, passed=True)
    change(ada.create(testMode="without-verification"), model="a:x")
    document = metrics(ada)
    counted = {(group["testMode"], group["model"]): group["executions"] for group in document["groups"]}
    assert counted == {
        ("with-verification", "a:x"): 2,
        ("with-verification", "b:y"): 1,
        ("with-verification", "script"): 1,
        ("without-verification", "a:x"): 1,
    }
    for name in ("executions", "finished", "passed", "unscored"):
        assert document["totals"][name] == sum(group[name] for group in document["groups"])


def test_rehearsal_is_left_out_unless_it_is_asked_for(ada: Caller, change: Any) -> None:
    ada.create()
    finished(change, ada)
    assert [group["rehearsal"] for group in metrics(ada)["groups"]] == [False]
    assert [group["rehearsal"] for group in metrics(ada, includeRehearsal="true")["groups"]] == [False, True]
    assert [group["rehearsal"] for group in metrics(ada, model="rehearsal")["groups"]] == [True]


def test_each_counts_what_he_may_see(team: Team, ada: Caller, bob: Caller, change: Any) -> None:
    finished(change, ada)
    finished(change, ada, assigned_reviewer="bob@example.org")
    seen = [metrics(caller)["totals"]["executions"] for caller in (ada, bob)]
    admin = team.person("root@example.org", role=Role.ADMIN)
    stranger = team.person("eve@example.org")
    assert [*seen, *(metrics(each)["totals"]["executions"] for each in (admin, stranger))] == [2, 1, 2, 0]


def test_metrics_are_filtered(ada: Caller, change: Any) -> None:
    finished(change, ada, model="a:x", template="commission")
    finished(change, ada, model="b:y")
    change(ada.create(testMode="without-verification"), model="b:y")
    old = finished(change, ada, model="old")
    change(old, created_at=utc_now() - timedelta(days=40))

    def count(**parameters: str) -> int:
        return int(metrics(ada, **parameters)["totals"]["executions"])

    assert count() == 3
    assert count(model="a:x") == count(template="commission") == 1
    assert count(testMode="with-verification") == 2
    assert count(template="another") == 0
    start = (utc_now() - timedelta(days=41)).isoformat()
    assert count(**{"from": start}) == 4
    assert count(**{"from": start, "to": (utc_now() - timedelta(days=39)).isoformat()}) == 1


def test_the_range_is_stated(ada: Caller) -> None:
    document = metrics(ada)
    start, end = (datetime.fromisoformat(document[name]) for name in ("from", "to"))
    assert end - start == timedelta(days=30)
    assert timedelta() <= utc_now() - end < timedelta(minutes=1)
    asked = {"from": "2026-01-01T00:00:00.000Z", "to": "2027-01-02T00:00:00.000Z"}
    document = metrics(ada, **asked)
    assert {name: document[name] for name in asked} == asked
    assert metrics(ada, to="0001-01-02T00:00:00Z")["from"] == "0001-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"from": "2026-01-01T00:00:00Z", "to": "2027-01-02T00:00:00.001Z"}, "from"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"from": "9999-01-01T00:00:00Z"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01T00:00:00Z"}, "to"),
        ({"testMode": "both"}, "testMode"),
        ({"model": ""}, "model"),
        ({"model": "\0"}, "model"),
        ({"template": "x" * 65}, "template"),
        ({"includeRehearsal": "yes"}, "includeRehearsal"),
        ({"includeRehearsal": "1"}, "includeRehearsal"),
        ({"status": "completed"}, "status"),
    ],
)
def test_a_bad_parameter_is_named(ada: Caller, parameters: dict[str, str], field: str) -> None:
    response = ada("GET", METRICS, params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_metrics_need_a_key_that_may_read(team: Team, ada: Caller) -> None:
    assert ada.http.get(METRICS).status_code == 401
    creator = team.with_key(ada.account, (Scope.CREATE,))
    refused = creator("GET", METRICS)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient-scope")
    assert team.with_key(ada.account, (Scope.READ,))("GET", METRICS).status_code == 200


def test_a_deleted_execution_counts_no_more(ada: Caller, change: Any) -> None:
    execution_id = finished(change, ada, worker_id=new_id("wrk"))
    assert ada("DELETE", f"/api/eval/executions/{execution_id}").status_code == 204
    assert metrics(ada)["totals"]["executions"] == 0
