"""`mixus.Client`: the API of a mixus server for programs that wait for their answers."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx2

from mixus.client import calls, exports, external_calls, external_flows, flows
from mixus.client.answers import (
    Checkpoint,
    Decision,
    Event,
    Execution,
    KeySelf,
    QueuedCheckpoint,
    Status,
    TaskCreated,
    Template,
    TraceEntry,
)
from mixus.client.calls import Call, ExportFields, TaskFields, TestMode, UpdateFields
from mixus.client.connection import connect, headers_of, is_stream, no_answer
from mixus.client.export_stream import CSV, JSONL, ExportStream
from mixus.client.external import ExternalRun
from mixus.client.external_calls import Begun, ExternalFields
from mixus.client.external_flows import Course
from mixus.client.flows import Attempt, Flow, Until
from mixus.client.report import MetricsReport
from mixus.client.retries import Answer, Outcome, Pace
from mixus.client.stream import EventStream
from mixus.client.wire import Json

Result = TypeVar("Result")
Item = TypeVar("Item")


class Client:
    """Owns the connections to one server, with one key; safe to share between threads."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        max_retries: int = 4,
        allow_insecure: bool = False,
        _pace: Pace | None = None,
        _sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connect(api_key, base_url, timeout_seconds, allow_insecure=allow_insecure)
        self._pace = _pace or Pace(max_retries)
        self._sleep = _sleep
        self._http = httpx2.Client(**self._connection.transport())

    def __repr__(self) -> str:
        return f"Client(base_url={self._connection.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def create_task_agent(
        self,
        task_description: str | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskCreated:
        """Create from a description, or from a `template` with its `parameters`."""
        return self.create_from_request(
            calls.task_body(task_description, fields), idempotency_key=idempotency_key
        )

    def create_from_request(
        self, body: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> TaskCreated:
        """Create from a body as it stands on the wire, in camelCase."""
        return self._run(flows.fetch(calls.create(body, idempotency_key), TaskCreated, self._pace))

    def status(self, execution_id: str, *, wait_ms: int | None = None, since: int | None = None) -> Status:
        """Read the status; with `wait_ms` (at most 30,000), once its version is no longer `since`."""
        return self._run(flows.fetch(calls.status(execution_id, wait_ms, since), Status, self._pace))

    def wait(
        self, execution_id: str, until: Until = "checkpoint", timeout_seconds: float | None = None
    ) -> Status:
        """Wait until a checkpoint awaits a decision or the end is reached; raises TimedOut."""
        return self._run(flows.wait(execution_id, until, timeout_seconds, self._pace))

    def executions(
        self,
        *,
        status: str | None = None,
        test_mode: TestMode | None = None,
        q: str | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page_size: int | None = None,
    ) -> Iterator[Execution]:
        return self._items(calls.executions(status, test_mode, q, from_time, to_time, page_size), Execution)

    def update(self, execution_id: str, **fields: Unpack[UpdateFields]) -> Execution:
        return self._run(flows.fetch(calls.update(execution_id, fields), Execution, self._pace))

    def delete(self, execution_id: str) -> None:
        self._run(flows.finish(calls.delete(execution_id), self._pace))

    def cancel(self, execution_id: str) -> Status:
        return self._run(flows.cancel(execution_id, self._pace))

    def retry(self, execution_id: str, *, idempotency_key: str | None = None) -> TaskCreated:
        return self._run(flows.fetch(calls.retry(execution_id, idempotency_key), TaskCreated, self._pace))

    def decide(
        self,
        execution_id: str,
        checkpoint_id: str,
        action: Decision,
        *,
        attempt: int,
        hint: str | None = None,
        comment: str | None = None,
        edits: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Checkpoint:
        """Decide the attempt that was read.

        `edits` are other arguments, by the id of the action, to approve in place of those proposed.
        A Conflict with `is_after_lost_answer` may be this very decision, taken when its answer was lost.
        """
        call = calls.decide(execution_id, checkpoint_id, action, attempt, edits, hint=hint, comment=comment)
        return self._run(flows.fetch(call, Checkpoint, self._pace))

    def awaiting_checkpoints(self) -> Iterator[QueuedCheckpoint]:
        return self._items(calls.awaiting_checkpoints(), QueuedCheckpoint)

    def trace(self, execution_id: str) -> Iterator[TraceEntry]:
        return self._items(calls.trace(execution_id), TraceEntry)

    def templates(self) -> Iterator[Template]:
        return self._items(calls.templates(), Template)

    def key(self) -> KeySelf:
        return self._run(flows.fetch(calls.key(), KeySelf, self._pace))

    def external_execution(
        self,
        task_description: str,
        *,
        agent: str,
        idempotency_key: str | None = None,
        **fields: Unpack[ExternalFields],
    ) -> ExternalRun:
        """Evaluate an agent that runs in this process: `with client.external_execution(…) as run:`."""
        call = external_calls.begin(task_description, agent, fields, idempotency_key)
        return ExternalRun(self._run, Course(self._pace, lambda: external_flows.begin(call, self._pace)))

    def attach_external(self, execution_id: str, *, timeout_seconds: float | None = None) -> ExternalRun:
        """Go on with an execution whose process is gone; the one before is fenced off.

        Waits while the reviewer is asked about what it left. An effect with the same tool and arguments as
        one of before is not done again: its result is known, or its approval is used.
        """

        def opening() -> Flow[Begun]:
            return external_flows.attach(execution_id, timeout_seconds, self._pace)

        return ExternalRun(self._run, Course(self._pace, opening))

    def events(self, execution_id: str, last_event_id: str | None = None) -> Iterator[Event]:
        """Follow an execution until it ends, over as many connections as that takes."""
        stream = EventStream(execution_id, last_event_id, self._pace)
        while not stream.is_closed:
            self._sleep(stream.delay_seconds)
            yield from self._connected(stream)

    def metrics(
        self,
        *,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        test_mode: TestMode | None = None,
        model: str | None = None,
        template: str | None = None,
        include_rehearsal: bool = False,
    ) -> MetricsReport:
        """Totals over what was created in the range, by default the last 30 days."""
        call = calls.metrics(from_time, to_time, test_mode, model, template, include_rehearsal)
        return self._run(flows.fetch(call, MetricsReport, self._pace))

    def export(self, **fields: Unpack[ExportFields]) -> Iterator[Json]:
        """Each execution as the wire's JSON, oldest first; raises at the end if that was not all."""
        stream = ExportStream(calls.export("jsonl", fields), JSONL, self._pace)
        return exports.documents(self._http, self._connection, stream, self._sleep)

    def export_csv(self, **fields: Unpack[ExportFields]) -> Iterator[bytes]:
        """A table in CSV, in pieces to be written as they come; raises at the end if that was not all."""
        stream = ExportStream(calls.export("csv", fields), CSV, self._pace)
        return exports.pieces(self._http, self._connection, stream, self._sleep)

    def _connected(self, stream: EventStream) -> Iterator[Event]:
        request = self._connection.request(self._http, stream.call())
        try:
            response = self._http.send(request, auth=self._connection.auth, stream=True)
        except httpx2.RequestError as error:
            stream.failed(no_answer(error))
            return
        try:
            if not is_stream(response):
                stream.failed(Answer(response.status_code, headers_of(response), response.read()))
                return
            stream.opened()
            for message in httpx2.EventSource(response):
                event = stream.received(message)
                if event is not None:
                    yield event
                if stream.is_closed:
                    return
        except httpx2.RequestError:
            pass  # a broken stream is taken up again like one that ended
        finally:
            response.close()
        if stream.ended():
            stream.is_closed = self.status(stream.execution_id).is_final

    def _items(self, call: Call, model: type[Item]) -> Iterator[Item]:
        following: Call | None = call
        while following is not None:
            page = self._run(flows.page(following, model, self._pace))
            yield from page.items
            following = page.following

    def _run(self, flow: Flow[Result]) -> Result:
        try:
            attempt = next(flow)
            while True:
                attempt = flow.send(self._send(attempt))
        except StopIteration as stop:
            result: Result = stop.value
            return result

    def _send(self, attempt: Attempt) -> Outcome:
        if attempt.delay_seconds:
            self._sleep(attempt.delay_seconds)
        request = self._connection.request(self._http, attempt.call)
        try:
            response = self._http.send(request, auth=self._connection.auth)
        except httpx2.RequestError as error:
            return no_answer(error)
        return Answer(response.status_code, headers_of(response), response.content)
