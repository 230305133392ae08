"""What the counts say of a key: by day, by route, which scopes nobody used; and whether they add up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, func, literal, select

from mixus.accounts.principal import Scope
from mixus.core.clock import to_ms
from mixus.core.database import Transaction, upsert
from mixus.keys.info import KeyInfo
from mixus.keys.tables import key_streams, key_usage, key_use, usage_writers
from mixus.keys.usage import day_of

DAYS_KEPT: Final = 90
OLDER: Final = 0
UNUSED_AFTER: Final = timedelta(days=30)
# A process with open streams says so every few seconds; after this silence they are gone with it.
STREAM_LIFE: Final = timedelta(seconds=15)
WRITERS_KEPT: Final = timedelta(days=1)
FORBIDDEN: Final = 403
# Uses of which only the sum is told.
ACCEPTED: Final = func.coalesce(func.sum(case((key_usage.c.refusal == "", key_usage.c.count), else_=0)), 0)
REFUSED: Final = func.coalesce(func.sum(case((key_usage.c.refusal != "", key_usage.c.count), else_=0)), 0)


class Unbalanced(Exception):
    """Rolling up would have changed a sum; nothing was changed."""


@dataclass(frozen=True)
class DayUse:
    """`day` counts days since 1970-01-01 UTC."""

    day: int
    accepted: int
    refused: int


@dataclass(frozen=True)
class RouteUse:
    """`refusal` is the code with which the key itself was refused, or empty."""

    route: str
    status: int
    refusal: str
    scope: Scope | None
    count: int


@dataclass(frozen=True)
class UsageReport:
    """`older` is what lies before the days that are kept one by one."""

    days: Sequence[DayUse]
    older: DayUse
    routes: Sequence[RouteUse]
    unused_scopes: Sequence[Scope]
    open_streams: int


def usage_of(tx: Transaction, key: KeyInfo, now: datetime) -> UsageReport:
    days = _by_day(tx, key.id)
    return UsageReport(
        days=[day for day in days if day.day != OLDER],
        older=next((day for day in days if day.day == OLDER), DayUse(OLDER, 0, 0)),
        routes=_by_route(tx, key.id),
        unused_scopes=unused_scopes(tx, key, now),
        open_streams=open_streams(tx, key.id, now),
    )


def unused_scopes(tx: Transaction, key: KeyInfo, now: datetime) -> list[Scope]:
    """Scopes that no request needed for 30 days: the key could do without. Of a younger key nothing is said.

    `eval:manage` counts as used only where nothing less would have done.
    """
    since = day_of(to_ms(now - UNUSED_AFTER))
    statement = select(key_usage.c.scope).where(
        key_usage.c.key_id == key.id, key_usage.c.day >= since, *needed_its_scope()
    )
    return not_among(key, tx.execute(statement.distinct()).scalars().all(), now)


def needed_its_scope() -> tuple[ColumnElement[bool], ...]:
    """Of a use: the request was answered, and would not have been without the scope."""
    return key_usage.c.refusal == "", key_usage.c.status != FORBIDDEN


def not_among(key: KeyInfo, needed: Collection[str | None], now: datetime) -> list[Scope]:
    """The key's scopes, but those `needed` for 30 days; of a younger key nothing is said."""
    if key.created_at > now - UNUSED_AFTER:
        return []
    return [scope for scope in key.scopes if scope.value not in needed]


def open_streams(tx: Transaction, key_id: str, now: datetime) -> int:
    """Event streams and held polls of all processes, as they told within the last seconds."""
    statement = (
        select(func.coalesce(func.sum(key_streams.c.count), 0))
        .join(usage_writers, usage_writers.c.id == key_streams.c.writer_id)
        .where(key_streams.c.key_id == key_id, usage_writers.c.at > now - STREAM_LIFE)
    )
    return int(tx.execute(statement).scalar_one())


def roll_up(tx: Transaction, now: datetime) -> int:
    """Add up what is older than 90 days; how many rows there were. Raises Unbalanced."""
    first_kept = day_of(to_ms(now)) - DAYS_KEPT
    is_old = (key_usage.c.day > OLDER) & (key_usage.c.day < first_kept)
    tx.execute(delete(usage_writers).where(usage_writers.c.at < now - WRITERS_KEPT))
    # Rivals wait here, and find nothing left.
    held = select(key_usage.c.key_id).where(is_old).order_by(*key_usage.primary_key).with_for_update()
    if tx.execute(held).first() is None:
        return 0
    before = _total(tx, first_kept)
    columns = (key_usage.c.key_id, key_usage.c.route, key_usage.c.status, key_usage.c.refusal)
    old = (
        select(
            *columns,
            literal(OLDER).label("day"),
            func.max(key_usage.c.scope).label("scope"),
            func.sum(key_usage.c.count).label("count"),
        )
        .where(is_old)
        .group_by(*columns)
    )
    statement = upsert(tx, key_usage).from_select(
        ["key_id", "route", "status", "refusal", "day", "scope", "count"], old
    )
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["key_id", "day", "route", "status", "refusal"],
            set_={"count": key_usage.c.count + statement.excluded.count},
        )
    )
    gone = tx.execute(delete(key_usage).where(is_old)).rowcount
    if _total(tx, first_kept) != before:
        raise Unbalanced
    return gone


def is_balanced(tx: Transaction, key_id: str) -> bool:
    return unbalanced_keys(tx, key_id) == []


def unbalanced_keys(tx: Transaction, key_id: str | None = None) -> list[str]:
    """Keys whose totals are not the sum of their days, of all or of this one; there should be none."""
    mine = [] if key_id is None else [key_usage.c.key_id == key_id]
    sums = (
        select(key_usage.c.key_id, ACCEPTED.label("accepted"), REFUSED.label("refused"))
        .where(*mine)
        .group_by(key_usage.c.key_id)
        .subquery()
    )
    asked = [] if key_id is None else [key_use.c.key_id == key_id]
    statement: Select[Any] = (
        select(key_use.c.key_id)
        .outerjoin(sums, sums.c.key_id == key_use.c.key_id)
        .where(
            *asked,
            (func.coalesce(sums.c.accepted, 0) != key_use.c.accepted)
            | (func.coalesce(sums.c.refused, 0) != key_use.c.refused),
        )
        .order_by(key_use.c.key_id)
    )
    return list(tx.execute(statement).scalars())


def _by_day(tx: Transaction, key_id: str) -> list[DayUse]:
    statement = (
        select(key_usage.c.day, ACCEPTED.label("accepted"), REFUSED.label("refused"))
        .where(key_usage.c.key_id == key_id)
        .group_by(key_usage.c.day)
        .order_by(key_usage.c.day)
    )
    return [DayUse(row.day, int(row.accepted), int(row.refused)) for row in tx.execute(statement)]


def _by_route(tx: Transaction, key_id: str) -> list[RouteUse]:
    """Most used first."""
    total = func.sum(key_usage.c.count)
    columns = (key_usage.c.route, key_usage.c.status, key_usage.c.refusal)
    statement = (
        select(*columns, func.max(key_usage.c.scope).label("scope"), total.label("total"))
        .where(key_usage.c.key_id == key_id)
        .group_by(*columns)
        .order_by(total.desc(), *columns)
    )
    return [
        RouteUse(row.route, row.status, row.refusal, row.scope and Scope(row.scope), int(row.total))
        for row in tx.execute(statement)
    ]


def _total(tx: Transaction, first_kept: int) -> int:
    """Of the days that nobody counts on any more."""
    total = func.coalesce(func.sum(key_usage.c.count), 0)
    return int(tx.execute(select(total).where(key_usage.c.day < first_kept)).scalar_one())
