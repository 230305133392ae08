"""An agent of your own, in this process, whose effects wait for a reviewer: the blocking half."""

import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload

from mixus.client import external_calls
from mixus.client.answers import Checkpoint
from mixus.client.errors import EffectNotDone
from mixus.client.external_calls import Effect, KnownEffect, Released, StepNotes
from mixus.client.external_flows import Course
from mixus.client.flows import Flow

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Drive(Protocol):
    """Carries a flow out over the connection of a client."""

    def __call__(self, flow: Flow[Result]) -> Result: ...


class Step:
    """What the agent does now; what is noted of it goes into the trace when it ends."""

    def __init__(self, drive: Drive, course: Course, name: str) -> None:
        self._drive = drive
        self._course = course
        self._notes = StepNotes(name, course.pace.now_seconds())

    def note(self, **data: Any) -> None:
        """Facts for the trace and for the reviewer, as JSON."""
        self._notes.data |= data

    def spent(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """This was a call of a model. What is left out is unknown."""
        spent = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cost_usd": cost_usd}
        self._notes.spent |= spent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drive(self._course.note(self._notes, error))


class Permit:
    """Leave to do one effect once, with exactly these `arguments`.

    Where it `is_real`, do it and say `done` or `not_done`; else it must not be done, and `result` is there.
    """

    def __init__(
        self, drive: Drive, course: Course, known: KnownEffect, timeout_seconds: float | None
    ) -> None:
        self._drive = drive
        self._course = course
        self._timeout_seconds = timeout_seconds
        self.action_id = known.action_id
        self.arguments = known.effective_arguments
        self.is_real = known.state == "started"
        self.result = known.result

    def done(self, result: Any = None) -> None:
        """It has happened; nothing is told where it was not to."""
        if self.is_real:
            self._drive(self._course.done(self.action_id, result))

    def not_done(self, reason: str) -> None:
        """For certain nothing was done."""
        if self.is_real:
            self._drive(self._course.not_done(self.action_id, reason))

    def perform(self, act: Callable[[dict[str, Any]], Any]) -> Any:
        """Do it where it is real, and answer its result, whoever knows it."""
        if not self.is_real:
            return self.result
        try:
            result = act(self.arguments)
        except EffectNotDone as refused:
            self.not_done(refused.detail)
            raise
        except Exception:
            logger.exception(
                "the effect %s broke, and may have happened; the reviewer is asked", self.action_id
            )
            return self._drive(self._course.doubt(self.action_id, self._timeout_seconds))
        self.done(result)
        return result


class ExternalRun:
    """Made by `Client.external_execution` and `Client.attach_external`; begins with the `with` statement."""

    def __init__(self, drive: Drive, course: Course) -> None:
        self._drive = drive
        self._course = course

    @property
    def execution_id(self) -> str:
        return self._course.execution_id

    @property
    def is_live(self) -> bool:
        return self._course.is_live

    def step(self, name: str) -> Step:
        return Step(self._drive, self._course, name)

    @overload
    def effect(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        effect: Effect,
        perform: None = None,
        record: Callable[[dict[str, Any]], Any] | None = None,
        work: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Permit: ...

    @overload
    def effect(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        effect: Effect,
        perform: Callable[[dict[str, Any]], Any],
        record: Callable[[dict[str, Any]], Any] | None = None,
        work: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Any: ...

    def effect(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        effect: Effect,
        perform: Callable[[dict[str, Any]], Any] | None = None,
        record: Callable[[dict[str, Any]], Any] | None = None,
        work: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """Wait until a reviewer approved exactly this call, then perform it once and answer its result.

        In the sandbox `perform` is not called: the result is what `record` makes of the arguments. Without
        `perform` the answer is a Permit. Raises EffectRejected, EffectHinted, ExecutionEnded, TimedOut.
        """
        proposal = external_calls.proposal(tool, arguments, effect, work, timeout_seconds)
        released = self._drive(self._course.release(proposal))
        known = released.settled or self._start(released, record)
        permit = Permit(self._drive, self._course, known, timeout_seconds)
        return permit if perform is None else permit.perform(perform)

    def checkpoint(self, stage: str, work: str, *, timeout_seconds: float | None = None) -> Checkpoint | None:
        """Have this work verified; None where nobody had to be asked. Raises Hinted, ExecutionEnded."""
        return self._drive(self._course.checkpoint(stage, work, timeout_seconds))

    def finish(self, result: str, *, timeout_seconds: float | None = None) -> None:
        """Give the final answer, and wait while it is verified. Raises Hinted, ExecutionEnded."""
        self._drive(self._course.finish(result, timeout_seconds))

    def fail(self, message: str) -> None:
        """Give up."""
        self._drive(self._course.fail(message))

    def __enter__(self) -> Self:
        self._drive(self._course.open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drive(self._course.leave(error))

    def _start(self, released: Released, record: Callable[[dict[str, Any]], Any] | None) -> KnownEffect:
        is_recorded = record is not None and not self.is_live
        kept = record(released.arguments) if record is not None and is_recorded else None
        return self._drive(self._course.start(released, kept))
