"""What a process says of its own agent, as requests and answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

from mixus.client.calls import Call, NewCheckpoint, TestMode, creating
from mixus.client.wire import Json, segment, to_wire

ROOT: Final = "/api/eval/external-executions"
# What the server keeps of one result, in bytes of JSON.
MOST_BYTES: Final = 64 * 1024

Effect = Literal["send", "purchase", "modify", "delete", "other"]


class ExternalFields(TypedDict, total=False):
    """What `external_execution` takes beside the description and the agent; None is the same as left out."""

    task_name: str | None
    checkpoints: list[NewCheckpoint] | None
    auto_detect_checkpoints: bool | None
    test_mode: TestMode | None
    assigned_reviewer: str | None
    review_result: bool | None
    expected_outcome: Mapping[str, Any] | None
    environment: Literal["sandbox", "live"] | None
    timeout_ms: int | None
    review_timeout_ms: int | None
    escalate_to: str | None
    on_review_timeout: Literal["expire", "reject"] | None
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class KnownEffect:
    """`state` is released, started, done or failed."""

    action_id: str
    state: str
    tool: str = ""
    effect: str | None = None
    arguments: Json = field(default_factory=dict)
    effective_arguments: Json = field(default_factory=dict)
    result: Any = None
    execution_status: str | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """`effects` are those of the processes before this one."""

    execution_id: str
    worker_id: str
    status: str
    environment: str
    effects: tuple[KnownEffect, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Noted:
    execution_id: str


@dataclass(frozen=True, kw_only=True)
class Held:
    status: str
    checkpoint_id: str | None = None
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Proposed:
    action_id: str
    state: str
    checkpoint_id: str | None = None
    attempt: int = 1


@dataclass(frozen=True)
class At:
    """Which process of which execution is speaking."""

    execution_id: str
    worker_id: str

    def call(self, path: str, body: Mapping[str, Any]) -> Call:
        """With one Idempotency-Key for all attempts, so that a repeat does nothing twice."""
        return creating(f"{execution(self.execution_id)}/{path}", {"workerId": self.worker_id, **body}, None)


@dataclass(frozen=True)
class Proposal:
    tool: str
    arguments: Json
    effect: Effect
    work: str | None = None
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class Released:
    """`arguments` are what may be done: a reviewer may have changed them. `settled` was done before."""

    action_id: str
    arguments: Json
    settled: KnownEffect | None = None


@dataclass
class StepNotes:
    """What is gathered of a step until it ends."""

    name: str
    began_seconds: float
    data: Json = field(default_factory=dict)
    spent: Json = field(default_factory=dict)

    def body(self, error: BaseException | None, now_seconds: float) -> Json:
        gathered = {
            "name": self.name,
            "data": as_json(self.data) or None,
            "error": None if error is None else type(error).__name__,
            "duration_ms": max(0, round((now_seconds - self.began_seconds) * 1000)),
        }
        return to_wire(gathered | self.spent)


def begin(
    task_description: str, agent: str, fields: ExternalFields, idempotency_key: str | None = None
) -> Call:
    unknown = fields.keys() - ExternalFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"external_execution() has no field {', '.join(sorted(unknown))}")
    body = to_wire({"task_description": task_description, "agent": agent, **fields})
    if "checkpoints" in body:
        body["checkpoints"] = [to_wire(checkpoint) for checkpoint in body["checkpoints"]]
    return creating(ROOT, body, idempotency_key)


def proposal(
    tool: str,
    arguments: Mapping[str, Any],
    effect: Effect,
    work: str | None,
    timeout_seconds: float | None,
) -> Proposal:
    return Proposal(tool, as_json(dict(arguments)), effect, work, timeout_seconds)


def attach(execution_id: str) -> Call:
    return Call("POST", f"{execution(execution_id)}/attach")


def conclude(execution_id: str, action_id: str, outcome: Mapping[str, Any]) -> Call:
    path = f"{execution(execution_id)}/effects/{segment(action_id)}/result"
    # The first word stands, so that a second one does no harm.
    return Call("POST", path, body=dict(outcome))


def execution(execution_id: str) -> str:
    return f"{ROOT}/{segment(execution_id)}"


def as_json(value: Any) -> Any:
    """What JSON makes of it; raises TypeError or ValueError where it makes nothing."""
    return json.loads(json.dumps(value, allow_nan=False))


def keepable(result: Any) -> Any:
    """The result as the server can keep it: it has happened, so nothing is raised for its form."""
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return f"(a {type(result).__name__}, which is no JSON)"
    size = len(text.encode(errors="surrogatepass"))
    if size > MOST_BYTES:
        return f"(too long to be kept: {size} bytes of JSON)"
    return json.loads(text)
