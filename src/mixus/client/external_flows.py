"""What an external execution does over its requests, written once for both clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from mixus.client import calls, external_calls
from mixus.client.answers import AWAITING, Checkpoint, Status
from mixus.client.calls import Call
from mixus.client.errors import (
    Conflict,
    EffectHinted,
    EffectRejected,
    ExecutionEnded,
    Hinted,
    Invalid,
    MixusError,
    RateLimited,
    ServerError,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from mixus.client.external_calls import (
    At,
    Begun,
    Held,
    KnownEffect,
    Noted,
    Proposal,
    Proposed,
    Released,
    StepNotes,
    keepable,
)
from mixus.client.flows import Flow, exchange, fetch, parse, wait_until
from mixus.client.retries import Pace
from mixus.client.wire import build, segment, to_wire

Result = TypeVar("Result")

# After these the execution is left as it is, for another process to take over.
PASSING: Final = (ExecutionEnded, RateLimited, ServerError, TimedOut, Unauthorized, Unreachable)
NO_RESULT: Final = "It ended without a result."


@dataclass
class Course:
    """One process's part in an execution: what it is told, and the flows of what it does."""

    pace: Pace
    opening: Callable[[], Flow[Begun]]
    begun: Begun | None = None
    is_over: bool = False
    earlier: list[KnownEffect] = field(default_factory=list)

    @property
    def execution_id(self) -> str:
        return self._begun.execution_id

    @property
    def is_live(self) -> bool:
        return self._begun.environment == "live"

    @property
    def _begun(self) -> Begun:
        if self.begun is None:
            raise RuntimeError("The execution has not begun: use it in a `with` statement.")
        return self.begun

    @property
    def _at(self) -> At:
        return At(self._begun.execution_id, self._begun.worker_id)

    def open(self) -> Flow[None]:
        self.begun = yield from self.opening()
        self.earlier = list(self.begun.effects)

    def note(self, step: StepNotes, error: BaseException | None) -> Flow[None]:
        """The end of a step. An exception that leaves it goes on; its kind is told, not its words."""
        if error is not None and not isinstance(error, Exception):
            return
        call = self._at.call("steps", step.body(error, self.pace.now_seconds()))
        try:
            yield from _acting(fetch(call, Noted, self.pace))
        except MixusError:
            if error is None:
                raise

    def release(self, proposal: Proposal) -> Flow[Released]:
        """Wait until exactly this call may be made; raises EffectRejected, EffectHinted, ExecutionEnded."""
        known = self._known(proposal)
        if known is not None:
            settled = known if known.state == "done" else None
            return Released(known.action_id, known.effective_arguments, settled)
        body = {"tool": proposal.tool, "effect": proposal.effect, "arguments": proposal.arguments}
        call = self._at.call("effects", to_wire({**body, "work": proposal.work}))
        proposed = yield from self._asking(call, Proposed, proposal.timeout_seconds)
        if proposed.checkpoint_id is None:
            return Released(proposed.action_id, proposal.arguments)
        asked = Held(status=AWAITING, checkpoint_id=proposed.checkpoint_id, attempt=proposed.attempt)
        checkpoint = yield from self._verdict(asked, proposal.timeout_seconds, is_effect=True)
        for action in checkpoint.effective_actions:
            if action.action_id == proposed.action_id:
                return Released(proposed.action_id, action.arguments)
        raise Conflict("This effect was dropped meanwhile; propose it anew.", code="effect-not-released")

    def start(self, released: Released, record: Any = None) -> Flow[KnownEffect]:
        path = f"effects/{segment(released.action_id)}/start"
        body = {"arguments": released.arguments} | ({} if record is None else {"record": keepable(record)})
        return (yield from self._asking(self._at.call(path, body), KnownEffect, None))

    def done(self, action_id: str, result: Any) -> Flow[KnownEffect]:
        try:
            return (yield from self._conclude(action_id, {"result": keepable(result)}))
        except Invalid:
            # It has happened: that much must be kept.
            return (yield from self._conclude(action_id, {"result": "(a result that cannot be kept)"}))

    def not_done(self, action_id: str, reason: str) -> Flow[KnownEffect]:
        return (yield from self._conclude(action_id, {"error": reason[:2_000] or "Nothing was done."}))

    def doubt(self, action_id: str, timeout_seconds: float | None) -> Flow[Any]:
        """It may have happened or not: the reviewer says what to take it for, and that is the result."""
        call = external_calls.conclude(self.execution_id, action_id, {"isUnknown": True})
        known = yield from self._asking(call, KnownEffect, timeout_seconds)
        while known.state == "started":
            status = yield from fetch(calls.status(self.execution_id), Status, self.pace)
            if status.is_final:
                raise _ended(status)
            for checkpoint in status.awaiting:
                yield from self._verdict(_held(checkpoint), timeout_seconds, is_effect=True)
            known = yield from self._asking(call, KnownEffect, timeout_seconds)
        if known.state == "failed":
            # Decided before it was read that somebody is asked, or an answer was lost.
            status = yield from fetch(calls.status(self.execution_id), Status, self.pace)
            raise _hinted(_last_hint(status, known), EffectHinted)
        return known.result

    def checkpoint(self, stage: str, work: str, timeout_seconds: float | None) -> Flow[Checkpoint | None]:
        call = self._at.call("checkpoints", {"stage": stage, "work": work})
        held = yield from self._asking(call, Held, timeout_seconds)
        if held.checkpoint_id is None:
            return None
        return (yield from self._verdict(held, timeout_seconds, is_effect=False))

    def finish(self, result: str, timeout_seconds: float | None) -> Flow[None]:
        call = self._end({"result": result})
        while True:
            held = yield from self._asking(call, Held, timeout_seconds)
            if held.checkpoint_id is None:
                self.is_over = True
                if held.status != "completed":
                    raise _over(held.status)
                return
            yield from self._verdict(held, timeout_seconds, is_effect=False)

    def fail(self, message: str) -> Flow[None]:
        call = self._end({"error": message[:2_000] or NO_RESULT})
        try:
            yield from _acting(fetch(call, Held, self.pace))
        except ExecutionEnded as ended:
            if not (ended.is_after_lost_answer and ended.execution_status == "failed"):
                raise
        self.is_over = True

    def leave(self, error: BaseException | None) -> Flow[None]:
        """The end of the `with` statement. Of an exception its kind is told, not its words."""
        if self.is_over or isinstance(error, PASSING) or _is_taken_over(error):
            return
        if error is not None and not isinstance(error, Exception):
            return  # the process is being stopped, and another may go on
        try:
            yield from self.fail(NO_RESULT if error is None else type(error).__name__)
        except MixusError:
            if error is None:
                raise

    def _known(self, proposal: Proposal) -> KnownEffect | None:
        """One of the processes before, for the same call: each serves once."""
        for known in self.earlier:
            is_same = (known.tool, known.arguments) == (proposal.tool, proposal.arguments)
            if is_same and known.state in {"done", "released"}:
                self.earlier.remove(known)
                return known
        return None

    def _end(self, said: Mapping[str, Any]) -> Call:
        """Without an Idempotency-Key: the same answer ends it once, however often it arrives."""
        path = f"{external_calls.execution(self.execution_id)}/finish"
        return Call("POST", path, body={"workerId": self._begun.worker_id, **said})

    def _conclude(self, action_id: str, outcome: Mapping[str, Any]) -> Flow[KnownEffect]:
        call = external_calls.conclude(self.execution_id, action_id, outcome)
        return (yield from fetch(call, KnownEffect, self.pace))

    def _asking(self, call: Call, model: type[Result], timeout_seconds: float | None) -> Flow[Result]:
        """Ask again when what somebody else waits for is decided."""
        while True:
            try:
                return (yield from _acting(fetch(call, model, self.pace)))
            except Conflict as conflict:
                if conflict.code != "decision-awaited":
                    raise
            yield from wait_until(
                self.execution_id, lambda status: not status.is_awaiting, timeout_seconds, self.pace
            )

    def _verdict(self, asked: Held, timeout_seconds: float | None, *, is_effect: bool) -> Flow[Checkpoint]:
        """The checkpoint once it is approved."""

        def is_decided(status: Status) -> bool:
            checkpoint = _checkpoint(status, asked)
            is_asked = checkpoint.is_awaiting and checkpoint.attempt == asked.attempt
            return status.is_final or not is_asked

        status = yield from wait_until(self.execution_id, is_decided, timeout_seconds, self.pace)
        checkpoint = _checkpoint(status, asked)
        if status.is_final:
            raise _rejected(status, checkpoint) if is_effect else _ended(status)
        for hint in checkpoint.hints:
            if hint["attempt"] == asked.attempt:
                raise _hinted(hint, EffectHinted if is_effect else Hinted)
        return checkpoint


def begin(call: Call, pace: Pace) -> Flow[Begun]:
    """Under an Idempotency-Key that was used before there is one already: take it over."""
    answer = yield from exchange(call, pace)
    begun = parse(answer, lambda wire: build(Begun, wire))
    if answer.headers.get("idempotency-replayed") == "true":
        return (yield from attach(begun.execution_id, None, pace))
    return begun


def attach(execution_id: str, timeout_seconds: float | None, pace: Pace) -> Flow[Begun]:
    """Take over; while the reviewer is asked what became of the process before, wait for him."""
    while True:
        begun = yield from _acting(fetch(external_calls.attach(execution_id), Begun, pace))
        if begun.status != AWAITING:
            return begun
        yield from wait_until(execution_id, lambda status: not status.is_awaiting, timeout_seconds, pace)


def _acting(flow: Flow[Result]) -> Flow[Result]:
    try:
        return (yield from flow)
    except Conflict as conflict:
        if conflict.code != "execution-finished":
            raise
        ended = ExecutionEnded(
            conflict.detail, code=conflict.code, status=conflict.status, request_id=conflict.request_id
        )
        ended.is_after_lost_answer = conflict.is_after_lost_answer
        ended.execution_status = str(conflict.problem.get("executionStatus", ended.execution_status))
        raise ended from conflict


def _checkpoint(status: Status, asked: Held) -> Checkpoint:
    return next(each for each in status.checkpoints if each.checkpoint_id == asked.checkpoint_id)


def _held(checkpoint: Checkpoint) -> Held:
    return Held(status=AWAITING, checkpoint_id=checkpoint.checkpoint_id, attempt=checkpoint.attempt)


def _ended(status: Status, kind: type[ExecutionEnded] = ExecutionEnded) -> ExecutionEnded:
    return _over(status.status, kind)


def _over(status: str, kind: type[ExecutionEnded] = ExecutionEnded) -> ExecutionEnded:
    code = "effect-rejected" if kind is EffectRejected else "execution-finished"
    error = kind(f"The execution is {status}: nothing more can be done in it.", code=code)
    error.execution_status = status
    return error


def _rejected(status: Status, checkpoint: Checkpoint) -> ExecutionEnded:
    return _ended(status, EffectRejected if checkpoint.status == "rejected" else ExecutionEnded)


def _last_hint(status: Status, known: KnownEffect) -> Mapping[str, Any]:
    hints = [hint for checkpoint in status.checkpoints for hint in checkpoint.hints]
    return max(hints, key=lambda hint: str(hint["at"]), default={"hint": known.result})


def _hinted(hint: Mapping[str, Any], kind: type[Hinted]) -> Hinted:
    error = kind(f"The reviewer gave a hint: {hint['hint']}", code="hinted")
    error.hint = hint["hint"]
    return error


def _is_taken_over(error: BaseException | None) -> bool:
    return isinstance(error, Conflict) and error.code == "taken-over"
