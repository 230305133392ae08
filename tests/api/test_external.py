"""Executions whose agent runs in a process of the caller's, over HTTP."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from api.factories import Caller, Team
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import update

from mixus.accounts.principal import Principal, Scope, Via
from mixus.agents.catalog import Live
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.evals.capacity import Capacity
from mixus.evals.decide import decide
from mixus.evals.lifecycle import Decision
from mixus.evals.tables import checkpoints
from mixus.evals.tasks import Verdict
from mixus.worker import leases, silence

ROOT = "/api/eval/external-executions"
TASK = {"taskDescription": "Refund order 7.", "agent": "refunds"}
REFUND = {"tool": "refund", "effect": "purchase", "arguments": {"order": 7, "amount": 40}}
CHECK = [{"stage": "amount", "description": "Check it.", "verificationQuestion": "Is it $40?"}]


@dataclass
class Agent:
    """A process outside, at work on one execution."""

    caller: Caller
    id: str
    worker_id: str

    def post(self, path: str, **fields: Any) -> Response:
        return self.caller("POST", f"{ROOT}/{self.id}/{path}", json={"workerId": self.worker_id, **fields})

    def propose(self, **fields: Any) -> dict[str, Any]:
        response = self.post("effects", **{**REFUND, **fields})
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        return document

    def start(self, action_id: str, arguments: Any = REFUND["arguments"], **fields: Any) -> Response:
        return self.post(f"effects/{action_id}/start", arguments=arguments, **fields)

    def conclude(self, action_id: str, **fields: Any) -> Response:
        return self.caller("POST", f"{ROOT}/{self.id}/effects/{action_id}/result", json=fields)

    def finish(self, result: str = "Done.") -> Response:
        return self.post("finish", result=result)

    def status(self) -> dict[str, Any]:
        return self.caller.status(self.id)

    def decide(self, **fields: Any) -> Response:
        waiting = next(each for each in self.status()["checkpoints"] if each["status"] == "awaiting")
        return self.caller.decide(
            self.id, waiting["checkpointId"], **{"attempt": waiting["attempt"], **fields}
        )

    def kinds(self) -> list[str]:
        items = self.caller("GET", f"/api/eval/executions/{self.id}/trace").json()["items"]
        return [item["kind"] for item in items]


Begin = Callable[..., Agent]


def begun_by(caller: Caller, **fields: Any) -> Agent:
    response = caller("POST", ROOT, json={**TASK, **fields})
    assert response.status_code == 201, response.text
    return Agent(caller, response.json()["executionId"], response.json()["workerId"])


@pytest.fixture
def begin(ada: Caller) -> Begin:
    return partial(begun_by, ada)


def code_of(response: Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_it_runs_at_once_and_is_named_after_its_agent(begin: Begin) -> None:
    status = begin().status()
    assert (status["status"], status["model"], status["rehearsal"]) == ("running", "external:refunds", False)
    assert status["startedAt"] == status["createdAt"]


def test_an_effect_waits_is_approved_is_begun_once_and_is_recorded_in_the_sandbox(begin: Begin) -> None:
    agent = begin()
    agent.post("steps", name="look up", data={"paid": 40}, durationMs=3)
    proposed = agent.propose()
    assert proposed["state"] == "awaiting"
    status = agent.status()
    assert status["status"] == "awaiting-verification"
    shown = status["checkpoints"][0]
    assert shown["proposedActions"] == [{"actionId": proposed["actionId"], **REFUND}]
    assert (shown["source"], shown["checkpointId"]) == ("auto", proposed["checkpointId"])
    assert shown["work"] == 'look up: {"paid": 40}'
    assert code_of(agent.start(proposed["actionId"])) == (409, "decision-awaited")
    assert agent.decide().status_code == 200
    assert agent.status()["status"] == "queued"
    started = agent.start(proposed["actionId"]).json()
    assert (started["state"], started["result"]["status"]) == ("done", "recorded")
    assert agent.status()["status"] == "running"
    assert code_of(agent.start(proposed["actionId"])) == (409, "effect-started")
    assert agent.finish().json()["status"] == "completed"
    done = agent.status()
    assert (done["status"], done["result"], done["notice"]) == ("completed", "Done.", None)
    times = done["metrics"]
    assert times["durationMs"] == times["queuedMs"] + times["agentMs"] + times["waitingMs"]
    assert times["toolCalls"] == 1


def test_a_sandbox_keeps_the_record_that_the_process_gives(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    agent.decide()
    assert agent.start(action_id, record={"refunded": 40}).json()["result"] == {"refunded": 40}


def test_other_arguments_than_the_approved_ones_are_refused(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    agent.decide()
    assert code_of(agent.start(action_id, {"order": 7, "amount": 4000})) == (409, "arguments-changed")
    assert agent.start(action_id).status_code == 201


def test_what_was_changed_in_the_rows_after_its_approval_is_not_released(
    begin: Begin, database: Database
) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    agent.decide()
    changed = {**REFUND, "arguments": {"order": 7, "amount": 4000}, "actionId": action_id}
    with database.transaction() as tx:
        tx.execute(update(checkpoints).values(effective_actions=[changed]))
    for arguments in (REFUND["arguments"], changed["arguments"]):
        assert code_of(agent.start(action_id, arguments)) == (409, "effect-not-released")


def test_of_long_work_the_reviewer_is_shown_the_last_20_000_characters(begin: Begin) -> None:
    agent = begin(reviewResult=True)
    agent.finish("x" * 20_000 + "the end")
    work = agent.status()["checkpoints"][0]["work"]
    assert (len(work), work[-8:]) == (20_000, "xthe end")


def test_an_edit_releases_the_edited_arguments_and_no_others(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    edited = {"order": 7, "amount": 35}
    answer = agent.decide(editedActions=[{"actionId": action_id, "arguments": edited}])
    assert answer.json()["effectiveActions"][0]["arguments"] == edited
    assert code_of(agent.start(action_id)) == (409, "arguments-changed")
    assert agent.start(action_id, edited).status_code == 201
    assert agent.status()["humanVerification"]["edited"] == 1


def test_a_rejection_ends_it_and_nothing_more_is_accepted(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    agent.decide(action="reject")
    assert agent.status()["status"] == "rejected"
    for response in (agent.start(action_id), agent.post("steps", name="on"), agent.finish()):
        assert code_of(response) == (409, "execution-finished")


def test_a_hint_drops_what_was_held_and_the_next_proposal_is_another_attempt(begin: Begin) -> None:
    agent = begin()
    first = agent.propose()
    agent.decide(action="hint", hint="35 is enough")
    assert code_of(agent.start(first["actionId"])) == (409, "effect-not-released")
    second = agent.propose(arguments={"order": 7, "amount": 35})
    assert (second["checkpointId"], second["attempt"]) == (first["checkpointId"], 2)
    agent.decide()
    assert code_of(agent.start(first["actionId"])) == (409, "effect-not-released")
    assert agent.start(second["actionId"], {"order": 7, "amount": 35}).status_code == 201


def test_a_sixth_hint_is_refused(begin: Begin) -> None:
    agent = begin()
    for _ in range(5):
        agent.propose()
        assert agent.decide(action="hint", hint="again").status_code == 200
    agent.propose()
    assert code_of(agent.decide(action="hint", hint="again")) == (409, "hint-limit")


def test_a_second_proposal_waits_until_the_first_is_decided(begin: Begin) -> None:
    agent = begin()
    agent.propose()
    assert code_of(agent.post("effects", **REFUND)) == (409, "decision-awaited")
    assert agent.post("steps", name="meanwhile").status_code == 201
    assert agent.status()["status"] == "awaiting-verification"


def test_an_approval_serves_one_call_only(begin: Begin) -> None:
    agent = begin()
    agent.propose()
    agent.decide()
    assert agent.propose()["state"] == "awaiting"


def test_the_baseline_goes_on_at_once_and_records_the_pause(begin: Begin) -> None:
    agent = begin(testMode="without-verification", checkpoints=CHECK, autoDetectCheckpoints=True)
    first, second = agent.propose(), agent.propose()
    assert (first["state"], second["state"]) == ("released", "released")
    assert agent.start(first["actionId"]).status_code == 201
    assert agent.finish().json()["status"] == "completed"
    checkpoints = agent.status()["checkpoints"]
    assert [(each["source"], each["status"]) for each in checkpoints] == [
        ("manual", "skipped"),
        ("auto", "skipped"),
    ]
    assert all(each["proposedActions"] for each in checkpoints)


def test_declared_checkpoints_hold_effects_and_the_answer_in_order(begin: Begin) -> None:
    two = [*CHECK, {"stage": "answer", "description": "The answer."}]
    agent = begin(checkpoints=two, reviewResult=True)
    action_id = agent.propose()["actionId"]
    agent.decide()
    assert agent.start(action_id).status_code == 201
    for stage in ("answer", "result"):
        held = agent.finish().json()
        assert held["status"] == "awaiting-verification"
        waiting = next(each for each in agent.status()["checkpoints"] if each["status"] == "awaiting")
        assert (waiting["stage"], waiting["work"]) == (stage, "Done.")
        agent.decide()
    assert agent.finish().json()["status"] == "completed"


def test_without_detection_effects_run_freely_after_the_last_declared_checkpoint(begin: Begin) -> None:
    agent = begin(checkpoints=CHECK)
    agent.propose()
    agent.decide()
    free = agent.propose(arguments={"order": 8})
    assert (free["state"], free["checkpointId"]) == ("released", None)
    assert code_of(agent.start(free["actionId"], {"order": 9})) == (409, "arguments-changed")
    assert agent.start(free["actionId"], {"order": 8}).status_code == 201
    assert code_of(agent.start(free["actionId"], {"order": 8})) == (409, "effect-started")


def test_the_answer_that_was_approved_is_the_one_that_can_be_given(begin: Begin) -> None:
    agent = begin(checkpoints=CHECK)
    agent.finish("40")
    agent.decide()
    assert code_of(agent.finish("4000")) == (409, "result-changed")
    assert agent.finish("40").json()["status"] == "completed"
    assert agent.finish("40").json()["status"] == "completed"
    assert code_of(agent.finish("4000")) == (409, "execution-finished")


def test_after_a_hint_on_the_answer_another_one_may_be_given(begin: Begin) -> None:
    agent = begin(reviewResult=True, autoDetectCheckpoints=False)
    agent.finish("40")
    agent.decide(action="hint", hint="in words")
    assert agent.propose()["state"] == "awaiting"
    agent.decide()
    assert agent.finish("forty").json()["attempt"] == 2
    agent.decide()
    assert agent.finish("forty").json()["status"] == "completed"


def test_the_agent_asks_for_a_reviewer_by_itself(begin: Begin) -> None:
    agent = begin()
    held = agent.post("checkpoints", stage="draft", work="The text.").json()
    assert (held["status"], held["attempt"]) == ("awaiting-verification", 1)
    waiting = agent.status()["checkpoints"][0]
    assert (waiting["stage"], waiting["work"], waiting["proposedActions"]) == ("draft", "The text.", [])
    agent.decide()
    free = begin(checkpoints=CHECK)
    free.post("checkpoints", stage="amount", work="40")
    free.decide()
    assert free.post("checkpoints", stage="more", work="x").json()["status"] == "running"


def test_steps_are_in_the_trace_and_those_with_tokens_count_as_model_calls(begin: Begin) -> None:
    agent = begin()
    agent.post("steps", name="plan", inputTokens=10, outputTokens=2, costUsd=0.5)
    agent.post("steps", name="plain")
    agent.post("steps", name="plan", inputTokens=5, outputTokens=1, error="TimeoutError")
    metrics = agent.status()["metrics"]
    assert (metrics["steps"], metrics["inputTokens"], metrics["outputTokens"]) == (2, 15, 3)
    assert (metrics["costUsd"], metrics["errors"]) == (None, 1)
    assert agent.kinds() == ["created", "started", "step", "step", "step"]


def test_the_answer_is_scored_where_an_outcome_was_expected(begin: Begin) -> None:
    agent = begin(expectedOutcome={"type": "number", "value": 40})
    agent.finish("Refunded $40.")
    assert agent.status()["score"]["passed"] is True


def test_giving_up_fails_with_the_agents_own_word(begin: Begin) -> None:
    agent = begin()
    assert agent.post("finish", error="KeyError").json()["status"] == "failed"
    assert agent.status()["error"] == {"code": "agent-error", "message": "KeyError"}


def test_a_cancel_ends_it_at_once(begin: Begin) -> None:
    agent = begin()
    assert agent.caller("POST", f"/api/eval/executions/{agent.id}/cancel").json()["status"] == "cancelled"
    assert code_of(agent.post("effects", **REFUND)) == (409, "execution-finished")


def test_it_is_not_retried_here(begin: Begin) -> None:
    agent = begin()
    agent.finish()
    path = f"/api/eval/executions/{agent.id}/retry"
    assert code_of(agent.caller("POST", path)) == (409, "external-execution")


def test_what_a_worker_runs_is_not_external(begin: Begin, ada: Caller) -> None:
    agent = begin()
    agent.id = ada.create()
    assert code_of(agent.post("steps", name="x")) == (409, "not-external")
    assert code_of(ada("POST", f"{ROOT}/{agent.id}/attach")) == (409, "not-external")


def test_it_takes_no_place_of_those_that_workers_run(begin: Begin, ada: Caller) -> None:
    for _ in range(11):
        begin()
    limits = ada("GET", "/api/keys/self").json()["limits"]
    assert limits["executions"]["running"] == 0


def test_nobody_takes_the_name_of_an_external_agent_for_a_task(ada: Caller) -> None:
    response = ada(
        "POST", "/api/eval/create-task-agent", json={"taskDescription": "x", "model": "external:refunds"}
    )
    assert response.status_code == 422


@pytest.fixture
def trusted(team: Team, ada: Caller) -> Caller:
    return team.trusted(ada.account)


@pytest.fixture
def real(trusted: Caller) -> Begin:
    """Live, and decided by somebody who is signed in."""
    return partial(begun_by, trusted, environment="live")


@pytest.fixture
def without_verification(app: FastAPI) -> None:
    app.state.services.catalog.live = Live(frozenset(), without_verification=True)


def test_live_needs_a_key_that_may(begin: Begin, ada: Caller) -> None:
    response = ada("POST", ROOT, json={**TASK, "environment": "live"})
    assert code_of(response) == (403, "live-forbidden")


def test_live_without_verification_needs_the_admin(trusted: Caller) -> None:
    response = trusted("POST", ROOT, json={**TASK, "environment": "live", "testMode": "without-verification"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "testMode")


@pytest.mark.usefixtures("without_verification")
def test_where_the_admin_says_so_live_may_go_without_verification(real: Begin) -> None:
    status = real(testMode="without-verification").status()
    assert (status["environment"], status["testMode"]) == ("live", "without-verification")


def test_the_right_to_live_is_asked_for_at_each_call(team: Team, real: Begin) -> None:
    agent = real(autoDetectCheckpoints=False)
    action_id = agent.propose()["actionId"]
    plain = Agent(team.with_key(agent.caller.account, [Scope.MANAGE]), agent.id, agent.worker_id)
    for response in (
        plain.start(action_id),
        plain.post("steps", name="x"),
        plain.post("effects", **REFUND),
        plain.finish(),
        plain.caller("POST", f"{ROOT}/{agent.id}/attach"),
    ):
        assert code_of(response) == (403, "live-forbidden")
    assert agent.start(action_id).status_code == 201


def test_as_many_run_outside_as_may_wait_for_a_human(begin: Begin, ada: Caller, app: FastAPI) -> None:
    app.state.services = replace(app.state.services, capacity=Capacity(queued=1000, waiting=2))
    first = begin()
    begin().propose()
    assert code_of(ada("POST", ROOT, json=TASK)) == (409, "waiting-full")
    first.finish()
    begin()


def test_in_live_no_key_decides(real: Begin) -> None:
    agent = real()
    agent.propose()
    assert code_of(agent.decide()) == (403, "live-needs-person")


def begun(agent: Agent) -> str:
    """An effect that is begun and has no result."""
    action_id = str(agent.propose()["actionId"])
    assert agent.start(action_id).json()["state"] == "started"
    return action_id


def approve_as_a_person(database: Database, agent: Agent, at: datetime | None = None) -> None:
    """In live no key decides."""
    waiting = next(each for each in agent.status()["checkpoints"] if each["status"] == "awaiting")
    account = agent.caller.account
    reviewer = Principal(
        account.id, account.email, account.role, frozenset({Scope.MANAGE}), "ses_1", Via.SESSION
    )
    with database.transaction() as tx:
        verdict = Verdict(waiting["attempt"], Decision.APPROVE)
        decide(tx, reviewer, agent.id, waiting["checkpointId"], verdict, at or utc_now())


def test_a_live_effect_is_begun_before_and_told_after(real: Begin) -> None:
    agent = real(autoDetectCheckpoints=False)
    free = agent.propose()["actionId"]
    assert code_of(agent.conclude(free, result=1)) == (409, "effect-not-started")
    assert agent.start(free, record=1).status_code == 422
    action_id = begun(agent)
    assert agent.kinds()[-1] == "effect-intended"
    told = agent.conclude(action_id, result={"id": 5}).json()
    assert (told["state"], told["result"]) == ("done", {"id": 5})
    assert agent.conclude(action_id, result="other").json()["result"] == {"id": 5}
    assert agent.kinds().count("tool-call") == 1


def test_an_effect_that_was_not_done_for_certain_is_an_error_and_no_question(
    real: Begin,
) -> None:
    agent = real(autoDetectCheckpoints=False)
    told = agent.conclude(begun(agent), error="The shop is closed.").json()
    assert (told["state"], told["result"]) == ("failed", "The shop is closed.")
    assert (agent.status()["status"], agent.status()["metrics"]["errors"]) == ("running", 1)


def test_an_effect_of_which_nobody_knows_is_shown_to_the_reviewer(real: Begin) -> None:
    agent = real(autoDetectCheckpoints=False)
    action_id = begun(agent)
    assert agent.conclude(action_id, isUnknown=True).json()["executionStatus"] == "awaiting-verification"
    waiting = agent.status()["checkpoints"][-1]
    assert (waiting["source"], waiting["proposedActions"][0]["actionId"]) == ("uncertain", action_id)


def test_another_process_goes_on_and_the_first_is_fenced_off(real: Begin, trusted: Caller) -> None:
    agent = real(autoDetectCheckpoints=False)
    done = begun(agent)
    agent.conclude(done, result="sent")
    left = begun(agent)
    attached = trusted("POST", f"{ROOT}/{agent.id}/attach").json()
    assert attached["status"] == "awaiting-verification"
    assert [(each["actionId"], each["state"]) for each in attached["effects"]] == [
        (done, "done"),
        (left, "started"),
    ]
    waiting = agent.status()["checkpoints"]
    assert [(each["source"], each["status"]) for each in waiting] == [("uncertain", "awaiting")]
    assert code_of(agent.post("steps", name="x")) == (409, "taken-over")
    assert code_of(agent.start(left)) == (409, "taken-over")
    # What it began is known to nobody else, so its result is still taken.
    assert agent.conclude(left, result="late").json()["result"] == "late"
    assert "late" in agent.status()["checkpoints"][0]["work"]
    other = Agent(trusted, agent.id, attached["workerId"])
    assert code_of(other.start(left)) == (409, "decision-awaited")


@pytest.mark.usefixtures("without_verification")
def test_in_the_baseline_an_uncertain_effect_ends_it(real: Begin, trusted: Caller) -> None:
    agent = real(testMode="without-verification")
    begun(agent)
    assert trusted("POST", f"{ROOT}/{agent.id}/attach").json()["status"] == "failed"
    assert agent.status()["error"]["code"] == "effect-uncertain"


def test_silence_after_a_beginning_asks_the_reviewer(real: Begin, database: Database) -> None:
    agent = real(autoDetectCheckpoints=False)
    begun(agent)
    silence.sweep(database, utc_now() + silence.SILENCE - timedelta(seconds=60))
    assert agent.status()["status"] == "running"
    later = utc_now() + silence.SILENCE
    assert silence.sweep(database, later) == 1
    assert agent.status()["checkpoints"][0]["source"] == "uncertain"
    assert silence.sweep(database, later) == 0


def test_silence_is_asked_about_after_a_decision_on_something_else(real: Begin, database: Database) -> None:
    """Its process began one effect, asked for another, and was gone when that was decided."""
    agent = real()
    action_id = agent.propose()["actionId"]
    approve_as_a_person(database, agent)
    agent.start(action_id)
    agent.propose()
    later = utc_now() + silence.SILENCE
    assert silence.sweep(database, later) == 0
    approve_as_a_person(database, agent, later)
    assert silence.sweep(database, later + timedelta(minutes=1)) == 0
    assert silence.sweep(database, later + silence.SILENCE) == 1
    waiting = agent.status()["checkpoints"][-1]
    assert (waiting["source"], waiting["proposedActions"][0]["actionId"]) == ("uncertain", action_id)


def test_nothing_is_completed_while_an_effect_has_no_result(real: Begin, database: Database) -> None:
    agent = real(autoDetectCheckpoints=False)
    action_id = begun(agent)
    held = agent.finish().json()
    waiting = agent.status()["checkpoints"][-1]
    assert (held["status"], held["checkpointId"]) == ("awaiting-verification", waiting["checkpointId"])
    assert (waiting["source"], waiting["proposedActions"][0]["actionId"]) == ("uncertain", action_id)
    approve_as_a_person(database, agent)
    assert agent.finish().json()["status"] == "completed"


def test_who_gives_up_leaves_no_effect_unmentioned(real: Begin) -> None:
    agent = real(autoDetectCheckpoints=False)
    begun(agent)
    assert agent.post("finish", error="I am lost.").json()["status"] == "failed"
    assert agent.status()["error"] == {
        "code": "effect-uncertain",
        "message": "I am lost. It is not known whether refund took effect.",
    }


def test_the_repeat_of_a_start_is_no_leave_to_act_for_a_process_that_was_replaced(
    real: Begin, trusted: Caller
) -> None:
    agent = real(autoDetectCheckpoints=False)
    body = {"workerId": agent.worker_id, "arguments": REFUND["arguments"]}
    sent = f"{ROOT}/{agent.id}/effects/{agent.propose()['actionId']}/start"
    key = {"Idempotency-Key": "lost"}
    assert trusted("POST", sent, json=body, headers=key).json()["state"] == "started"
    assert trusted("POST", sent, json=body, headers=key).json()["state"] == "started"
    trusted("POST", f"{ROOT}/{agent.id}/attach")
    assert code_of(trusted("POST", sent, json=body, headers=key)) == (409, "taken-over")
    trusted("POST", f"/api/eval/executions/{agent.id}/cancel")
    assert code_of(trusted("POST", sent, json=body, headers=key)) == (409, "execution-finished")


def test_the_answer_that_is_held_can_be_sent_again_where_no_answer_came(begin: Begin) -> None:
    agent = begin(reviewResult=True)
    first = agent.finish("40")
    assert agent.finish("40").json() == first.json()
    assert code_of(agent.finish("41")) == (409, "decision-awaited")
    agent.decide(action="hint", hint="Say it in dollars.")
    assert agent.finish("40 dollars").json()["attempt"] == 2
    agent.decide()
    assert agent.finish("40 dollars").json()["status"] == "completed"


def test_an_edit_is_no_larger_than_what_the_process_may_begin(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    refused = agent.decide(editedActions=[{"actionId": action_id, "arguments": {"note": "x" * 70_000}}])
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "editedActions")
    arguments = {"note": "x" * 65_000}
    assert agent.decide(editedActions=[{"actionId": action_id, "arguments": arguments}]).status_code == 200
    assert agent.start(action_id, arguments).status_code == 201


@pytest.mark.parametrize(
    "value", [0.1, 1e16, 1e22, -0.0, 5e-324, 1.7976931348623157e308, 2**53, -(2**53), 1.0, "\u2028é😀"]
)
def test_what_was_released_can_be_begun_whatever_is_in_it(begin: Begin, value: Any) -> None:
    agent = begin()
    action_id = agent.propose(arguments={"value": value})["actionId"]
    shown = agent.decide().json()["effectiveActions"][0]["arguments"]
    assert agent.start(action_id, shown).status_code == 201


@pytest.mark.parametrize("answer", ['{"id": 18446744073709551616}', '{"id": "\\ud800"}', '{"\\u0000": 1}'])
@pytest.mark.parametrize("match", ["subset", "schema"])
def test_an_answer_is_scored_and_kept_whatever_its_json_spells(begin: Begin, answer: str, match: str) -> None:
    agent = begin(expectedOutcome={"type": "json", "value": {"a": {"type": "null"}}, "match": match})
    assert agent.finish(answer).json()["status"] == "completed"
    assert agent.status()["score"]["passed"] is (match == "schema")


def test_its_time_ends_it(begin: Begin, database: Database) -> None:
    agent = begin(timeoutMs=60_000)
    leases.sweep(database, utc_now() + timedelta(seconds=30), lease=timedelta(0))
    assert agent.status()["status"] == "running"
    leases.sweep(database, utc_now() + timedelta(seconds=61))
    assert agent.status()["error"]["code"] == "time-limit"


def test_no_worker_takes_it_over(begin: Begin, database: Database) -> None:
    agent = begin()
    agent.propose()
    agent.decide()
    assert agent.status()["status"] == "queued"
    leases.sweep(database, utc_now() + timedelta(minutes=5), lease=timedelta(0))
    assert "takeover" not in agent.kinds()
    assert database.dispatch.states([f"{agent.id}:1", f"{agent.id}:2"]) == {}


def test_of_two_threads_that_begin_the_same_effect_one_wins(begin: Begin) -> None:
    agent = begin()
    action_id = agent.propose()["actionId"]
    agent.decide()
    gate = threading.Barrier(8)
    answers: list[int] = []

    def race() -> None:
        gate.wait()
        answers.append(agent.start(action_id).status_code)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [409] * 7
    assert agent.status()["metrics"]["toolCalls"] == 1


def test_the_same_request_sent_twice_proposes_and_begins_once(begin: Begin, ada: Caller) -> None:
    agent = begin()
    body = {"workerId": agent.worker_id, **REFUND}
    key = {"Idempotency-Key": "one"}
    first = ada("POST", f"{ROOT}/{agent.id}/effects", json=body, headers=key)
    assert ada("POST", f"{ROOT}/{agent.id}/effects", json=body, headers=key).json() == first.json()
    agent.decide()
    action_id = first.json()["actionId"]
    path, begin_body = (
        f"{ROOT}/{agent.id}/effects/{action_id}/start",
        {
            "workerId": agent.worker_id,
            "arguments": REFUND["arguments"],
        },
    )
    started = ada("POST", path, json=begin_body, headers={"Idempotency-Key": "two"})
    again = ada("POST", path, json=begin_body, headers={"Idempotency-Key": "two"})
    assert (started.status_code, again.json()) == (201, started.json())


def test_who_may_not_see_it_is_told_that_it_is_not_there(begin: Begin, bob: Caller, team: Team) -> None:
    agent = begin()
    assert Agent(bob, agent.id, agent.worker_id).post("steps", name="x").status_code == 404
    reviewed = begin(assignedReviewer="bob@example.org")
    stranger = Agent(bob, reviewed.id, reviewed.worker_id)
    assert code_of(stranger.post("steps", name="x")) == (403, "not-the-owner")
    agent.id = "exe_nothing"
    assert agent.post("effects", **REFUND).status_code == 404


def test_an_effect_of_another_execution_is_not_there(begin: Begin) -> None:
    one, other = begin(), begin()
    action_id = one.propose()["actionId"]
    one.decide()
    assert other.start(action_id).status_code == 404
    assert code_of(other.conclude(action_id, result=1)) == (409, "effect-not-started")
    assert other.start("act_%00").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"agent": "no spaces"}, "agent"),
        ({"agent": "x" * 65}, "agent"),
        ({"agent": "x\n"}, "agent"),
        ({"taskDescription": " "}, "taskDescription"),
        ({"model": "rehearsal"}, "model"),
        ({"metadata": {"x": "y" * 17_000}}, "metadata"),
        ({"timeoutMs": 1}, "timeoutMs"),
        ({"expectedOutcome": {"type": "judge", "value": "Is it kind?"}}, "expectedOutcome.type"),
        ({"expectedOutcome": {"type": "regex", "value": "("}}, "expectedOutcome.value"),
    ],
)
def test_a_bad_field_of_a_task_is_named(ada: Caller, fields: dict[str, Any], field: str) -> None:
    response = ada("POST", ROOT, json={**TASK, **fields})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("path", "fields", "field"),
    [
        ("effects", {**REFUND, "effect": "read"}, "effect"),
        ("effects", {**REFUND, "tool": "a b"}, "tool"),
        ("effects", {**REFUND, "arguments": {"x": "y" * 66_000}}, "arguments"),
        ("effects", {**REFUND, "workerId": "exe_1"}, "workerId"),
        ("steps", {"name": ""}, "name"),
        ("steps", {"name": "x", "inputTokens": -1}, "inputTokens"),
        ("checkpoints", {"stage": "x"}, "work"),
    ],
)
def test_a_bad_field_of_a_request_is_named(
    begin: Begin, path: str, fields: dict[str, Any], field: str
) -> None:
    response = begin().post(path, **fields)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("fields", [{}, {"result": "x", "error": "y"}])
def test_an_end_is_either_a_result_or_an_error(begin: Begin, fields: dict[str, Any]) -> None:
    assert begin().post("finish", **fields).status_code == 422


@pytest.mark.parametrize("fields", [{}, {"result": 1, "error": "y"}, {"isUnknown": False}])
def test_an_outcome_is_one_thing(begin: Begin, fields: dict[str, Any]) -> None:
    agent = begin()
    assert agent.conclude(agent.propose()["actionId"], **fields).status_code == 422
