"""/r/{checkpointId}/{signature}: one checkpoint, for whoever got the mail. Opening it changes nothing."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Query as QueryOf
from starlette.responses import Response

from mixus.accounts.principal import Principal
from mixus.core.settings import ReviewLinks
from mixus.evals import review_queries
from mixus.evals.errors import ReviewLinkUnusable
from mixus.evals.review_links import REVIEW_LINKS, open_link
from mixus.evals.review_queries import Desk
from mixus.server.deps import LinkedCheckpointId
from mixus.server.web import frame, reviewing
from mixus.server.web.forms import Refused, parsed
from mixus.server.web.review import ActiveForm, AttemptQuery, present, shown_attempt
from mixus.server.web.reviewing import Asking
from mixus.server.web.sign_in import WITHOUT_PATH
from mixus.server.web.visits import CSRF_FIELD, OpenPosting, OpenSeeing, OpenVisit

SIGN_IN_TO_DECIDE = "This link shows and does not decide. Sign in to decide."

router = APIRouter(include_in_schema=False)

Signature = Annotated[str, Path(max_length=200)]


@dataclass(frozen=True)
class Opened:
    """What the link opens, and for whom."""

    principal: Principal
    desk: Desk
    address: str


@router.get("/r/{checkpointId}/{signature}")  # noqa: FAST003 - an alias in deps.py
def show_checkpoint(
    visit: OpenSeeing,
    checkpoint_id: LinkedCheckpointId,
    signature: Signature,
    query: Annotated[AttemptQuery, QueryOf()],
) -> Response:
    opened = _opened(visit, checkpoint_id, signature)
    return present(opened.desk, checkpoint_id, query.attempt, opened.address) or _page(
        visit, opened, query.attempt or opened.desk.attempt
    )


@router.post("/r/{checkpointId}/{signature}")  # noqa: FAST003 - an alias in deps.py
def decide_checkpoint(
    visit: OpenPosting, checkpoint_id: LinkedCheckpointId, signature: Signature
) -> Response:
    opened = _deciding(visit, checkpoint_id, signature)
    made = reviewing.decided(_asking(visit, opened), opened.desk, visit.fields)
    if isinstance(made, Refused):
        fresh = _opened(visit, checkpoint_id, signature)
        return _page(visit, fresh, shown_attempt(visit.fields, fresh.desk), made)
    return frame.see_other(f"{opened.address}?attempt={opened.desk.attempt}")


@router.post("/r/{checkpointId}/{signature}/active")  # noqa: FAST003 - an alias in deps.py
def note_active(visit: OpenPosting, checkpoint_id: LinkedCheckpointId, signature: Signature) -> Response:
    opened = _deciding(visit, checkpoint_id, signature)
    measured = parsed(ActiveForm, visit.fields.without(CSRF_FIELD))
    reviewing.note_active(_asking(visit, opened), opened.desk, measured.attempt, measured.milliseconds)
    return Response(status_code=204)


def _opened(visit: OpenVisit, checkpoint_id: str, signature: str) -> Opened:
    """Raises ReviewLinkUnusable, for every reason alike."""
    if visit.services.settings.review_links is ReviewLinks.OFF:
        raise ReviewLinkUnusable
    secret = visit.services.pepper.hash(REVIEW_LINKS)
    linked = open_link(visit.tx, secret, checkpoint_id, signature, visit.network)
    desk = review_queries.desk_of(visit.tx, linked.principal, checkpoint_id)
    return Opened(linked.principal, desk, f"/r/{checkpoint_id}/{signature}")


def _deciding(visit: OpenVisit, checkpoint_id: str, signature: str) -> Opened:
    if visit.services.settings.review_links is not ReviewLinks.DECIDE:
        raise ReviewLinkUnusable
    return _opened(visit, checkpoint_id, signature)


def _page(visit: OpenVisit, opened: Opened, attempt: int, refused: Refused | None = None) -> Response:
    values = reviewing.values(_asking(visit, opened), opened.desk, attempt, visit.fields)
    if visit.services.settings.review_links is ReviewLinks.VIEW:
        values["why_not"] = SIGN_IN_TO_DECIDE
    answer = frame.open_page(
        visit,
        reviewing.template(opened.desk, attempt),
        refused,
        stream=None,
        neighbours=None,
        is_link=True,
        **values,
    )
    answer.headers.update(WITHOUT_PATH)
    return answer


def _asking(visit: OpenVisit, opened: Opened) -> Asking:
    return Asking(visit.services, visit.tx, visit.now, opened.principal, opened.address)
