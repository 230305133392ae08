"""Checkpoints: the reviewer's queue, and his decision."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as QueryOf
from pydantic import Field

from mixus.core.database import Row
from mixus.core.pages import Page
from mixus.evals import queries
from mixus.evals.decide import decide
from mixus.evals.lifecycle import Decision
from mixus.evals.tasks import Verdict
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api import documents
from mixus.server.api.schemas import CheckpointPage, DecidedCheckpoint
from mixus.server.deps import BARE, CheckpointId, ExecutionId, Managing, Reading
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import Body, Limit, Query, text

LARGEST_ATTEMPT = 2**31 - 1

router = APIRouter(prefix="/api/eval", tags=["checkpoints"])


class QueueQuery(Query):
    status: Literal["awaiting"] = "awaiting"
    limit: Limit = 50
    cursor: str | None = None


class DecisionFields(Body):
    """Bound to the attempt that the decider was shown."""

    attempt: Annotated[int, Field(ge=1, le=LARGEST_ATTEMPT)]
    action: Annotated[Decision, Field(strict=False)]
    hint: Annotated[str, text(4_000), Field(description="With `hint` only: what to do otherwise.")] | None = (
        None
    )
    comment: Annotated[str, text(4_000)] | None = None

    def verdict(self) -> Verdict:
        return Verdict(self.attempt, self.action, self.hint, self.comment)


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
    call: Managing, execution_id: ExecutionId, checkpoint_id: CheckpointId, body: DecisionFields
) -> Json:
    """By the assigned reviewer. Of rival decisions one wins; the others get 409 with its name and time."""
    row = decide(call.tx, call.principal, execution_id, checkpoint_id, body.verdict(), call.now)
    model = queries.model_of(call.tx, execution_id)
    return success(
        {
            **documents.checkpoint(documents.plain(row)),
            "executionId": execution_id,
            "rehearsal": model == documents.REHEARSAL,
        }
    )


def _queued(row: Row) -> Document:
    return {
        **documents.checkpoint(documents.plain(row)),
        "executionId": row["execution_id"],
        "taskName": row["task_name"],
        "rehearsal": row["model"] == documents.REHEARSAL,
    }
