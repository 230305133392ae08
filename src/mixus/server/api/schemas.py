"""What the answers look like: documentation that a test holds the hand-made documents to."""

from typing import Any, Literal

from pydantic import ConfigDict, JsonValue

from mixus.evals.lifecycle import CheckpointStatus, Effect, Environment, Source, Status, TestMode
from mixus.evals.scoring import Kind
from mixus.server.wire import Timestamp, Wire


class Answered(Wire):
    """Every member is always there; null is said, not left out."""

    model_config = ConfigDict(strict=False)


class Succeeded(Answered):
    success: Literal[True]


class Action(Answered):
    action_id: str
    tool: str
    effect: Effect
    arguments: dict[str, JsonValue]


class Hint(Answered):
    attempt: int
    hint: str
    comment: str | None
    by: str
    via: str
    requested_at: Timestamp
    notified_at: Timestamp | None
    first_viewed_at: Timestamp | None
    active_review_ms: int | None
    at: Timestamp


class Checkpoint(Answered):
    checkpoint_id: str
    stage: str
    description: str
    verification_question: str | None
    source: Source
    status: CheckpointStatus
    attempt: int
    work: str | None
    proposed_actions: list[Action]
    effective_actions: list[Action]
    requested_at: Timestamp | None
    due_at: Timestamp | None
    notified_at: Timestamp | None
    first_viewed_at: Timestamp | None
    decided_at: Timestamp | None
    decided_by: str | None
    decided_via: str | None
    decision: str | None
    hints: list[Hint]


class QueuedCheckpoint(Checkpoint):
    """A checkpoint with the execution that waits for it."""

    execution_id: str
    task_name: str
    rehearsal: bool


class CheckpointPage(Succeeded):
    items: list[QueuedCheckpoint]
    next_cursor: str | None


class DecidedCheckpoint(Checkpoint):
    success: Literal[True]
    execution_id: str
    rehearsal: bool


class PlanStep(Answered):
    step: int
    description: str
    effect: str
    stage: str | None


class Progress(Answered):
    checkpoints_total: int
    checkpoints_decided: int
    steps: int


class TaskError(Answered):
    code: str
    message: str | None


class Score(Answered):
    """How the answer compares to what was expected; `passed` is null where it could not be judged."""

    type: Kind
    passed: bool | None
    value: JsonValue
    expected: JsonValue
    detail: str


class Metrics(Answered):
    """Times add up exactly: durationMs = queuedMs + agentMs + waitingMs. Null is unknown, not zero."""

    duration_ms: int
    queued_ms: int
    agent_ms: int
    waiting_ms: int
    steps: int
    model_calls: int
    tool_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    errors: int
    retries: int


class HumanVerification(Answered):
    requested: int
    approved: int
    edited: int
    rejected: int
    hints: int
    by_key: int
    median_response_ms: int | None
    active_review_ms: int | None


class Execution(Answered):
    """An execution as a list shows it."""

    execution_id: str
    task_name: str
    test_mode: TestMode
    status: Status
    version: int
    model: str
    environment: Environment
    rehearsal: bool
    assigned_reviewer: str
    metadata: dict[str, JsonValue]
    retry_of: str | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    error: TaskError | None


class ExecutionAnswer(Execution):
    success: Literal[True]


class ExecutionPage(Succeeded):
    items: list[Execution]
    next_cursor: str | None


class StatusDocument(Succeeded):
    execution_id: str
    task_name: str
    test_mode: TestMode
    status: Status
    version: int
    model: str
    environment: Environment
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    plan: list[PlanStep]
    checkpoints: list[Checkpoint]
    progress: Progress
    result: str | None
    score: Score | None
    error: TaskError | None
    rehearsal: bool
    notice: Literal["no-effect-nobody-asked"] | None
    metrics: Metrics
    human_verification: HumanVerification


class Warned(Answered):
    code: Literal["reviewer-unreachable"]
    message: str


class Created(Succeeded):
    execution_id: str
    status: Literal["queued"]
    status_url: str
    review_url: str
    created_at: Timestamp
    model: str
    rehearsal: bool
    warnings: list[Warned]


class Retried(Created):
    retry_of: str


class TraceEntry(Answered):
    number: int
    at: Timestamp
    kind: str
    data: dict[str, Any]


class TracePage(Succeeded):
    items: list[TraceEntry]
    next_cursor: str | None
    rehearsal: bool


class TemplateParameter(Answered):
    """As JSON Schema says it; null where there is no bound."""

    name: str
    description: str
    type: Literal["number", "integer", "string"]
    format: Literal["email"] | None
    default: JsonValue
    minimum: float | None
    maximum: float | None
    multiple_of: float | None
    max_length: int | None
    enum: list[str] | None


class TemplateCheckpoint(Answered):
    stage: str
    description: str
    verification_question: str | None


class TemplateOutcome(Answered):
    """What the score is held against, computed for the defaults."""

    type: str
    value: JsonValue
    tolerance: float | None


class TemplateRehearsal(Answered):
    """Whether the model `rehearsal` does all of it with the right result, and what it does at most."""

    whole: bool
    note: str


class Template(Answered):
    """A ready task; what depends on its parameters is shown with their defaults."""

    name: str
    title: str
    description: str
    parameters: list[TemplateParameter]
    checkpoints: list[TemplateCheckpoint]
    auto_detect_checkpoints: bool
    tools: list[str]
    missing_tools: list[str]
    expected_outcome: TemplateOutcome
    rehearsal: TemplateRehearsal


class TemplatePage(Succeeded):
    items: list[Template]
    next_cursor: str | None
