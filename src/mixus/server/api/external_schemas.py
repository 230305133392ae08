"""What a process outside says of its agent and what it is answered."""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from mixus.evals.external import Step
from mixus.evals.external_effects import EffectState, Outcome
from mixus.evals.external_rules import MOST_BYTES, external_model
from mixus.evals.lifecycle import Effect, Environment, OnTimeout, Status, TestMode
from mixus.evals.tasks import NewCheckpoint, NewTask
from mixus.server.api.create import (
    CheckpointFields,
    Description,
    ExpectedOutcome,
    Metadata,
    Name,
    ReviewTimeout,
    first_line,
)
from mixus.server.api.schemas import Answered, Created, Succeeded
from mixus.server.wire import Body, Email, text

WORKER_ID: Final = "As it was given when the process began or took over."


def _small(value: Any) -> Any:
    if len(orjson.dumps(value)) > MOST_BYTES:
        raise ValueError(f"It may have {MOST_BYTES} bytes as JSON; keep the rest elsewhere.")
    return value


Small = Annotated[dict[str, Any], AfterValidator(_small)]
SmallValue = Annotated[Any, AfterValidator(_small)]
WorkerId = Annotated[str, StringConstraints(pattern=r"^wrk_[0-9A-Za-z]{22}$"), Field(description=WORKER_ID)]
Agent = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
Work = Annotated[str, text(20_000)]
Tokens = Annotated[int, Field(ge=0, le=1_000_000_000)]


class NewExternal(Body):
    """A task that a process of yours carries out; null is the same as left out."""

    task_description: Description
    agent: Annotated[Agent, Field(description="The model is reported as `external:` and this.")]
    task_name: Name | None = None
    checkpoints: Annotated[list[CheckpointFields], Field(max_length=50)] | None = None
    auto_detect_checkpoints: bool | None = None
    test_mode: Annotated[TestMode, Field(strict=False)] | None = None
    assigned_reviewer: Email | None = None
    review_result: bool | None = None
    expected_outcome: ExpectedOutcome | None = None
    environment: Annotated[Environment, Field(strict=False)] | None = None
    timeout_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] | None = None
    review_timeout_ms: ReviewTimeout | None = None
    escalate_to: Email | None = None
    on_review_timeout: Annotated[OnTimeout, Field(strict=False)] | None = None
    metadata: Metadata | None = None

    def task(self) -> NewTask:
        checkpoints = [NewCheckpoint(**each.model_dump()) for each in self.checkpoints or ()]
        chosen: dict[str, Any] = {
            "auto_detect": self.auto_detect_checkpoints,
            "test_mode": self.test_mode,
            "assigned_reviewer": self.assigned_reviewer,
            "review_result": self.review_result,
            "expected_outcome": self.expected_outcome
            and self.expected_outcome.model_dump(mode="json", exclude_none=True),
            "environment": self.environment,
            "timeout_ms": self.timeout_ms,
            "review_timeout_ms": self.review_timeout_ms,
            "escalate_to": self.escalate_to,
            "on_review_timeout": self.on_review_timeout,
            "metadata": self.metadata,
        }
        return NewTask(
            description=self.task_description,
            name=self.task_name or first_line(self.task_description),
            model=external_model(self.agent),
            checkpoints=checkpoints,
            **{"auto_detect": not checkpoints}
            | {name: value for name, value in chosen.items() if value is not None},
        )


class StepFields(Body):
    """With tokens or cost it counts as a call of a model, and what it leaves out is unknown."""

    worker_id: WorkerId
    name: Annotated[str, text(200)]
    data: Small | None = None
    error: Annotated[str, text(2_000)] | None = None
    duration_ms: Annotated[int, Field(ge=0, le=86_400_000)] | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None

    def step(self) -> Step:
        spent = {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_usd,
        }
        is_call = any(value is not None for value in spent.values())
        return Step(self.name, self.data or {}, self.error, self.duration_ms, spent if is_call else None)


class AskFields(Body):
    worker_id: WorkerId
    stage: Annotated[str, text(200)]
    work: Work


class ProposalFields(Body):
    worker_id: WorkerId
    tool: ToolName
    effect: Annotated[
        Effect, Field(strict=False, description="What it does to the world; `read` needs none.")
    ]
    arguments: Small
    work: (
        Annotated[Work, Field(description="What led to it; the steps since the last decision if left out.")]
        | None
    ) = None


class StartFields(Body):
    worker_id: WorkerId
    arguments: Annotated[Small, Field(description="What will be done, compared with what was released.")]
    record: Annotated[SmallValue, Field(description="In the sandbox: what to keep as its result.")] = None


class OutcomeFields(Body):
    """One of `result` (which may be null), `error` and `isUnknown`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["result"]},
                {"required": ["error"]},
                {"required": ["isUnknown"]},
            ]
        }
    )

    result: SmallValue = None
    error: Annotated[str, text(2_000), Field(description="For certain nothing was done, and why.")] = ""
    is_unknown: Annotated[
        Literal[True], Field(description="It broke, and may have happened: the reviewer is asked.")
    ] = True

    @model_validator(mode="after")
    def _is_one(self) -> "OutcomeFields":
        if len(self.model_fields_set) != 1:
            raise ValueError("Say exactly one of `result`, `error` and `isUnknown`.")
        return self

    def outcome(self) -> Outcome:
        return Outcome(self.result, self.error or None, "is_unknown" in self.model_fields_set)


class FinishFields(Body):
    """`result`, or `error` where the agent gives up."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["result"]}, {"required": ["error"]}]}
    )

    worker_id: WorkerId
    result: Annotated[str, text(100_000)] = ""
    error: Annotated[str, text(2_000)] = ""

    @model_validator(mode="after")
    def _is_one(self) -> "FinishFields":
        if ("result" in self.model_fields_set) is ("error" in self.model_fields_set):
            raise ValueError("Say either `result` or `error`.")
        return self


class ExternalCreated(Created):
    status: Literal["running"]  # type: ignore[assignment]  # it does not wait for a worker
    environment: Environment
    worker_id: str


class KnownEffect(Answered):
    """`effectiveArguments` are those that were released: the reviewer may have changed them."""

    action_id: str
    tool: str
    effect: Effect
    arguments: dict[str, JsonValue]
    effective_arguments: dict[str, JsonValue]
    state: EffectState
    result: JsonValue


class Attached(Succeeded):
    execution_id: str
    worker_id: str
    status: Status
    test_mode: TestMode
    environment: Environment
    effects: list[KnownEffect]


class Noted(Succeeded):
    execution_id: str


class Held(Succeeded):
    """`checkpointId` and `attempt` are what it waits for, and null where it goes on or has ended."""

    execution_id: str
    status: Status
    checkpoint_id: str | None
    attempt: int | None


class ProposedEffect(Succeeded):
    execution_id: str
    action_id: str
    state: EffectState
    checkpoint_id: str | None
    attempt: int | None


class EffectAnswer(KnownEffect):
    success: Literal[True]
    execution_id: str
    execution_status: Status
