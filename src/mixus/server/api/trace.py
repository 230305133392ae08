"""GET …/trace: the journal of an execution, in pages."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryOf

from mixus.core.errors import Invalid
from mixus.core.pages import cut, place_of
from mixus.evals import queries
from mixus.evals.lifecycle import REHEARSAL
from mixus.server.answers import Json, success
from mixus.server.api import documents
from mixus.server.api.schemas import TracePage
from mixus.server.deps import ExecutionId, Reader, Served
from mixus.server.openapi import refusals
from mixus.server.reading import read
from mixus.server.wire import Limit, Query

LARGEST_NUMBER = 2**31 - 1

router = APIRouter(prefix="/api/eval/executions", tags=["trace"])


class TraceQuery(Query):
    limit: Limit = 50
    cursor: str | None = None

    def after(self) -> int:
        if self.cursor is None:
            return 0
        number, _ = place_of(self.cursor)
        if number > LARGEST_NUMBER:
            raise Invalid("This cursor is not one of ours; start again without it.", field="cursor")
        return number


@router.get(
    "/{executionId}/trace",  # noqa: FAST003 - an alias in deps.py
    response_model=TracePage,
    responses=refusals(404),
    summary="Read the trace",
)
async def read_trace(
    principal: Reader, services: Served, execution_id: ExecutionId, query: Annotated[TraceQuery, QueryOf()]
) -> Json:
    """Every step, model call, tool call and decision, in order."""
    database = services.database
    row = (await read(database, queries.status_rows, database, principal, execution_id))[0]
    asked = database, execution_id, query.after(), query.limit + 1
    rows = await read(database, queries.trace_after, *asked)
    page = cut(rows, query.limit, lambda entry: (entry["number"], execution_id))
    return success(
        {
            "items": [documents.trace_entry(entry) for entry in page.items],
            "nextCursor": page.next_cursor,
            "rehearsal": row["model"] == REHEARSAL,
        }
    )
