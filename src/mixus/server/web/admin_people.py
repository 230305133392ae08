"""/admin/users: everybody who has an account, and whoever was invited and has not come."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from mixus.accounts import overview, service
from mixus.server.web import frame
from mixus.server.web.visits import Seeing

PAGE: Final = 50
MOST_INVITATIONS: Final = 50

router = APIRouter(include_in_schema=False)


@router.get("/admin/users")
def list_people(visit: Seeing, cursor: str | None = None) -> Response:
    people = service.page_of_accounts(visit.tx, PAGE, cursor)
    return frame.page(
        visit,
        "admin_users.html",
        people=people.items,
        next_cursor=people.next_cursor,
        invitations=overview.open_invitations(visit.tx, visit.now, MOST_INVITATIONS),
    )
