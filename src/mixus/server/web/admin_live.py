"""/admin/live: what may be real here, lock by lock, and who holds a key to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from mixus.agents.catalog import Catalog
from mixus.core.settings import ReviewLinks
from mixus.evals.lifecycle import Effect
from mixus.keys.live_keys import list_live_keys
from mixus.server.web import frame
from mixus.server.web.visits import Seeing

MOST_KEYS: Final = 200
LINKS: Final = {
    ReviewLinks.DECIDE: "A link in a review mail lets its reader decide that one checkpoint, in the sandbox.",
    ReviewLinks.VIEW: "A link in a review mail shows that one checkpoint; to decide, its reader signs in.",
    ReviewLinks.OFF: "Review mails hold no link that works without a sign-in.",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class LiveTool:
    """`effect` is None where no tool has this name now."""

    name: str
    effect: Effect | None


@router.get("/admin/live")
def show_live(visit: Seeing) -> Response:
    services = visit.services
    return frame.page(
        visit,
        "admin_live.html",
        tools=live_tools(services.catalog),
        live=services.catalog.live,
        keys=list_live_keys(visit.tx, visit.now, MOST_KEYS),
        most_keys=MOST_KEYS,
        settings=services.settings,
        links=LINKS[services.settings.review_links],
    )


def live_tools(catalog: Catalog) -> Sequence[LiveTool]:
    return [
        LiveTool(name, catalog.tools[name].effect if name in catalog.tools else None)
        for name in sorted(catalog.live.tools)
    ]
