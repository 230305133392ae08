"""Every request that the client can make, as values: nothing here sends."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NotRequired, TypedDict

from mixus.client.answers import Decision
from mixus.client.wire import Json, instant, segment, to_wire

# The longest that the server holds a status back.
LONGEST_WAIT_MS: Final = 30_000
TestMode = Literal["with-verification", "without-verification"]


@dataclass(frozen=True)
class Call:
    """One request; `is_repeatable` says that sending it twice does no more than sending it once."""

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True
    # How much longer than usual the answer may take.
    held_seconds: float = 0.0


class NewCheckpoint(TypedDict):
    """Where the agent must stop and ask."""

    stage: str
    description: str
    verification_question: NotRequired[str]


class TaskFields(TypedDict, total=False):
    """What `create_task_agent` takes beside the description; None is the same as left out."""

    template: str | None
    parameters: Mapping[str, Any] | None
    task_name: str | None
    checkpoints: Sequence[NewCheckpoint] | None
    auto_detect_checkpoints: bool | None
    test_mode: TestMode | None
    assigned_reviewer: str | None
    model: str | None
    script: Sequence[Mapping[str, Any]] | None
    review_result: bool | None
    expected_outcome: Mapping[str, Any] | None
    environment: Literal["sandbox", "live"] | None
    tools: Sequence[str] | None
    max_steps: int | None
    max_cost_usd: float | None
    max_tokens: int | None
    timeout_ms: int | None
    review_timeout_ms: int | None
    escalate_to: str | None
    on_review_timeout: Literal["expire", "reject"] | None
    metadata: Mapping[str, Any] | None


class UpdateFields(TypedDict, total=False):
    """What can still be changed on an execution."""

    task_name: str
    metadata: Mapping[str, Any]
    assigned_reviewer: str


class ExportFields(TypedDict, total=False):
    """Which executions are exported; None is the same as left out."""

    status: str | None
    test_mode: TestMode | None
    q: str | None
    from_time: datetime | None
    to_time: datetime | None
    include_rehearsal: bool


def create(body: Mapping[str, Any], idempotency_key: str | None) -> Call:
    """Return the call that creates from a body as it stands on the wire."""
    return creating("/api/eval/create-task-agent", dict(body), idempotency_key)


def task_body(task_description: str | None, fields: TaskFields) -> Json:
    unknown = fields.keys() - TaskFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"create_task_agent() has no field {', '.join(sorted(unknown))}")
    body = to_wire({"task_description": task_description, **fields})
    if "checkpoints" in body:
        body["checkpoints"] = [to_wire(checkpoint) for checkpoint in body["checkpoints"]]
    for name in ("script", "tools"):
        if name in body:
            body[name] = list(body[name])
    return body


def status(execution_id: str, wait_ms: int | None = None, since: int | None = None) -> Call:
    if wait_ms is not None and not 0 <= wait_ms <= LONGEST_WAIT_MS:
        raise ValueError(f"wait_ms is between 0 and {LONGEST_WAIT_MS}; wait() waits longer.")
    return Call(
        "GET",
        f"/api/eval/status/{segment(execution_id)}",
        to_wire({"wait_ms": wait_ms, "since": since}),
        held_seconds=(wait_ms or 0) / 1000,
    )


def executions(
    status: str | None,
    test_mode: TestMode | None,
    q: str | None,
    from_time: datetime | None,
    to_time: datetime | None,
    page_size: int | None,
) -> Call:
    query = {
        "status": status,
        "test_mode": test_mode,
        "q": q,
        "from": instant(from_time),
        "to": instant(to_time),
        "limit": page_size,
    }
    return Call("GET", "/api/eval/executions", to_wire(query))


def metrics(
    from_time: datetime | None,
    to_time: datetime | None,
    test_mode: TestMode | None,
    model: str | None,
    template: str | None,
    include_rehearsal: bool,  # noqa: FBT001 - passed on from where it is named
) -> Call:
    query = {
        "from": instant(from_time),
        "to": instant(to_time),
        "test_mode": test_mode,
        "model": model,
        "template": template,
        "include_rehearsal": "true" if include_rehearsal else None,
    }
    return Call("GET", "/api/eval/metrics", to_wire(query))


def export(form: Literal["jsonl", "csv"], fields: ExportFields) -> Call:
    unknown = fields.keys() - ExportFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"An export has no filter {', '.join(sorted(unknown))}")
    query = {
        "format": form,
        "status": fields.get("status"),
        "test_mode": fields.get("test_mode"),
        "q": fields.get("q"),
        "from": instant(fields.get("from_time")),
        "to": instant(fields.get("to_time")),
        "include_rehearsal": "true" if fields.get("include_rehearsal") else None,
    }
    return Call("GET", "/api/eval/export", to_wire(query), headers={"Accept": "*/*"})


def update(execution_id: str, fields: UpdateFields) -> Call:
    unknown = fields.keys() - UpdateFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"update() has no field {', '.join(sorted(unknown))}")
    return Call("PATCH", execution(execution_id), body=to_wire(fields))


def delete(execution_id: str) -> Call:
    return Call("DELETE", execution(execution_id))


def cancel(execution_id: str) -> Call:
    # A second cancel cancels nothing more: it is refused, and the flow then reads what became of the first.
    return Call("POST", f"{execution(execution_id)}/cancel")


def retry(execution_id: str, idempotency_key: str | None) -> Call:
    return creating(f"{execution(execution_id)}/retry", None, idempotency_key)


def decide(
    execution_id: str,
    checkpoint_id: str,
    action: Decision,
    attempt: int,
    edits: Mapping[str, Mapping[str, Any]] | None,
    **said: str | None,
) -> Call:
    """`edits` by action id; `said` are the hint and the comment."""
    path = f"{execution(execution_id)}/checkpoints/{segment(checkpoint_id)}/decision"
    edited = [{"actionId": name, "arguments": dict(arguments)} for name, arguments in (edits or {}).items()]
    # Bound to the attempt that was read, so that the server takes it once, however often it arrives.
    body = {"action": action, "attempt": attempt, "edited_actions": edited or None, **said}
    return Call("POST", path, body=to_wire(body))


def awaiting_checkpoints() -> Call:
    return Call("GET", "/api/eval/checkpoints", {"status": "awaiting"})


def trace(execution_id: str) -> Call:
    return Call("GET", f"{execution(execution_id)}/trace")


def events(execution_id: str, last_event_id: str | None) -> Call:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    return Call("GET", f"{execution(execution_id)}/events", headers=headers)


def templates() -> Call:
    return Call("GET", "/api/eval/templates")


def key() -> Call:
    return Call("GET", "/api/keys/self")


def execution(execution_id: str) -> str:
    return f"/api/eval/executions/{segment(execution_id)}"


def creating(path: str, body: Json | None, idempotency_key: str | None) -> Call:
    headers = {"Idempotency-Key": idempotency_key or secrets.token_urlsafe(18)}
    return Call("POST", path, body=body, headers=headers)
