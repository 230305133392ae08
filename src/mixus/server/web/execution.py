"""/eval/{executionId}: what one execution did, from the plan to the result."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from mixus.evals import record
from mixus.server.deps import ExecutionId
from mixus.server.web import execution_changes, execution_view, frame, timeline
from mixus.server.web.visits import Seeing

LARGEST_NUMBER: Final = 2**31 - 1

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]


@router.get("/eval/{executionId}")  # noqa: FAST003 - an alias in deps.py
def show_execution(
    visit: Seeing,
    execution_id: ExecutionId,
    after: Annotated[int | None, Query(ge=0, le=LARGEST_NUMBER)] = None,
) -> Response:
    """`after` is the number of the entry before the first that is shown; without it the newest are."""
    return execution_view.show(visit, record.read(visit.tx, visit.principal, execution_id), after)


@router.get("/eval/{executionId}/whole")  # noqa: FAST003 - an alias in deps.py
def show_whole(visit: Seeing, execution_id: ExecutionId) -> Response:
    """All that the page cuts: the task, the plan, the checkpoints and the result."""
    found = record.read(visit.tx, visit.principal, execution_id)
    return frame.page(visit, "execution_whole.html", **execution_view.values(visit, found))


@router.get("/eval/{executionId}/trace/{number}")  # noqa: FAST003 - an alias in deps.py
def show_entry(visit: Seeing, execution_id: ExecutionId, number: Number) -> Response:
    found = record.read(visit.tx, visit.principal, execution_id)
    line = timeline.line(record.entry(visit.tx, found, number))
    return frame.page(visit, "execution_entry.html", execution=found.execution, line=line)


router.include_router(execution_changes.router)
