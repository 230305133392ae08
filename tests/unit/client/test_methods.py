from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mixus.client import Client, NotFound, TimedOut

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

STATUS = "/api/eval/status/exe_1"
FULL: dict[str, Any] = {
    "success": True,
    "executionId": "exe_1",
    "taskName": "Commission",
    "testMode": "with-verification",
    "status": "awaiting-verification",
    "version": 7,
    "model": "rehearsal",
    "createdAt": "2026-11-23T10:00:00.123Z",
    "finishedAt": None,
    "plan": [{"step": 1, "description": "Calculate", "effect": "read", "stage": "calculation"}],
    "checkpoints": [
        {
            "checkpointId": "chk_1",
            "stage": "calculation",
            "status": "awaiting",
            "attempt": 2,
            "verificationQuestion": "Is the result $7,500?",
            "proposedActions": [
                {"actionId": "act_1", "tool": "send_email", "effect": "send", "arguments": {"to": "x"}}
            ],
            "fromTheFuture": 1,
        }
    ],
    "progress": {"checkpointsTotal": 1, "checkpointsDecided": 0, "steps": 3},
    "score": {"type": "number", "passed": True, "value": 7500},
    "error": None,
    "rehearsal": True,
    "metrics": {"durationMs": 9, "queuedMs": 2, "agentMs": 3, "waitingMs": 4, "costUsd": None},
    "humanVerification": {"requested": 1, "hints": 1},
    "fromTheFuture": {"a": 1},
}


def status(name: str, version: int) -> dict[str, Any]:
    return FULL | {"status": name, "version": version}


def test_a_status_is_read_with_all_its_parts(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", STATUS, reply(body=FULL))
    read = caller.do(lambda client: client.status("exe_1"))
    assert (read.execution_id, read.version, read.rehearsal, read.is_final) == ("exe_1", 7, True, False)
    assert read.created_at == datetime(2026, 11, 23, 10, 0, 0, 123000, UTC)
    assert read.finished_at is None
    assert read.plan[0].stage == "calculation"
    assert read.awaiting[0].proposed_actions[0].arguments == {"to": "x"}
    assert read.awaiting[0].attempt == 2
    assert read.metrics.agent_ms == 3
    assert read.metrics.cost_usd is None
    assert read.human_verification.hints == 1
    assert read.score is not None
    assert read.score.passed is True
    assert read.error is None
    assert read.raw["fromTheFuture"] == {"a": 1}
    assert read.awaiting[0].raw["fromTheFuture"] == 1


def test_a_task_is_written_as_the_wire_wants_it(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", "/api/eval/create-task-agent", reply(201, {"executionId": "exe_1", "status": "queued"}))
    caller.do(
        lambda client: client.create_task_agent(
            "Pay 15 % of $50,000",
            task_name="Commission",
            checkpoints=[{"stage": "calculation", "description": "Check", "verification_question": "Right?"}],
            auto_detect_checkpoints=False,
            test_mode=None,
            assigned_reviewer="ann@example.org",
            script=({"tool": "send_email", "arguments": {"to_whom": "x"}},),
            review_result=True,
            tools=("calculate",),
            max_steps=5,
            max_cost_usd=0.5,
            max_tokens=9000,
            timeout_ms=1000,
            review_timeout_ms=60_000,
            escalate_to="eve@example.org",
            on_review_timeout="expire",
            metadata={"build_number": 7, "none": None},
        )
    )
    assert server.received[0].body == {
        "taskDescription": "Pay 15 % of $50,000",
        "taskName": "Commission",
        "checkpoints": [{"stage": "calculation", "description": "Check", "verificationQuestion": "Right?"}],
        "autoDetectCheckpoints": False,
        "assignedReviewer": "ann@example.org",
        "script": [{"tool": "send_email", "arguments": {"to_whom": "x"}}],
        "reviewResult": True,
        "tools": ["calculate"],
        "maxSteps": 5,
        "maxCostUsd": 0.5,
        "maxTokens": 9000,
        "timeoutMs": 1000,
        "reviewTimeoutMs": 60_000,
        "escalateTo": "eve@example.org",
        "onReviewTimeout": "expire",
        "metadata": {"build_number": 7, "none": None},
    }


def test_a_field_that_does_not_exist_is_a_type_error(key: str) -> None:
    fields: Any = {"max_step": 5}
    with Client(key) as client:
        with pytest.raises(TypeError, match="max_step"):
            client.create_task_agent("Say hello", **fields)
        with pytest.raises(TypeError, match="max_step"):
            client.update("exe_1", **fields)


def test_a_list_goes_over_all_its_pages(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    first = {"success": True, "items": [status("queued", 1), status("running", 1)], "nextCursor": "abc"}
    last = {"success": True, "items": [FULL], "nextCursor": None}
    server.on("GET", "/api/eval/executions", reply(body=first), reply(body=last))
    found = caller.do(
        lambda client: client.executions(
            status="queued", q="a b", from_time=datetime(2026, 11, 23, tzinfo=UTC), page_size=2
        )
    )
    assert [execution.status for execution in found] == ["queued", "running", "awaiting-verification"]
    filters = {"status": "queued", "q": "a b", "from": "2026-11-23T00:00:00.000Z", "limit": "2"}
    assert [received.query for received in server.received] == [filters, filters | {"cursor": "abc"}]


def test_a_list_that_leads_to_itself_ends_in_an_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", "/api/eval/executions/exe_1/trace", reply(body={"items": [], "nextCursor": "abc"}))
    with pytest.raises(Exception, match="cannot be read"):
        caller.do(lambda client: client.trace("exe_1"))


def test_the_queue_the_trace_and_the_key_are_read(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    queued = FULL["checkpoints"][0] | {"executionId": "exe_1", "taskName": "Commission"}
    entry = {"number": 1, "at": "2026-11-23T10:00:00Z", "kind": "tool-call", "tool": "calculate"}
    server.on("GET", "/api/eval/checkpoints", reply(body={"items": [queued], "nextCursor": None}))
    server.on("GET", "/api/eval/executions/exe_1/trace", reply(body={"items": [entry], "nextCursor": None}))
    server.on(
        "GET", "/api/keys/self", reply(body={"id": "key_1", "scopes": ["eval:read"], "limits": {"a": 1}})
    )
    awaiting = caller.do(lambda client: client.awaiting_checkpoints())[0]
    traced = caller.do(lambda client: client.trace("exe_1"))[0]
    own = caller.do(lambda client: client.key())
    assert (awaiting.execution_id, awaiting.task_name, awaiting.attempt) == ("exe_1", "Commission", 2)
    assert server.received[0].query == {"status": "awaiting"}
    assert (traced.number, traced.kind, traced.raw["tool"]) == (1, "tool-call", "calculate")
    assert (own.id, own.scopes, own.limits) == ("key_1", ("eval:read",), {"a": 1})


def test_update_decide_and_delete_say_what_they_change(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    decision = "/api/eval/executions/exe_1/checkpoints/chk_1/decision"
    server.on("PATCH", "/api/eval/executions/exe_1", reply(body=FULL))
    server.on("POST", decision, reply(body=FULL["checkpoints"][0] | {"status": "approved"}))
    server.on("DELETE", "/api/eval/executions/exe_1", reply(204))
    caller.do(lambda client: client.update("exe_1", task_name="New", metadata={"a_b": 1}))
    decided = caller.do(lambda client: client.decide("exe_1", "chk_1", "approve", attempt=2, comment="Fine"))
    assert caller.do(lambda client: client.delete("exe_1")) is None
    assert decided.status == "approved"
    assert [received.body for received in server.received] == [
        {"taskName": "New", "metadata": {"a_b": 1}},
        {"attempt": 2, "action": "approve", "comment": "Fine"},
        None,
    ]


def test_what_is_not_there_is_not_found(caller: "Caller") -> None:
    with pytest.raises(NotFound) as caught:
        caller.do(lambda client: client.status("exe_9"))
    assert (caught.value.status, caught.value.code) == (404, "not-found")
    assert caught.value.detail == "No such thing here."


def test_waiting_asks_the_server_to_hold_its_answer(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    replies = [status("queued", 1), status("running", 2), status("awaiting-verification", 3)]
    server.on("GET", STATUS, *(reply(body=body) for body in replies))
    assert caller.do(lambda client: client.wait("exe_1")).is_awaiting
    queries = [received.query for received in server.received]
    assert queries == [{}, {"waitMs": "30000", "since": "1"}, {"waitMs": "30000", "since": "2"}]
    assert caller.sleeps == []


def test_waiting_for_the_end_goes_past_a_checkpoint(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on(
        "GET", STATUS, reply(body=status("awaiting-verification", 3)), reply(body=status("completed", 5))
    )
    assert caller.do(lambda client: client.wait("exe_1", until="final")).status == "completed"
    assert len(server.received) == 2


def test_a_server_that_does_not_hold_its_answer_is_not_polled_busily(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", STATUS, reply(body=status("running", 2)))
    with pytest.raises(TimedOut) as caught:
        caller.do(lambda client: client.wait("exe_1", timeout_seconds=10))
    assert isinstance(caught.value, TimeoutError)
    assert set(caller.sleeps) == {1.0}
    assert len(server.received) <= 12


def test_no_more_is_waited_than_was_asked_for(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", STATUS, reply(body=status("running", 2)))
    with pytest.raises(TimedOut):
        caller.do(lambda client: client.wait("exe_1", timeout_seconds=0.4))
    assert [received.query.get("waitMs") for received in server.received] == [None, "400"]


def test_a_wait_that_the_server_would_refuse_is_refused_here(key: str) -> None:
    with Client(key) as client, pytest.raises(ValueError, match="30000"):
        client.status("exe_1", wait_ms=30_001)


def test_a_time_without_a_zone_is_refused(key: str) -> None:
    with Client(key) as client, pytest.raises(ValueError, match="time zone"):
        list(client.executions(from_time=datetime(2026, 11, 23)))  # noqa: DTZ001 -- what is refused
