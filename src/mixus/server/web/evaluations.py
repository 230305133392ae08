"""/eval: all executions, by what they are and how far they have come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import to_ms
from mixus.core.database import Row
from mixus.evals import browsing
from mixus.evals.lifecycle import REHEARSAL, Status, TestMode
from mixus.server.api.create import base_url
from mixus.server.web import frame, live
from mixus.server.web.evaluation_filters import LABELS, Asked, asked
from mixus.server.web.models import offered_models
from mixus.server.web.visits import Seeing, Visit

# Of fifty, the page would weigh more than its style and script together.
ON_A_PAGE: Final = 20
MOST_COUNTED: Final = 1000
FOLDED: Final = frozenset({"mode", "model", "metadata", "from", "to"})

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> Response:
    return frame.see_other("/eval")


@router.get("/eval")
def list_evaluations(visit: Seeing) -> Response:
    ask = asked(visit.request.query_params)
    found = browsing.browse(visit.tx, visit.principal, ask.filters, ON_A_PAGE, ask.cursor)
    counts = browsing.count_live(visit.tx, visit.principal, MOST_COUNTED)
    return frame.page(
        visit,
        "evaluations.html",
        stream=live.of_all(visit.tx),
        rows=[_shown(row, visit.now) for row in found.items],
        older=ask.address(cursor=found.next_cursor) if found.next_cursor else None,
        is_cut=found.next_cursor is not None and len(found.items) < ON_A_PAGE,
        looked_through=browsing.LOOKED_THROUGH,
        ask=ask,
        tabs=_tabs(ask, counts),
        active=_active(ask),
        labels=LABELS,
        is_open=bool(FOLDED & set(ask.given)),
        modes=list(TestMode),
        models=_models(visit.services.catalog, found.items),
        may_create=visit.principal.may(Scope.CREATE),
        example=_example(visit),
    )


def _shown(row: Row, now: datetime) -> dict[str, Any]:
    """With the time from its creation to its end, or to now."""
    return {**row, "duration_ms": max(to_ms(row["finished_at"] or now) - to_ms(row["created_at"]), 0)}


def _tabs(ask: Asked, counts: Mapping[Status, int]) -> list[dict[str, Any]]:
    """One for all, and one for each status; what is not final is counted."""
    chosen = ask.filters.status
    every = {"word": None, "count": None, "address": ask.address(status=None), "is_here": chosen is None}
    return [every] + [
        {
            "word": status,
            "count": counts.get(status),
            "address": ask.address(status=status),
            "is_here": chosen is status,
        }
        for status in Status
    ]


def _active(ask: Asked) -> list[dict[str, str]]:
    """The filters that hold, each with the address of the list without it. The tabs show the status."""
    return [
        {"label": LABELS[name], "text": text, "address": ask.address(**{name: None})}
        for name, text in ask.active.items()
        if name != "status"
    ]


def _models(catalog: Catalog, rows: Sequence[Row]) -> list[str]:
    """What is suggested: those that may be used, and those on this page."""
    return list(dict.fromkeys([*offered_models(catalog), *(row["model"] for row in rows)]))


def _example(visit: Visit) -> str:
    """Runs as it stands on every deployment, and costs nothing."""
    return (
        f"curl {base_url(visit.request)}/api/eval/create-task-agent \\\n"
        '  -H "Authorization: Bearer $MIXUS_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        "  -d '{\n"
        '    "taskDescription": "Calculate 15% of $50,000 and send it to sales@example.org",\n'
        f'    "model": "{REHEARSAL}",\n'
        '    "checkpoints": [{\n'
        '      "stage": "calculation",\n'
        '      "description": "The commission before it is sent",\n'
        '      "verificationQuestion": "Is it $7,500?"\n'
        "    }]\n"
        "  }'"
    )
