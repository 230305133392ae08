"""/admin/audit: who did what, when and from where, and what it was before and after."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mixus.accounts import service
from mixus.core import audit
from mixus.core.audit import Filters
from mixus.core.database import Row, Transaction
from mixus.core.errors import Invalid
from mixus.core.pages import Page
from mixus.core.text import shortened
from mixus.server.web import frame
from mixus.server.web.forms import Fields, Form, Refused, parsed, tried
from mixus.server.web.visits import Seeing, Visit

PAGE: Final = 20
LONGEST_VALUE: Final = 300
DAY: Final = timedelta(days=1)
# Where what an event is about can be looked at.
PAGES: Final = {"usr": "/admin/users", "exe": "/eval", "key": "/integrations/api-keys"}
NOTHING: Final[Page[Row]] = Page([], None)

router = APIRouter(include_in_schema=False)

Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(9000, 1, 1))]
Id = Annotated[str, Field(max_length=64)]


class AuditForm(Form):
    """`actor` is an e-mail, or an id; the days are those of UTC, and both are meant whole."""

    kind: Id | None = None
    actor: Annotated[str, Field(max_length=254)] | None = None
    subject: Id | None = None
    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None


@dataclass(frozen=True)
class Change:
    """A member of what an event keeps. What is new has nothing before it."""

    name: str
    before: str | None
    after: str | None
    is_new: bool = False


@dataclass(frozen=True)
class Event:
    row: Row
    who: str
    is_person: bool
    page: str | None
    changes: Sequence[Change]


@router.get("/admin/audit")
def show_audit(visit: Seeing) -> Response:
    query = visit.request.query_params
    asked = Fields({name: query.getlist(name) for name in ("kind", "actor", "subject", "from", "to")})
    found = tried(visit.tx, lambda: _found(visit, asked, query.get("cursor")))
    refused = found if isinstance(found, Refused) else None
    page = NOTHING if isinstance(found, Refused) else found
    typed = {name: asked.text(name) or "" for name in asked.values}
    return frame.page(
        visit,
        "admin_audit.html",
        refused,
        typed=typed,
        is_filtered=any(typed.values()),
        kinds=[("", "all"), *((kind, kind) for kind in _kinds(visit.tx, typed))],
        events=list(_events(visit.tx, page.items)),
        older=page.next_cursor and "/admin/audit?" + urlencode(typed | {"cursor": page.next_cursor}),
    )


def changes_of(data: Mapping[str, Any]) -> list[Change]:
    """What differs between before and after, and then all else that the event keeps."""
    before, after = _members(data.get("before")), _members(data.get("after"))
    rest = {name: value for name, value in data.items() if name not in {"before", "after"}}
    differing = [
        Change(name, _written(before.get(name)), _written(after.get(name)), is_new=name not in before)
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    kept = [Change(name, None, _written(value), is_new=True) for name, value in rest.items()]
    return [change for change in (*differing, *kept) if change.after or not change.is_new]


def _found(visit: Visit, asked: Fields, cursor: str | None) -> Page[Row]:
    form = parsed(AuditForm, asked)
    filters = Filters(
        form.kind,
        form.subject,
        _actor(visit.tx, form.actor),
        None if form.from_ is None else _midnight(form.from_),
        None if form.to is None else _midnight(form.to) + DAY,
    )
    return audit.list_events(visit.tx, filters, PAGE, cursor)


def _actor(tx: Transaction, given: str | None) -> str | None:
    if given is None or "@" not in given:
        return given
    try:
        person = service.find_by_email(tx, given)
    except Invalid as refused:
        raise Invalid(refused.detail, field="actor") from None
    if person is None:
        raise Invalid("There is no account with this e-mail; look at the list of users.", field="actor")
    return person.id


def _kinds(tx: Transaction, typed: Mapping[str, str]) -> list[str]:
    """Those that have happened, and the one that is asked for."""
    return sorted({*audit.kinds(tx), typed["kind"]} - {""})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _events(tx: Transaction, rows: Sequence[Row]) -> Iterator[Event]:
    emails = service.emails_of(tx, {row["actor_id"] for row in rows if row["actor_id"]})
    for row in rows:
        who = emails.get(row["actor_id"])
        place = PAGES.get(row["subject_id"].partition("_")[0])
        page = place and f"{place}/{row['subject_id']}"
        yield Event(row, who or _unnamed(row), who is not None, page, changes_of(row["data"]))


def _unnamed(row: Row) -> str:
    """Without a person and with a network it was a stranger."""
    return row["actor_id"] or ("a stranger" if row["network"] else "the server itself")


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else shortened(value, LONGEST_VALUE)
    return shortened(orjson.dumps(value).decode(), LONGEST_VALUE)
