"""/review: the reviewer's queue, and the page of one checkpoint."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as QueryOf
from pydantic import Field
from starlette.responses import Response

from mixus.evals import review_queries
from mixus.evals.review_queries import Desk, Tab
from mixus.server.api.checkpoints import LARGEST_ATTEMPT
from mixus.server.deps import ReviewId
from mixus.server.web import frame, live, reviewing
from mixus.server.web.forms import Fields, Form, Refused, parsed
from mixus.server.web.reviewing import Asking
from mixus.server.web.visits import Posting, Seeing, Visit, Visiting
from mixus.server.wire import DIGITS, Query

LONGEST_MS = 86_400_000
ON_A_PAGE = 25

router = APIRouter(include_in_schema=False)


class QueueQuery(Query):
    tab: Tab = Tab.MINE
    cursor: str | None = None


class AttemptQuery(Query):
    """Without one it is the present attempt."""

    attempt: Annotated[int, Field(ge=1, le=LARGEST_ATTEMPT), DIGITS] | None = None
    said: str | None = None


class ActiveForm(Form):
    attempt: Annotated[int, Field(ge=1, le=LARGEST_ATTEMPT)]
    milliseconds: Annotated[int, Field(ge=0, le=LONGEST_MS)]


@router.get("/review")
def show_queue(visit: Seeing, query: Annotated[QueueQuery, QueryOf()]) -> Response:
    stream = live.of_all(visit.tx)
    return frame.page(visit, "review.html", stream=stream, tab=query.tab, **_listed(visit, query))


@router.get("/review/{reviewId}")  # noqa: FAST003 - an alias in deps.py
def show_checkpoint(
    visit: Visiting, review_id: ReviewId, query: Annotated[AttemptQuery, QueryOf()]
) -> Response:
    desk = review_queries.desk_of(visit.tx, visit.principal, review_id)
    return present(desk, review_id, query.attempt, f"/review/{desk.checkpoint['id']}") or _page(
        visit, desk, query.attempt or desk.attempt
    )


@router.post("/review/{reviewId}")  # noqa: FAST003 - an alias in deps.py
def decide_checkpoint(visit: Posting, review_id: ReviewId) -> Response:
    desk = review_queries.desk_of(visit.tx, visit.principal, review_id)
    made = reviewing.decided(_asking(visit, desk), desk, visit.fields)
    if isinstance(made, Refused):
        fresh = review_queries.desk_of(visit.tx, visit.principal, review_id)
        return _page(visit, fresh, shown_attempt(visit.fields, fresh), made)
    return frame.see_other(f"/review/{desk.checkpoint['id']}?attempt={desk.attempt}")


@router.post("/review/{reviewId}/active")  # noqa: FAST003 - an alias in deps.py
def note_active(visit: Posting, review_id: ReviewId) -> Response:
    desk = review_queries.desk_of(visit.tx, visit.principal, review_id)
    measured = parsed(ActiveForm, visit.fields)
    reviewing.note_active(_asking(visit, desk), desk, measured.attempt, measured.milliseconds)
    return Response(status_code=204)


def present(desk: Desk, review_id: str, attempt: int | None, address: str) -> Response | None:
    """Where the page truly is, if not here: each attempt has an address, so that an old page shows as old."""
    is_there = attempt is not None and attempt <= desk.attempt and review_id == desk.checkpoint["id"]
    return None if is_there else frame.see_other(f"{address}?attempt={desk.attempt}")


def shown_attempt(fields: Fields, desk: Desk) -> int:
    """What the form was about."""
    text = fields.text("attempt") or ""
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(LARGEST_ATTEMPT))
    return max(min(int(text), desk.attempt), 1) if is_number else desk.attempt


def _listed(visit: Visit, query: QueueQuery) -> dict[str, Any]:
    if query.tab is Tab.DECIDED:
        decided = review_queries.decided_by(visit.tx, visit.principal, visit.now)
        return {"rows": decided, "cursor": None}
    page = review_queries.queue(visit.tx, visit.principal, query.tab, visit.now, ON_A_PAGE, query.cursor)
    return {"rows": page.items, "cursor": page.next_cursor}


def _page(visit: Visit, desk: Desk, attempt: int, refused: Refused | None = None) -> Response:
    asking = _asking(visit, desk)
    reviewing.note_view(asking, desk, attempt)
    return frame.page(
        visit,
        reviewing.template(desk, attempt),
        refused,
        stream=live.of_one(desk.execution),
        neighbours=review_queries.neighbours(visit.tx, visit.principal, desk.checkpoint),
        is_link=False,
        **reviewing.values(asking, desk, attempt, visit.fields),
    )


def _asking(visit: Visit, desk: Desk) -> Asking:
    address = f"/review/{desk.checkpoint['id']}"
    return Asking(visit.services, visit.tx, visit.now, visit.principal, address)
