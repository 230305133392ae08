"""POST /api/eval/create-task-agent: what a task may say, and what the client is told of its execution."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from mixus.agents.templates import catalogue
from mixus.core.clock import shown
from mixus.core.database import Row
from mixus.core.errors import Invalid
from mixus.evals import reach, service, timeouts
from mixus.evals.lifecycle import REHEARSAL, Environment, OnTimeout, TestMode
from mixus.evals.scoring import Kind, Match
from mixus.evals.tasks import NewCheckpoint, NewTask
from mixus.server.answers import Document, Json
from mixus.server.api.schemas import Created
from mixus.server.deps import BARE, Call, Creating, services_of
from mixus.server.idempotency import IdempotencyKey, once
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import Body, Email, Wire, text

MOST_METADATA_BYTES: Final = 16 * 1024
LONGEST_NAME: Final = 200

router = APIRouter(tags=["executions"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"\S")]
Description = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]

ReviewTimeout = Annotated[
    int,
    Field(
        ge=timeouts.SHORTEST_MS,
        le=timeouts.LONGEST_MS,
        description="How long a reviewer may take, each time he is asked.",
    ),
]


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > MOST_METADATA_BYTES:
        raise ValueError(f"Metadata may have {MOST_METADATA_BYTES} bytes as JSON; keep the rest elsewhere.")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_small)]
EITHER: Final[Any] = [{"required": ["taskDescription"]}, {"required": ["template"]}]


class CheckpointFields(Wire):
    """Where the agent must stop and ask."""

    stage: Annotated[str, text(200)]
    description: Annotated[str, text(2_000)]
    verification_question: Annotated[str, text(2_000)] | None = None


class ScriptItem(Wire):
    """A call, or at the end the final answer."""

    tool: Annotated[str, text(200)] | None = None
    arguments: dict[str, Any] | None = None
    final: Annotated[str, text(20_000)] | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> "ScriptItem":
        if (self.tool is None) is (self.final is None):
            raise ValueError("An item has either `tool` (with `arguments`) or `final`.")
        if self.final is not None and self.arguments is not None:
            raise ValueError("`arguments` go with `tool`, not with `final`.")
        return self


class ExpectedOutcome(Wire):
    """What the answer is compared to; docs/reference/outcomes.md has the rules of each type."""

    type: Annotated[Kind, Field(strict=False)]
    value: Annotated[Any, Field(description="Text; for `number` a number; for `json` an object or a list.")]
    tolerance: Annotated[float, Field(ge=0, description="With `number`; 0 when left out.")] | None = None
    match: (
        Annotated[Match, Field(strict=False, description="With `json`; `subset` when left out.")] | None
    ) = None


class CreateTask(Body):
    """Null is the same as left out."""

    model_config = ConfigDict(json_schema_extra={"anyOf": EITHER})

    task_description: Description | None = None
    template: Annotated[str, Field(json_schema_extra={"enum": list(catalogue.TEMPLATES)})] | None = None
    parameters: dict[str, Any] | None = None
    task_name: Name | None = None
    checkpoints: Annotated[list[CheckpointFields], Field(max_length=50)] | None = None
    auto_detect_checkpoints: bool | None = None
    test_mode: Annotated[TestMode, Field(strict=False)] | None = None
    assigned_reviewer: Email | None = None
    model: Annotated[str, text(200)] | None = None
    script: Annotated[list[ScriptItem], Field(min_length=1, max_length=200)] | None = None
    review_result: bool | None = None
    expected_outcome: ExpectedOutcome | None = None
    environment: Annotated[Environment, Field(strict=False)] | None = None
    tools: Annotated[list[Annotated[str, text(200)]], Field(max_length=200)] | None = None
    max_steps: Annotated[int, Field(ge=1, le=500)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    timeout_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] | None = None
    review_timeout_ms: ReviewTimeout | None = None
    escalate_to: Email | None = None
    on_review_timeout: Annotated[OnTimeout, Field(strict=False)] | None = None
    metadata: Metadata | None = None

    @field_validator("script")
    @classmethod
    def _ends_with_the_final_answer(cls, script: list[ScriptItem] | None) -> list[ScriptItem] | None:
        if script and any(item.final is not None for item in script[:-1]):
            raise ValueError("Only the last item may be `final`.")
        return script

    @model_validator(mode="after")
    def _says_what_to_do(self) -> "CreateTask":
        if self.task_description is None and self.template is None:
            raise Invalid("Say what the agent must do, or name a template.", field="taskDescription")
        if self.task_description is not None and self.template is not None:
            raise Invalid("A template has a description of its own; leave one of them out.", field="template")
        if self.parameters is not None and self.template is None:
            raise Invalid("Parameters go with a template, and only with one.", field="parameters")
        return self

    def task(self, default_model: str, offered: Collection[str]) -> NewTask:
        """What the client chose; all else is as the template, or a task by itself, has it."""
        checkpoints = [NewCheckpoint(**each.model_dump()) for each in self.checkpoints or ()]
        chosen: dict[str, Any] = {
            "name": self.task_name,
            "checkpoints": None if self.checkpoints is None else checkpoints,
            "test_mode": self.test_mode,
            "auto_detect": self.auto_detect_checkpoints,
            "review_result": self.review_result,
            "expected_outcome": self.expected_outcome
            and self.expected_outcome.model_dump(mode="json", exclude_none=True),
            "assigned_reviewer": self.assigned_reviewer,
            "environment": self.environment,
            "script": self.script and [item.model_dump(exclude_none=True) for item in self.script],
            "tools": self.tools,
            "max_steps": self.max_steps,
            "max_cost_usd": self.max_cost_usd,
            "max_tokens": self.max_tokens,
            "timeout_ms": self.timeout_ms,
            "review_timeout_ms": self.review_timeout_ms,
            "escalate_to": self.escalate_to,
            "on_review_timeout": self.on_review_timeout,
            "metadata": self.metadata,
        }
        begun = self._begun(self.model or default_model, offered)
        task = replace(begun, **{name: value for name, value in chosen.items() if value is not None})
        catalogue.require_sandbox(task)
        return task

    def _begun(self, model: str, offered: Collection[str]) -> NewTask:
        if self.template is None:
            said = self.task_description or ""
            return NewTask(said, first_line(said), model, auto_detect=not self.checkpoints)
        if self.tools is None:
            catalogue.require_tools(self.template, offered)
        return catalogue.task(self.template, self.parameters or {}, model)


def first_line(description: str) -> str:
    lines = description.strip().splitlines() or [description]
    return lines[0][:LONGEST_NAME]


@router.post(
    "/api/eval/create-task-agent",
    status_code=201,
    response_model=Created,
    dependencies=BARE,
    responses=refusals(409, *WITH_BODY),
    summary="Create a task and start it",
)
def create_task_agent(call: Creating, body: CreateTask, idempotency_key: IdempotencyKey = None) -> Json:
    """The execution is queued when the answer is there; the same answer comes to the same Idempotency-Key."""

    def create() -> Document:
        catalog = call.services.catalog
        task = catalog.prepare(body.task(catalog.default_model, catalog.tools))
        row = service.create_task(call.tx, call.principal, task, call.now, call.services.capacity)
        return created(call, row)

    return once(call, idempotency_key, body, create)


def created(call: Call, row: Row) -> Document:
    return {
        "success": True,
        "executionId": row["id"],
        "status": row["status"],
        "statusUrl": f"{base_url(call.request)}/api/eval/status/{row['id']}",
        "reviewUrl": f"{base_url(call.request)}/review/{row['id']}",
        "createdAt": shown(row["created_at"]),
        "model": row["model"],
        "rehearsal": row["model"] == REHEARSAL,
        "warnings": _warnings(call, row),
    }


def base_url(request: Request) -> str:
    """Where clients reach us: as set, or as this one did."""
    return services_of(request).settings.public_url or str(request.base_url).rstrip("/")


def _warnings(call: Call, row: Row) -> list[Document]:
    unreached = reach.unreached(call.tx, call.services.settings, row)
    return [{"code": "reviewer-unreachable", "message": message} for message in unreached]
