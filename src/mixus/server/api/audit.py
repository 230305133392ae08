"""GET /api/audit: who did what, when, from where, and what it was before and after."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryOf

from mixus.accounts import service
from mixus.core import audit
from mixus.core.clock import shown
from mixus.core.database import Row
from mixus.core.pages import Page
from mixus.server.answers import Document, Json, page_of
from mixus.server.api.people_schemas import AuditQuery, EventPage
from mixus.server.deps import AdminReading
from mixus.server.openapi import refusals

router = APIRouter(prefix="/api/audit", tags=["audit"])


@router.get("", response_model=EventPage, responses=refusals(), summary="Read the audit")
def list_audit(call: AdminReading, query: Annotated[AuditQuery, QueryOf()]) -> Json:
    """Newest first. Without an actor it was a command on the server, a stranger, or the service itself."""
    page = audit.list_events(call.tx, query.filters(), query.limit, query.cursor)
    emails = service.emails_of(call.tx, {row["actor_id"] for row in page.items if row["actor_id"]})
    return page_of(Page([_event(row, emails) for row in page.items], page.next_cursor))


def _event(row: Row, emails: Mapping[str, str]) -> Document:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "subjectId": row["subject_id"],
        "actorId": row["actor_id"],
        "actorEmail": emails.get(row["actor_id"]),
        "credentialId": row["credential_id"],
        "network": row["network"],
        "at": shown(row["at"]),
        "data": row["data"],
    }
