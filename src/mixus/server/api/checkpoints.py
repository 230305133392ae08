"""Checkpoints: the reviewer's queue, and his decision."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Query as QueryOf
from pydantic import Field, field_validator

from mixus.agents.edits import revise
from mixus.agents.tools.registry import Registry
from mixus.core.database import Row
from mixus.core.pages import Page
from mixus.evals import queries
from mixus.evals.decide import decide
from mixus.evals.lifecycle import REHEARSAL, Decision
from mixus.evals.tasks import Edits, Verdict
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api import documents
from mixus.server.api.schemas import CheckpointPage, DecidedCheckpoint
from mixus.server.deps import BARE, CheckpointId, Deciding, ExecutionId, Reading
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import Body, Limit, Query, Wire, text

LARGEST_ATTEMPT = 2**31 - 1

router = APIRouter(prefix="/api/eval", tags=["checkpoints"])


class QueueQuery(Query):
    status: Literal["awaiting"] = "awaiting"
    limit: Limit = 50
    cursor: str | None = None


class EditedAction(Wire):
    """The same tool with other arguments."""

    action_id: Annotated[str, text(64)]
    arguments: dict[str, Any]


class DecisionFields(Body):
    """Bound to the attempt that the decider was shown."""

    attempt: Annotated[int, Field(ge=1, le=LARGEST_ATTEMPT)]
    action: Annotated[Decision, Field(strict=False)]
    hint: Annotated[str, text(4_000), Field(description="With `hint` only: what to do otherwise.")] | None = (
        None
    )
    comment: Annotated[str, text(4_000)] | None = None
    edited_actions: (
        Annotated[list[EditedAction], Field(max_length=50, description="With `approve` only.")] | None
    ) = None

    @field_validator("edited_actions")
    @classmethod
    def _names_each_once(cls, edited: list[EditedAction] | None) -> list[EditedAction] | None:
        names = [each.action_id for each in edited or ()]
        if len(set(names)) < len(names):
            raise ValueError("Name each action once.")
        return edited

    def verdict(self, tools: Registry) -> Verdict:
        arguments = {each.action_id: each.arguments for each in self.edited_actions or ()}
        edits = None if self.edited_actions is None else Edits(arguments, partial(revise, tools))
        return Verdict(self.attempt, self.action, self.hint, self.comment, edits)


@router.get("/checkpoints", response_model=CheckpointPage, responses=refusals(), summary="Your review queue")
def list_awaiting(call: Reading, query: Annotated[QueueQuery, QueryOf()]) -> Json:
    """What waits for your decision, longest waiting first."""
    page = queries.awaiting_checkpoints(call.tx, call.principal, query.limit, query.cursor)
    return page_of(Page([_queued(row) for row in page.items], page.next_cursor))


@router.post(
    "/executions/{executionId}/checkpoints/{checkpointId}/decision",  # noqa: FAST003 - an alias in deps.py
    response_model=DecidedCheckpoint,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Decide a checkpoint",
)
def decide_checkpoint(
    call: Deciding, execution_id: ExecutionId, checkpoint_id: CheckpointId, body: DecisionFields
) -> Json:
    """By the assigned reviewer. Of rival decisions one wins; the others get 409 with its name and time."""
    verdict = body.verdict(call.services.catalog.tools)
    row = decide(call.tx, call.principal, execution_id, checkpoint_id, verdict, call.now)
    model = queries.model_of(call.tx, execution_id)
    return success(
        {
            **documents.checkpoint(documents.plain(row)),
            "executionId": execution_id,
            "rehearsal": model == REHEARSAL,
        }
    )


def _queued(row: Row) -> Document:
    return {
        **documents.checkpoint(documents.plain(row)),
        "executionId": row["execution_id"],
        "taskName": row["task_name"],
        "rehearsal": row["model"] == REHEARSAL,
    }
