"""/integrations/api-keys: one's own keys, how each is used, and what is written on it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from mixus.accounts import service as accounts_service
from mixus.accounts.principal import Scope
from mixus.core import audit
from mixus.core.audit import Filters
from mixus.keys import info, overview, report, service
from mixus.keys.info import KeyInfo
from mixus.server.web import frame, key_bars, key_ending, key_examples, key_making
from mixus.server.web.forms import Refused, parsed, tried
from mixus.server.web.key_forms import KEYS, ChangeForm
from mixus.server.web.visits import Posting, Seeing, Visit

ENDED: Final = "ended"
DAYS_PER_BAR: Final = 3
MOST_EVENTS: Final = 20

router = APIRouter(include_in_schema=False)
# Before the address that takes anything in the place of `new`.
router.include_router(key_making.router)
router.include_router(key_ending.router)

KeyId = Annotated[str, Path(alias="keyId")]


@router.get(KEYS)
def list_keys(visit: Seeing) -> Response:
    query = visit.request.query_params
    shown = ENDED if query.get("show") == ENDED else "working"
    pages = {ENDED: overview.ended, "working": overview.working}
    found = pages[shown](visit.tx, visit.principal.user_id, query.get("cursor"), visit.now)
    uses = overview.uses_of(visit.tx, found.items, visit.now)
    return frame.page(
        visit,
        "keys.html",
        shown=shown,
        keys=found.items,
        cursor=found.next_cursor,
        uses=uses,
        bars={key_id: key_bars.bars_of(use, DAYS_PER_BAR) for key_id, use in uses.items()},
        ends_soon=overview.ends_soon,
        ended_count=overview.count_ended(visit.tx, visit.principal.user_id, visit.now),
        active=service.count_active(visit.tx, visit.principal.user_id, visit.now),
        most_active=visit.services.rules.most_active,
        example=key_examples.address_of(visit),
    )


@router.get(KEYS + "/{keyId}")
def show_key(visit: Seeing, key_id: KeyId) -> Response:
    return _details(visit, info.describe_own(visit.tx, visit.principal, key_id))


@router.post(KEYS + "/{keyId}")
def change_key(visit: Posting, key_id: KeyId) -> Response:
    key = info.describe_own(visit.tx, visit.principal, key_id)
    changed = tried(
        visit.tx,
        lambda: service.change(
            visit.tx, key.id, parsed(ChangeForm, visit.fields).change(), visit.principal.actor, visit.now
        ),
    )
    if isinstance(changed, Refused):
        return _details(visit, key, changed)
    return frame.see_other(f"{KEYS}/{key.id}?said=saved")


def _details(visit: Visit, key: KeyInfo, refused: Refused | None = None) -> Response:
    use = overview.uses_of(visit.tx, [key], visit.now)[key.id]
    written = {"name": key.name, "description": key.description}
    scopes = [scope.value for scope in key.scopes]
    is_live = key.allow_live
    if refused is not None:
        written = {name: visit.fields.text(name) or "" for name in written}
        scopes, is_live = visit.fields.all("scopes"), visit.fields.text("allow_live") is not None
    return frame.page(
        visit,
        "key.html",
        refused,
        key=key,
        written=written,
        ticked=scopes,
        is_live=is_live,
        # What it may be narrowed to: managing implies the rest.
        choices=list(Scope) if Scope.MANAGE in key.scopes else list(key.scopes),
        use=use,
        bars=key_bars.bars_of(use, 1),
        report=report.usage_of(visit.tx, key, visit.now),
        first_day=visit.now - timedelta(days=len(use.accepted) - 1),
        ends_soon=overview.ends_soon(key, visit.now),
        history=_history(visit, key.id),
        live_tools=sorted(visit.services.catalog.live.tools),
    )


def _history(visit: Visit, key_id: str) -> Sequence[dict[str, Any]]:
    """What was done to the key and by whom, newest first."""
    rows = audit.list_events(visit.tx, Filters(subject_id=key_id), MOST_EVENTS).items
    emails = accounts_service.emails_of(visit.tx, {row["actor_id"] for row in rows if row["actor_id"]})
    return [
        {
            "kind": row["kind"],
            "at": row["at"],
            "by": emails.get(row["actor_id"] or "", "the server"),
            "network": row["network"],
            "changed": _changed(row["data"]),
        }
        for row in rows
    ]


def _changed(data: dict[str, Any]) -> list[str]:
    """The fields that differ, where an event keeps both sides."""
    before, after = data.get("before"), data.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    return [name for name in after if name in before and before[name] != after[name]]
