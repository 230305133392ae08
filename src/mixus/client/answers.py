"""What the server answers, as frozen values; `raw` keeps each answer as it came."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from mixus.client.wire import Json

FINAL: Final = frozenset({"completed", "rejected", "failed", "cancelled", "expired"})
AWAITING: Final = "awaiting-verification"

Decision = Literal["approve", "reject", "hint"]


@dataclass(frozen=True, kw_only=True)
class TaskCreated:
    execution_id: str
    status: str
    status_url: str | None = None
    review_url: str | None = None
    created_at: datetime | None = None
    model: str | None = None
    rehearsal: bool = False
    warnings: tuple[Any, ...] = ()
    retry_of: str | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class PlanStep:
    step: int | None = None
    description: str = ""
    effect: str | None = None
    stage: str | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Action:
    """A tool call that waits for a reviewer, or that he released."""

    action_id: str | None = None
    tool: str = ""
    effect: str | None = None
    arguments: Any = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    checkpoint_id: str
    status: str
    stage: str = ""
    description: str = ""
    verification_question: str | None = None
    source: str | None = None
    attempt: int = 1
    work: str | None = None
    proposed_actions: tuple[Action, ...] = ()
    effective_actions: tuple[Action, ...] = ()
    requested_at: datetime | None = None
    due_at: datetime | None = None
    notified_at: datetime | None = None
    first_viewed_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_via: str | None = None
    decision: str | None = None
    hints: tuple[Any, ...] = ()
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def is_awaiting(self) -> bool:
        return self.status == "awaiting"


@dataclass(frozen=True, kw_only=True)
class QueuedCheckpoint(Checkpoint):
    """A checkpoint in a reviewer's queue, with the execution that it belongs to."""

    execution_id: str
    task_name: str = ""
    rehearsal: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    checkpoints_total: int = 0
    checkpoints_decided: int = 0
    steps: int = 0
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Score:
    type: str | None = None
    passed: bool | None = None
    value: Any = None
    expected: Any = None
    detail: str | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class TaskError:
    """Why an execution failed."""

    code: str = ""
    message: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """`duration_ms` is the sum of queued, agent and waiting; None is unknown, not zero."""

    duration_ms: int = 0
    queued_ms: int = 0
    agent_ms: int = 0
    waiting_ms: int = 0
    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    errors: int = 0
    retries: int = 0
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class HumanVerification:
    requested: int = 0
    approved: int = 0
    edited: int = 0
    rejected: int = 0
    hints: int = 0
    by_key: int = 0
    median_response_ms: int | None = None
    active_review_ms: int | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One run of a task, as a list shows it."""

    execution_id: str
    status: str
    task_name: str = ""
    test_mode: str | None = None
    model: str | None = None
    environment: str | None = None
    rehearsal: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL or self.finished_at is not None

    @property
    def is_awaiting(self) -> bool:
        return self.status == AWAITING


@dataclass(frozen=True, kw_only=True)
class Status(Execution):
    version: int = 0
    plan: tuple[PlanStep, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    progress: Progress = Progress()
    result: Any = None
    score: Score | None = None
    error: TaskError | None = None
    notice: str | None = None
    metrics: Metrics = Metrics()
    human_verification: HumanVerification = HumanVerification()

    @property
    def awaiting(self) -> tuple[Checkpoint, ...]:
        """The checkpoints that wait for a decision now."""
        return tuple(checkpoint for checkpoint in self.checkpoints if checkpoint.is_awaiting)


@dataclass(frozen=True, kw_only=True)
class TraceEntry:
    """One step, model call, tool call or decision; `raw` holds the members of its kind."""

    number: int
    kind: str
    at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One server-sent event; `id` is where to go on from, `data` a trace entry as JSON."""

    id: str
    kind: str
    data: Json = field(default_factory=dict)
    is_closing: bool = False


@dataclass(frozen=True, kw_only=True)
class TemplateParameter:
    """As JSON Schema says it; `multiple_of` is the smallest step of a number."""

    name: str
    type: str = "string"
    description: str = ""
    format: str | None = None
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: float | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class TemplateRehearsal:
    """Whether the model `rehearsal` does all of it; `note` says what it does at most."""

    whole: bool = False
    note: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A ready task; checkpoints and the expected outcome are those of the defaults."""

    name: str
    title: str = ""
    description: str = ""
    parameters: tuple[TemplateParameter, ...] = ()
    checkpoints: tuple[Any, ...] = ()
    auto_detect_checkpoints: bool = True
    tools: tuple[str, ...] = ()
    missing_tools: tuple[str, ...] = ()
    expected_outcome: Any = None
    rehearsal: TemplateRehearsal = TemplateRehearsal()
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class KeySelf:
    """The key that is calling."""

    id: str
    name: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    limits: Any = None
    raw: Json = field(default_factory=dict, repr=False)
