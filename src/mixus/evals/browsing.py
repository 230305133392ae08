"""The list of executions as people look through it: newest first, and only so many for one page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, tuple_

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import from_ms, to_ms
from mixus.core.database import Row, Transaction
from mixus.core.pages import Page, cursor_of, cut, place_of
from mixus.evals import access, queries
from mixus.evals.lifecycle import LIVE, Status
from mixus.evals.queries import Filters
from mixus.evals.tables import executions

# So many are held against the filters for one page, of those that are one's own and of those one reviews.
LOOKED_THROUGH: Final = 5_000

Place = tuple[datetime, str]

_COLUMNS: Final = (
    *(executions.c.id, executions.c.task_name, executions.c.model, executions.c.environment),
    *(executions.c.test_mode, executions.c.status, executions.c.assigned_reviewer),
    *(executions.c.score, executions.c.passed, executions.c.cost_usd),
    *(executions.c.created_at, executions.c.finished_at),
)
_KEY: Final = tuple_(executions.c.created_at, executions.c.id)
_NEWEST_FIRST: Final = (executions.c.created_at.desc(), executions.c.id.desc())


def browse(
    tx: Transaction, principal: Principal, filters: Filters, limit: int, cursor: str | None
) -> Page[Row]:
    """A page with fewer than `limit` and a cursor all the same: no more were found so far back."""
    principal.require(Scope.READ)
    before = None if cursor is None else _place(cursor)
    inner, outer = _by_index(filters)
    windows = _windows(principal, inner.status)
    looks = [[window, *queries.conditions(inner), *_before(before)] for window in windows]
    wanted = queries.conditions(outer)
    seen = chain.from_iterable(_look(tx, look, wanted, limit) for look in looks)
    # One's own that one reviews oneself is in both.
    rows = sorted({row["id"]: row for row in seen}.values(), key=_place_of, reverse=True)
    if not wanted:
        return cut(rows[: limit + 1], limit, _sort_key)
    return _as_far_back(rows, limit, _floor(tx, looks))


def count_live(tx: Transaction, principal: Principal, most: int) -> Mapping[Status, int]:
    """How many are in each status that is not final, counted no further than `most`."""
    principal.require(Scope.READ)
    counts = [
        select(func.count())
        .select_from(
            select(executions.c.id)
            .where(executions.c.status == status, access.visible_to(principal))
            .limit(most)
            .subquery()
        )
        .scalar_subquery()
        for status in Status
        if status in LIVE
    ]
    found = tx.execute(select(*counts)).one()
    return dict(zip((status for status in Status if status in LIVE), found, strict=True))


def _windows(principal: Principal, live: Status | None) -> list[ColumnElement[bool]]:
    """What the caller may see, in parts that one index has in order each; what is live, by its status."""
    if principal.sees_all or principal.bound_to is not None or live is not None:
        return [access.visible_to(principal)]
    return [
        executions.c.user_id == principal.user_id,
        executions.c.assigned_reviewer == principal.email,
    ]


def _by_index(filters: Filters) -> tuple[Filters, Filters]:
    """What an index finds, and what each row has to be held against. Few are live, and those are found."""
    inner = Filters(
        status=filters.status if filters.status in LIVE else None,
        created_from=filters.created_from,
        created_to=filters.created_to,
    )
    outer = replace(filters, created_from=None, created_to=None)
    return inner, replace(outer, status=None) if filters.status in LIVE else outer


def _look(
    tx: Transaction, look: Sequence[ColumnElement[bool]], wanted: list[ColumnElement[bool]], limit: int
) -> Sequence[Row]:
    """The window is cut before the filters are asked, so that neither database looks further."""
    if not wanted:
        return tx.execute(_in_order(look, *_COLUMNS).limit(limit + 1)).mappings().all()
    window = _in_order(look, *_COLUMNS, and_(*wanted).label("is_wanted")).limit(LOOKED_THROUGH).subquery()
    columns = [column for column in window.c if column.name != "is_wanted"]
    statement = (
        select(*columns)
        .where(window.c.is_wanted)
        .order_by(window.c.created_at.desc(), window.c.id.desc())
        .limit(limit + 1)
    )
    return tx.execute(statement).mappings().all()


def _as_far_back(rows: Sequence[Row], limit: int, floor: Place | None) -> Page[Row]:
    """Where one window ends before the other, what is older in that one is for a later page."""
    near = [row for row in rows if floor is None or _place_of(row) >= floor]
    page = cut(near[: limit + 1], limit, _sort_key) if near else Page[Row]([], None)
    if page.next_cursor is not None or floor is None:
        return page
    return Page(page.items, cursor_of((to_ms(floor[0]), floor[1])))


def _floor(tx: Transaction, looks: Sequence[Sequence[ColumnElement[bool]]]) -> Place | None:
    """The oldest place down to which all was looked at; None is the very first execution."""
    statements = (
        _in_order(look, executions.c.created_at, executions.c.id).offset(LOOKED_THROUGH - 1).limit(2)
        for look in looks
    )
    ends = [tx.execute(statement).all() for statement in statements]
    return max(((end[0].created_at, end[0].id) for end in ends if len(end) > 1), default=None)


def _in_order(look: Sequence[ColumnElement[bool]], *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(*look).order_by(*_NEWEST_FIRST)


def _before(place: Place | None) -> list[ColumnElement[bool]]:
    if place is None:
        return []
    at, execution_id = place
    return [tuple_(literal(at, executions.c.created_at.type), literal(execution_id)) > _KEY]


def _place(cursor: str) -> Place:
    at, execution_id = place_of(cursor)
    return from_ms(at), execution_id


def _place_of(row: Row) -> Place:
    return row["created_at"], row["id"]


def _sort_key(row: Row) -> tuple[int, str]:
    return to_ms(row["created_at"]), row["id"]
