import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixus.client import Conflict, Invalid, MixusError, RateLimited, ServerError, Unreachable
from mixus.client.calls import Call
from mixus.client.retries import Answer, NoAnswer, Pace, full_jitter

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

CREATE = "/api/eval/create-task-agent"
CREATED = {
    "success": True,
    "executionId": "exe_1",
    "status": "queued",
    "createdAt": "2026-11-23T10:00:00.123Z",
}
LIMITED = {"code": "rate-limited", "detail": "Too many requests."}
DECIDE = "/api/eval/executions/exe_1/checkpoints/chk_1/decision"


def problem(code: str) -> dict[str, Any]:
    return {"code": code, "detail": "A sentence."}


def test_retry_after_in_seconds_is_honoured(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", CREATE, reply(429, LIMITED, {"Retry-After": "7"}), reply(201, CREATED))
    created = caller.do(lambda client: client.create_task_agent("Say hello"))
    assert created.execution_id == "exe_1"
    assert caller.sleeps == [7]


def test_retry_after_as_a_date_is_measured_by_the_clock_of_the_server(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    headers = {"Date": "Mon, 23 Nov 2026 10:00:00 GMT", "Retry-After": "Mon, 23 Nov 2026 10:00:12 GMT"}
    server.on("POST", CREATE, reply(503, problem("internal"), headers), reply(201, CREATED))
    caller.do(lambda client: client.create_task_agent("Say hello"))
    assert caller.sleeps == [12]


def test_retry_after_is_capped(caller: "Caller", server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("POST", CREATE, reply(429, LIMITED, {"Retry-After": "86400"}), reply(201, CREATED))
    caller.do(lambda client: client.create_task_agent("Say hello"))
    assert caller.sleeps == [60]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_is_asked_again_with_growing_delays(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", status: int
) -> None:
    server.on("POST", CREATE, reply(status, b"<html>"))
    with pytest.raises(ServerError) as caught:
        caller.do(lambda client: client.create_task_agent("Say hello"))
    assert caught.value.status == status
    assert caught.value.code == f"http-{status}"
    assert caller.sleeps == [0.5, 1, 2, 4]


def test_the_idempotency_key_is_the_same_in_all_repeats_and_new_for_each_call(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    drop = reply(is_dropped=True)
    server.on("POST", CREATE, drop, reply(502), reply(429, LIMITED), reply(201, CREATED))
    caller.do(lambda client: client.create_task_agent("Say hello"))
    caller.do(lambda client: client.create_task_agent("Say hello"))
    keys = [received.headers["idempotency-key"] for received in server.received]
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]


def test_an_idempotency_key_that_was_given_is_used(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    retry = "/api/eval/executions/exe_1/retry"
    server.on("POST", CREATE, reply(201, CREATED))
    server.on("POST", retry, reply(201, CREATED | {"executionId": "exe_2", "retryOf": "exe_1"}))
    caller.do(lambda client: client.create_task_agent("Say hello", idempotency_key="build-7"))
    again = caller.do(lambda client: client.retry("exe_1", idempotency_key="build-8"))
    assert [received.headers["idempotency-key"] for received in server.received] == ["build-7", "build-8"]
    assert again.retry_of == "exe_1"


def test_a_first_attempt_still_in_progress_is_waited_for(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", CREATE, reply(409, problem("idempotency-in-progress")), reply(201, CREATED))
    assert caller.do(lambda client: client.create_task_agent("Say hello")).execution_id == "exe_1"


@pytest.mark.parametrize(
    ("status", "code"), [(409, "queue-full"), (422, "invalid"), (400, "invalid-json"), (501, "x")]
)
def test_a_refusal_is_not_repeated(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", status: int, code: str
) -> None:
    server.on("POST", CREATE, reply(status, problem(code)))
    with pytest.raises(MixusError) as caught:
        caller.do(lambda client: client.create_task_agent("Say hello"))
    assert caught.value.code == code
    assert len(server.received) == 1


def test_a_server_that_is_not_there_is_unreachable_after_all_attempts(caller: "Caller") -> None:
    caller.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable) as caught:
        caller.do(lambda client: client.key())
    assert caught.value.code == "unreachable"
    assert caught.value.status is None
    assert len(caller.sleeps) == 4


def test_an_answer_that_takes_too_long_is_asked_for_again(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    never = threading.Event()
    server.on(
        "GET", "/api/keys/self", reply(body={"id": "key_1"}, held_until=never), reply(body={"id": "key_2"})
    )
    assert caller.do(lambda client: client.key(), timeout_seconds=0.1).id == "key_2"
    never.set()


def test_no_retries_means_one_attempt(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", "/api/keys/self", reply(429, LIMITED, {"X-Request-Id": "req_1"}))
    with pytest.raises(RateLimited) as caught:
        caller.do(lambda client: client.key(), max_retries=0)
    assert caught.value.request_id == "req_1"
    assert len(server.received) == 1


def test_a_decision_whose_answer_was_lost_is_repeated_and_a_conflict_then_says_so(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    winner = problem("already-decided") | {"decidedBy": "ann@example.org"}
    server.on("POST", DECIDE, reply(is_dropped=True), reply(409, winner))
    with pytest.raises(Conflict) as caught:
        caller.do(lambda client: client.decide("exe_1", "chk_1", "approve", attempt=1))
    assert caught.value.is_after_lost_answer
    assert caught.value.problem["decidedBy"] == "ann@example.org"
    assert [received.body for received in server.received] == [{"attempt": 1, "action": "approve"}] * 2


def test_a_conflict_at_the_first_attempt_is_no_lost_answer(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", DECIDE, reply(409, problem("stale-attempt")))
    with pytest.raises(Conflict) as caught:
        caller.do(lambda client: client.decide("exe_1", "chk_1", "hint", attempt=1, hint="Round it"))
    assert not caught.value.is_after_lost_answer
    assert server.received[0].body == {"attempt": 1, "action": "hint", "hint": "Round it"}


@pytest.mark.parametrize("became", ["cancelled", "completed"])
def test_a_cancel_whose_answer_was_lost_succeeds_only_if_the_execution_is_cancelled(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", became: str
) -> None:
    server.on(
        "POST", "/api/eval/executions/exe_1/cancel", reply(502), reply(409, problem("execution-finished"))
    )
    server.on("GET", "/api/eval/status/exe_1", reply(body={"executionId": "exe_1", "status": became}))
    if became == "cancelled":
        assert caller.do(lambda client: client.cancel("exe_1")).status == "cancelled"
    else:
        with pytest.raises(Conflict):
            caller.do(lambda client: client.cancel("exe_1"))


def test_cancelling_what_is_finished_is_a_conflict(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", "/api/eval/executions/exe_1/cancel", reply(409, problem("execution-finished")))
    with pytest.raises(Conflict):
        caller.do(lambda client: client.cancel("exe_1"))
    assert len(server.received) == 1


def test_fields_that_are_refused_are_named(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    errors = [{"field": "maxSteps", "message": "at least 1"}, "strange"]
    server.on("POST", CREATE, reply(422, problem("invalid") | {"errors": errors}))
    with pytest.raises(Invalid) as caught:
        caller.do(lambda client: client.create_task_agent("Say hello", max_steps=0))
    assert [(error.field, error.message) for error in caught.value.errors] == [("maxSteps", "at least 1")]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"success": true}',
        b'{"executionId": "e", "status": "queued", "createdAt": 5}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_none_of_ours_is_one_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", body: bytes
) -> None:
    server.on("POST", CREATE, reply(201, body))
    with pytest.raises(ServerError) as caught:
        caller.do(lambda client: client.create_task_agent("Say hello"))
    assert caught.value.code == "unreadable-answer"


def test_a_call_that_must_not_be_repeated_is_repeated_only_when_nothing_was_done() -> None:
    call = Call("POST", "/", is_repeatable=False)
    pace = Pace(jitter=lambda ceiling: ceiling)
    assert pace.delay_seconds(call, NoAnswer("", was_sent=True), 0) is None
    assert pace.delay_seconds(call, Answer(502, {}, b""), 0) is None
    assert pace.delay_seconds(call, NoAnswer("", was_sent=False), 0) == 0.5
    assert pace.delay_seconds(call, Answer(429, {}, b""), 0) == 0.5


@given(st.text(), st.text(), st.integers(min_value=0, max_value=10**6))
def test_no_header_makes_a_delay_longer_than_the_cap(retry_after: str, date: str, repeats: int) -> None:
    answer = Answer(503, {"retry-after": retry_after, "date": date}, b"")
    delay = Pace(max_retries=10**7).delay_seconds(Call("GET", "/"), answer, repeats)
    assert delay is not None
    assert 0 <= delay <= 60


@given(st.floats(min_value=0, max_value=8))
def test_jitter_is_over_the_full_range(ceiling: float) -> None:
    assert 0 <= full_jitter(ceiling) <= ceiling
