"""Executions as a collection: list, change, cancel, retry, delete."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as QueryOf
from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response

from mixus.agents.templates.catalogue import seeds_of
from mixus.core.clock import to_ms
from mixus.core.database import Row
from mixus.core.pages import Page
from mixus.evals import queries, service
from mixus.evals.lifecycle import Status, TestMode
from mixus.evals.queries import Filters
from mixus.evals.tasks import Place, TaskChange
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api import documents
from mixus.server.api.create import Metadata, Name, created
from mixus.server.api.schemas import ExecutionAnswer, ExecutionPage, Retried, StatusDocument
from mixus.server.deps import BARE, Call, ExecutionId, Managing, Reading
from mixus.server.idempotency import IdempotencyKey, once
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import Body, Email, Limit, Moment, NothingBody, Query

router = APIRouter(prefix="/api/eval/executions", tags=["executions"])


class ExecutionQuery(Query):
    status: Status | None = None
    test_mode: TestMode | None = None
    q: Annotated[str, Field(max_length=200, description="Text in the name or the description.")] | None = None
    from_: Annotated[Moment, Field(description="Created at or after.")] | None = Field(None, alias="from")
    to: Annotated[Moment, Field(description="Created before.")] | None = None
    limit: Limit = 50
    cursor: str | None = None

    def filters(self) -> Filters:
        return Filters(self.status, self.test_mode, self.q, self.from_, self.to)


# Not null but left out: null changes nothing, and is refused as no text and no object.
LEFT_OUT: Any = None


class ExecutionChange(Body):
    """At least one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    task_name: Name = Field(default_factory=lambda: LEFT_OUT)
    metadata: Metadata = Field(default_factory=lambda: LEFT_OUT)
    assigned_reviewer: Email = Field(default_factory=lambda: LEFT_OUT)

    @model_validator(mode="after")
    def _changes_something(self) -> "ExecutionChange":
        if not self.model_fields_set:
            raise ValueError("Name at least one field to change: taskName, metadata or assignedReviewer.")
        return self

    def change(self) -> TaskChange:
        return TaskChange(self.task_name, self.metadata, self.assigned_reviewer)


@router.get("", response_model=ExecutionPage, responses=refusals(), summary="List executions")
def list_executions(call: Reading, query: Annotated[ExecutionQuery, QueryOf()]) -> Json:
    """Newest first: what you own or review; admins see all."""
    page = queries.list_executions(call.tx, call.principal, query.filters(), query.limit, query.cursor)
    return page_of(Page([_summary(row) for row in page.items], page.next_cursor))


@router.patch(
    "/{executionId}",  # noqa: FAST003 - an alias in deps.py
    response_model=ExecutionAnswer,
    dependencies=BARE,
    responses=refusals(404, *WITH_BODY),
    summary="Change an execution",
)
def change_execution(call: Managing, execution_id: ExecutionId, body: ExecutionChange) -> Json:
    row = service.update(call.tx, call.principal, execution_id, body.change(), call.now)
    return success(_summary(row))


@router.delete(
    "/{executionId}",  # noqa: FAST003 - an alias in deps.py
    status_code=204,
    dependencies=BARE,
    responses=refusals(404),
    summary="Cancel if needed, and delete",
)
def delete_execution(call: Managing, execution_id: ExecutionId) -> Response:
    """Rows go at once; the audit keeps that it was there."""
    service.delete(call.tx, call.principal, execution_id, call.now)
    return Response(status_code=204)


@router.post(
    "/{executionId}/cancel",  # noqa: FAST003 - an alias in deps.py
    response_model=StatusDocument,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Cancel an execution",
)
def cancel_execution(call: Managing, execution_id: ExecutionId, _body: NothingBody | None = None) -> Json:
    service.cancel(call.tx, call.principal, execution_id, call.now)
    return _status(call, execution_id)


@router.post(
    "/{executionId}/retry",  # noqa: FAST003 - an alias in deps.py
    status_code=201,
    response_model=Retried,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Run the same task again",
)
def retry_execution(
    call: Managing,
    execution_id: ExecutionId,
    body: NothingBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """From a final state only; the new execution names this one in `retryOf`."""

    def retry() -> Document:
        def renewed(before: Row) -> Mapping[Place, bytes]:
            call.services.catalog.require_again(before)
            return seeds_of(before)

        row = service.retry(call.tx, call.principal, execution_id, call.now, call.services.capacity, renewed)
        return created(call, row) | {"retryOf": execution_id}

    return once(call, idempotency_key, body, retry)


def _status(call: Call, execution_id: str) -> Json:
    rows = queries.status_within(call.tx, execution_id)
    return Json(documents.status_document(rows, to_ms(call.now)))


def _summary(row: Any) -> Document:
    return documents.summary(documents.plain(row))
