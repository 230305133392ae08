"""/admin: people, limits, models, tools, what may be real, and the audit; for admins alone."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from mixus.server.web import (
    admin_audit,
    admin_limits,
    admin_links,
    admin_live,
    admin_models,
    admin_people,
    admin_person,
    admin_tools,
    frame,
)
from mixus.server.web.visits import admin_visitor

router = APIRouter(include_in_schema=False, dependencies=[Depends(admin_visitor)])


@router.get("/admin")
def show_first() -> Response:
    return frame.see_other("/admin/users")


# A fixed address stands before one that takes anything in its place.
for pages in (
    *(admin_people, admin_links, admin_person, admin_limits, admin_models),
    *(admin_tools, admin_live, admin_audit),
):
    router.include_router(pages.router)
