"""An agent of one's own, over the wire: both clients, against a server that answers as it was told."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from inspect import isawaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import pytest

from mixus.client import (
    AsyncClient,
    Client,
    Conflict,
    EffectHinted,
    EffectNotDone,
    EffectRejected,
    ExecutionEnded,
    Hinted,
    TimedOut,
)
from mixus.client.external_calls import keepable

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

ROOT: Final = "/api/eval/external-executions"
ONE: Final = f"{ROOT}/exe_1"
STATUS: Final = "/api/eval/status/exe_1"
BEGUN: Final = {"executionId": "exe_1", "workerId": "wrk_1", "status": "running", "environment": "live"}
RELEASED: Final = {"actionId": "act_1", "state": "released", "checkpointId": None, "attempt": None}
AWAITED: Final = {"actionId": "act_1", "state": "awaiting", "checkpointId": "chk_1", "attempt": 1}
ARGUMENTS: Final = {"order": 7, "amount": 40}
EFFECT: Final = {
    "actionId": "act_1",
    "tool": "refund",
    "arguments": ARGUMENTS,
    "effectiveArguments": ARGUMENTS,
}
STARTED: Final = EFFECT | {"state": "started", "executionStatus": "running"}
DONE: Final = EFFECT | {"state": "done", "result": 1, "executionStatus": "running"}
COMPLETED: Final = {"status": "completed", "checkpointId": None}


class Facade:
    """An awaitable run, called as if it were a blocking one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            result = found(*arguments, **named)
            result = self._loop.run_until_complete(result) if isawaitable(result) else result
            return (
                Facade(self._loop, result) if type(result).__module__.endswith("async_external") else result
            )

        return call

    def __enter__(self) -> Any:
        self._loop.run_until_complete(self._inner.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._inner.__aexit__(kind, error, trace))


@contextmanager
def agent(caller: "Caller", *, is_attached: bool = False, **fields: Any) -> Iterator[Any]:
    options: Any = {"timeout_seconds": 5.0, "_pace": caller.pace(2)}
    body: Any = {"agent": "refunds", "task_description": "Refund order 7.", **fields}
    if caller.kind == "sync":
        with Client("mxs_eval_" + "0" * 32, caller.url, _sleep=caller._pass, **options) as client:
            made = client.attach_external("exe_1") if is_attached else client.external_execution(**body)
            with made as run:
                yield run
        return

    async def sleep(seconds: float) -> None:
        caller._pass(seconds)

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        stack = AsyncExitStack()
        opened = stack.enter_async_context(
            AsyncClient("mxs_eval_" + "0" * 32, caller.url, _sleep=sleep, **options)
        )
        other = loop.run_until_complete(opened)
        try:
            made_there = other.attach_external("exe_1") if is_attached else other.external_execution(**body)
            with Facade(loop, made_there) as run:
                yield run
        finally:
            loop.run_until_complete(stack.aclose())


def status_of(status: str, version: int, checkpoint: dict[str, Any] | None = None) -> dict[str, Any]:
    checkpoints = [] if checkpoint is None else [{"checkpointId": "chk_1", "attempt": 1, **checkpoint}]
    return {"executionId": "exe_1", "status": status, "version": version, "checkpoints": checkpoints}


WAITING: Final = status_of("awaiting-verification", 2, {"status": "awaiting"})
HINT: Final = {"attempt": 1, "hint": "35 is enough"}
HINTED: Final = status_of("queued", 3, {"status": "pending", "attempt": 2, "hints": [HINT]})
REJECTED: Final = status_of("rejected", 3, {"status": "rejected"})


def approved(arguments: dict[str, Any]) -> dict[str, Any]:
    effective = [{"actionId": "act_1", "tool": "refund", "arguments": arguments}]
    return status_of("queued", 3, {"status": "approved", "effectiveActions": effective})


@pytest.fixture
def scripted(server: "ScriptedServer", reply: "type[Reply]") -> "ScriptedServer":
    server.on("POST", ROOT, reply(201, BEGUN))
    server.on("POST", f"{ONE}/effects", reply(201, AWAITED))
    server.on("POST", f"{ONE}/effects/act_1/start", reply(201, STARTED))
    server.on("POST", f"{ONE}/effects/act_1/result", reply(200, DONE))
    server.on("POST", f"{ONE}/steps", reply(201, {"executionId": "exe_1"}))
    server.on("POST", f"{ONE}/finish", reply(200, COMPLETED))
    server.on("GET", STATUS, reply(body=WAITING), reply(body=approved(ARGUMENTS)))
    return server


def refund(run: Any, perform: Any, **options: Any) -> Any:
    return run.effect("refund", ARGUMENTS, effect="purchase", perform=perform, **options)


def sent(server: "ScriptedServer", path: str) -> list[Any]:
    return [each.body for each in server.received if each.path == path]


def test_an_approved_effect_is_performed_between_its_beginning_and_its_result(
    caller: "Caller", scripted: "ScriptedServer"
) -> None:
    paths: list[str] = []

    def perform(arguments: dict[str, Any]) -> dict[str, Any]:
        paths.extend(scripted.paths())
        return {"paid": arguments["amount"]}

    with agent(caller) as run:
        assert refund(run, perform) == {"paid": 40}
        run.finish("Refunded 40.")
    assert paths[-1] == f"POST {ONE}/effects/act_1/start"
    assert scripted.paths()[len(paths) :] == [f"POST {ONE}/effects/act_1/result", f"POST {ONE}/finish"]
    assert sent(scripted, f"{ONE}/effects/act_1/result") == [{"result": {"paid": 40}}]
    assert sent(scripted, f"{ONE}/finish") == [{"workerId": "wrk_1", "result": "Refunded 40."}]


def test_an_edit_gives_the_arguments_that_were_released(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    edited = {"order": 7, "amount": 35}
    scripted.on("GET", STATUS, reply(body=WAITING), reply(body=approved(edited)))
    scripted.on("POST", f"{ONE}/effects/act_1/start", reply(201, STARTED | {"effectiveArguments": edited}))
    seen: list[Any] = []
    with agent(caller) as run:
        refund(run, seen.append)
        run.finish("ok")
    assert seen == [edited]
    assert sent(scripted, f"{ONE}/effects/act_1/start")[0]["arguments"] == edited


def never(_arguments: Any) -> None:
    raise AssertionError("it was performed")


def test_a_rejected_effect_is_not_performed(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("GET", STATUS, reply(body=WAITING), reply(body=REJECTED))
    with pytest.raises(EffectRejected) as rejected, agent(caller) as run:
        refund(run, never)
    assert (rejected.value.execution_status, rejected.value.code) == ("rejected", "effect-rejected")
    assert not any(path.endswith(("start", "finish")) for path in scripted.paths())


def test_a_hint_is_raised_with_its_words_and_another_effect_may_be_proposed(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("GET", STATUS, reply(body=WAITING), reply(body=HINTED))
    with agent(caller) as run:
        with pytest.raises(EffectHinted, match="35 is enough") as hinted:
            refund(run, never)
        assert hinted.value.hint == "35 is enough"
        scripted.on("POST", f"{ONE}/effects", reply(201, RELEASED))
        refund(run, lambda _arguments: None)
        run.finish("ok")


def test_a_cancel_while_it_waits_is_the_end(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on(
        "GET", STATUS, reply(body=WAITING), reply(body=status_of("cancelled", 3, {"status": "skipped"}))
    )
    with pytest.raises(ExecutionEnded) as ended, agent(caller) as run:
        refund(run, never)
    assert not isinstance(ended.value, EffectRejected)
    assert ended.value.execution_status == "cancelled"


def test_after_the_end_every_call_says_so_and_nothing_is_finished(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    over = reply(409, {"code": "execution-finished", "detail": "Over.", "executionStatus": "cancelled"})
    for path in ("steps", "effects", "checkpoints"):
        scripted.on("POST", f"{ONE}/{path}", over)

    def go_on(run: Any) -> None:
        with pytest.raises(ExecutionEnded) as ended, run.step("look up"):
            pass
        assert ended.value.execution_status == "cancelled"
        with pytest.raises(ExecutionEnded):
            run.checkpoint("draft", "text")
        refund(run, never)

    with pytest.raises(ExecutionEnded), agent(caller) as run:
        go_on(run)
    assert f"POST {ONE}/finish" not in scripted.paths()


def test_while_another_part_waits_a_proposal_waits_too(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    busy = reply(409, {"code": "decision-awaited", "detail": "Wait."})
    scripted.on("POST", f"{ONE}/effects", busy, reply(201, RELEASED))
    with agent(caller) as run:
        assert refund(run, lambda _arguments: "paid") == "paid"
        run.finish("ok")
    assert scripted.paths().count(f"GET {STATUS}") == 2


def test_in_the_sandbox_nothing_is_performed_and_the_record_is_the_result(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("POST", ROOT, reply(201, BEGUN | {"environment": "sandbox"}))
    scripted.on("POST", f"{ONE}/effects/act_1/start", reply(201, DONE | {"result": {"would": "pay"}}))
    with agent(caller) as run:
        assert refund(run, never, record=lambda arguments: {"would": arguments}) == {"would": "pay"}
        permit = run.effect("refund", ARGUMENTS, effect="purchase")
        assert (permit.is_real, permit.result) == (False, {"would": "pay"})
        permit.done("nothing")
        run.finish("ok")
    assert sent(scripted, f"{ONE}/effects/act_1/start")[0]["record"] == {"would": ARGUMENTS}
    assert sent(scripted, f"{ONE}/effects/act_1/result") == []


def test_a_permit_is_told_what_came_of_it(caller: "Caller", scripted: "ScriptedServer") -> None:
    with agent(caller) as run:
        permit = run.effect("refund", ARGUMENTS, effect="purchase")
        assert (permit.is_real, permit.arguments) == (True, ARGUMENTS)
        permit.not_done("The shop is closed.")
        run.finish("ok")
    assert sent(scripted, f"{ONE}/effects/act_1/result") == [{"error": "The shop is closed."}]


def test_what_was_not_done_for_certain_is_told_and_raised(
    caller: "Caller", scripted: "ScriptedServer"
) -> None:
    def closed(_arguments: Any) -> None:
        raise EffectNotDone("The shop is closed.")

    with agent(caller) as run:
        with pytest.raises(EffectNotDone):
            refund(run, closed)
        run.finish("ok")
    assert sent(scripted, f"{ONE}/effects/act_1/result") == [{"error": "The shop is closed."}]


class Broken(Exception):
    pass


def broken(_arguments: Any) -> None:
    raise Broken("the password is hunter2")


@pytest.fixture
def doubtful(scripted: "ScriptedServer", reply: "type[Reply]") -> "ScriptedServer":
    """Released at once; after its break the reviewer is asked."""
    scripted.on("POST", f"{ONE}/effects", reply(201, RELEASED))
    unknown = STARTED | {"executionStatus": "awaiting-verification"}
    settled = DONE | {"result": "counted as done"}
    scripted.on("POST", f"{ONE}/effects/act_1/result", reply(200, unknown), reply(200, settled))
    scripted.on("GET", STATUS, reply(body=WAITING), reply(body=WAITING), reply(body=approved({})))
    return scripted


def test_an_effect_that_broke_is_the_reviewers_to_judge(caller: "Caller", doubtful: "ScriptedServer") -> None:
    with agent(caller) as run:
        assert refund(run, broken) == "counted as done"
        run.finish("ok")
    assert sent(doubtful, f"{ONE}/effects/act_1/result")[0] == {"isUnknown": True}
    assert "hunter2" not in str([each.body for each in doubtful.received])


def test_an_effect_that_broke_and_is_hinted_is_dropped(
    caller: "Caller", doubtful: "ScriptedServer", reply: "type[Reply]"
) -> None:
    doubtful.on("GET", STATUS, reply(body=WAITING), reply(body=HINTED))
    with agent(caller) as run:
        with pytest.raises(EffectHinted):
            refund(run, broken)
        run.finish("ok")


def test_a_verdict_on_a_broken_effect_that_came_before_the_question_was_read_counts(
    caller: "Caller", doubtful: "ScriptedServer", reply: "type[Reply]"
) -> None:
    doubtful.on("GET", STATUS, reply(body=approved({})))
    with agent(caller) as run:
        assert refund(run, broken) == "counted as done"
        run.finish("ok")


def test_nor_is_a_hint_lost_that_came_before(
    caller: "Caller", doubtful: "ScriptedServer", reply: "type[Reply]"
) -> None:
    failed = DONE | {"state": "failed", "result": "not certain"}
    doubtful.on("POST", f"{ONE}/effects/act_1/result", reply(is_dropped=True), reply(200, failed))
    hint = HINT | {"at": "2026-11-23T10:00:00.000Z"}
    hinted = status_of("running", 3, {"status": "pending", "attempt": 2, "hints": [hint]})
    doubtful.on("GET", STATUS, reply(body=hinted))
    with agent(caller) as run:
        with pytest.raises(EffectHinted, match="35 is enough"):
            refund(run, broken)
        run.finish("ok")


@pytest.mark.parametrize("result", [object(), float("nan"), "x" * 100_000])
def test_a_result_that_cannot_be_kept_is_still_told_as_done(
    caller: "Caller", scripted: "ScriptedServer", result: Any
) -> None:
    with agent(caller) as run:
        assert refund(run, lambda _arguments: result) is result
        run.finish("ok")
    assert re.match(r"\(", sent(scripted, f"{ONE}/effects/act_1/result")[0]["result"])


def test_a_result_is_kept_whole_up_to_what_the_server_keeps() -> None:
    most = 64 * 1024 - 2
    assert keepable("é" * (most // 2)) == "é" * (most // 2)
    assert keepable("x" * (most + 1)) == "(too long to be kept: 65537 bytes of JSON)"


def test_a_result_that_the_server_refuses_is_still_told_as_done(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    refused = reply(422, {"code": "invalid", "detail": "No.", "errors": []})
    scripted.on("POST", f"{ONE}/effects/act_1/result", refused, reply(200, DONE))
    with agent(caller) as run:
        refund(run, lambda _arguments: "\0")
        run.finish("ok")
    assert sent(scripted, f"{ONE}/effects/act_1/result")[1] == {"result": "(a result that cannot be kept)"}


def test_requests_whose_answer_was_lost_are_sent_again_under_the_same_key(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("POST", f"{ONE}/effects", reply(503, {"code": "unavailable"}), reply(201, RELEASED))
    scripted.on("POST", f"{ONE}/effects/act_1/start", reply(is_dropped=True), reply(201, STARTED))
    with agent(caller) as run:
        refund(run, lambda _arguments: None)
        run.finish("ok")
    for path in ("effects", "effects/act_1/start"):
        keys = [each.headers["idempotency-key"] for each in scripted.received if each.path == f"{ONE}/{path}"]
        assert len(keys) == 2
        assert keys[0] == keys[1]


def test_a_step_tells_what_was_noted_and_spent(caller: "Caller", scripted: "ScriptedServer") -> None:
    with agent(caller) as run:
        with run.step("look up") as step:
            step.note(paid=40)
            step.spent(input_tokens=10, cost_usd=0.5)
            caller.now_seconds += 1.5
        with pytest.raises(Broken), run.step("call"):
            raise Broken("the password is hunter2")
        run.finish("ok")
    first, second = sent(scripted, f"{ONE}/steps")
    assert first == {
        "workerId": "wrk_1",
        "name": "look up",
        "data": {"paid": 40},
        "durationMs": 1500,
        "inputTokens": 10,
        "costUsd": 0.5,
    }
    assert second["error"] == "Broken"


def test_an_answer_that_is_held_is_given_again_after_the_approval(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    held = {"status": "awaiting-verification", "checkpointId": "chk_1", "attempt": 1}
    scripted.on("POST", f"{ONE}/finish", reply(200, held), reply(200, COMPLETED))
    with agent(caller) as run:
        run.finish("40")
    assert [each["result"] for each in sent(scripted, f"{ONE}/finish")] == ["40", "40"]


def test_a_hint_on_the_answer_or_on_work_is_raised(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    held = {"status": "awaiting-verification", "checkpointId": "chk_1", "attempt": 1}
    scripted.on("POST", f"{ONE}/finish", reply(200, held), reply(200, COMPLETED))
    scripted.on("POST", f"{ONE}/checkpoints", reply(201, held))
    scripted.on("GET", STATUS, reply(body=HINTED))
    with agent(caller) as run:
        with pytest.raises(Hinted, match="35 is enough"):
            run.checkpoint("draft", "text")
        with pytest.raises(Hinted):
            run.finish("40")
        run.finish("35")


def test_an_exception_fails_the_execution_by_its_kind_and_goes_on(
    caller: "Caller", scripted: "ScriptedServer"
) -> None:
    with pytest.raises(Broken), agent(caller):
        raise Broken("the password is hunter2")
    assert sent(scripted, f"{ONE}/finish") == [{"workerId": "wrk_1", "error": "Broken"}]


def test_giving_up_twice_because_no_answer_came_is_giving_up(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    ended = {"code": "execution-finished", "detail": "It is failed.", "executionStatus": "failed"}
    scripted.on("POST", f"{ONE}/finish", reply(is_dropped=True), reply(409, ended))
    with agent(caller) as run:
        run.fail("I am lost.")
    scripted.on("POST", f"{ONE}/finish", reply(409, ended))
    with pytest.raises(ExecutionEnded), agent(caller) as run:
        run.fail("I am lost.")


def test_an_answer_that_came_too_late_for_an_effect_is_no_success(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    """In the baseline an effect without a result ends it."""
    scripted.on("POST", f"{ONE}/finish", reply(200, {"status": "failed", "checkpointId": None}))
    with pytest.raises(ExecutionEnded) as caught, agent(caller) as run:
        run.finish("40")
    assert caught.value.execution_status == "failed"
    assert len(sent(scripted, f"{ONE}/finish")) == 1


def test_a_key_that_was_used_before_takes_over_what_it_began(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("POST", ROOT, reply(201, BEGUN, {"Idempotency-Replayed": "true"}))
    before = BEGUN | {"workerId": "wrk_2", "effects": [DONE | {"result": "paid before"}]}
    scripted.on("POST", f"{ONE}/attach", reply(200, before))
    with agent(caller, idempotency_key="order 7") as run:
        assert refund(run, never) == "paid before"
        run.finish("ok")
    assert sent(scripted, f"{ONE}/finish")[0]["workerId"] == "wrk_2"


def test_an_end_without_a_result_is_a_failure(caller: "Caller", scripted: "ScriptedServer") -> None:
    with agent(caller):
        pass
    assert sent(scripted, f"{ONE}/finish")[0]["error"] == "It ended without a result."


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimedOut("late"), Conflict("x", code="taken-over")])
def test_what_another_process_may_go_on_with_is_left_as_it_is(
    caller: "Caller", scripted: "ScriptedServer", error: BaseException
) -> None:
    with pytest.raises(type(error)), agent(caller):
        raise error
    assert sent(scripted, f"{ONE}/finish") == []


def test_waiting_for_a_reviewer_ends_when_it_was_to(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    scripted.on("GET", STATUS, reply(body=WAITING))
    with pytest.raises(TimedOut), agent(caller) as run:
        refund(run, never, timeout_seconds=2)
    assert sent(scripted, f"{ONE}/finish") == []


def test_a_process_that_takes_over_does_nothing_twice(
    caller: "Caller", scripted: "ScriptedServer", reply: "type[Reply]"
) -> None:
    failed = EFFECT | {"actionId": "act_0", "state": "failed", "result": "closed"}
    before = [failed, DONE | {"result": "paid before"}, EFFECT | {"state": "released"}]
    waiting = BEGUN | {"status": "awaiting-verification"}
    scripted.on("POST", f"{ONE}/attach", reply(200, waiting), reply(200, BEGUN | {"effects": before}))
    with agent(caller, is_attached=True) as run:
        assert refund(run, never) == "paid before"
        assert refund(run, lambda _arguments: "paid now") == "paid now"
        assert f"POST {ONE}/effects" not in scripted.paths()
        assert refund(run, lambda _arguments: "asked anew") == "asked anew"
        run.finish("ok")
    assert scripted.paths().count(f"POST {ONE}/attach") == 2
    assert scripted.paths().count(f"POST {ONE}/effects") == 1


def test_a_task_is_written_as_the_wire_wants_it(caller: "Caller", scripted: "ScriptedServer") -> None:
    check: Any = {"stage": "amount", "description": "Check", "verification_question": "Right?"}
    with agent(caller, task_name="Refunds", checkpoints=[check], environment="live", test_mode=None) as run:
        assert (run.execution_id, run.is_live) == ("exe_1", True)
        run.finish("ok")
    assert scripted.received[0].body == {
        "taskDescription": "Refund order 7.",
        "agent": "refunds",
        "taskName": "Refunds",
        "checkpoints": [{"stage": "amount", "description": "Check", "verificationQuestion": "Right?"}],
        "environment": "live",
    }


def test_a_field_that_does_not_exist_is_a_type_error(caller: "Caller", scripted: "ScriptedServer") -> None:
    with pytest.raises(TypeError, match="model"), agent(caller, model="rehearsal"):
        pass


def test_it_begins_with_the_with_statement(key: str) -> None:
    with Client(key) as client:
        run = client.external_execution("x", agent="refunds")
        with pytest.raises(RuntimeError, match="with"):
            run.effect("refund", {}, effect="purchase")
