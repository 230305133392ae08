"""Many keys at a glance: those that work or that are over, and how each was used day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from mixus.accounts.principal import Scope
from mixus.core.clock import to_ms
from mixus.core.database import Transaction
from mixus.core.pages import Page
from mixus.keys import info, report
from mixus.keys.info import KeyInfo
from mixus.keys.report import DAYS_KEPT
from mixus.keys.tables import key_usage, keys
from mixus.keys.usage import day_of

PAGE: Final = 15
RECENT_DAYS: Final = 7
ENDS_SOON: Final = timedelta(days=14)


@dataclass(frozen=True)
class KeyUse:
    """Requests by day, oldest first; the last one is today."""

    accepted: Sequence[int]
    refused: Sequence[int]
    unused_scopes: Sequence[Scope]

    @property
    def recent(self) -> int:
        return sum(self.accepted[-RECENT_DAYS:])

    @property
    def recently_refused(self) -> int:
        return sum(self.refused[-RECENT_DAYS:])


def working(tx: Transaction, user_id: str, cursor: str | None, now: datetime) -> Page[KeyInfo]:
    """Newest first: what is neither revoked nor expired. What is disabled works again when it is enabled."""
    lives = or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    return info.page_of_keys(tx, user_id, PAGE, cursor, keys.c.revoked_at.is_(None), lives)


def ended(tx: Transaction, user_id: str, cursor: str | None, now: datetime) -> Page[KeyInfo]:
    """Newest first: what was revoked or has expired."""
    return info.page_of_keys(tx, user_id, PAGE, cursor, _is_over(now))


def count_ended(tx: Transaction, user_id: str, now: datetime) -> int:
    statement = select(func.count()).where(keys.c.user_id == user_id, _is_over(now))
    return int(tx.execute(statement).scalar_one())


def ends_soon(key: KeyInfo, now: datetime) -> bool:
    return key.expires_at is not None and now < key.expires_at <= now + ENDS_SOON


def today(now: datetime) -> int:
    return day_of(to_ms(now))


def uses_of(tx: Transaction, listed: Sequence[KeyInfo], now: datetime) -> dict[str, KeyUse]:
    """By id, in one query however many keys there are."""
    last = today(now)
    first = last - DAYS_KEPT + 1
    counted = {key.id: ([0] * DAYS_KEPT, [0] * DAYS_KEPT) for key in listed}
    needed: dict[str, set[str | None]] = {key.id: set() for key in listed}
    since = day_of(to_ms(now - report.UNUSED_AFTER))
    needs = case((and_(*report.needed_its_scope()), 1), else_=0)
    columns = (key_usage.c.key_id, key_usage.c.day, key_usage.c.scope)
    statement = (
        select(
            *columns,
            report.ACCEPTED.label("accepted"),
            report.REFUSED.label("refused"),
            func.max(needs).label("needs"),
        )
        .where(key_usage.c.key_id.in_(list(counted)), key_usage.c.day.between(first, last))
        .group_by(*columns)
    )
    for row in tx.execute(statement) if listed else ():
        accepted, refused = counted[row.key_id]
        accepted[row.day - first] += int(row.accepted)
        refused[row.day - first] += int(row.refused)
        if row.needs and row.day >= since:
            needed[row.key_id].add(row.scope)
    return {key.id: KeyUse(*counted[key.id], report.not_among(key, needed[key.id], now)) for key in listed}


def _is_over(now: datetime) -> ColumnElement[bool]:
    return or_(keys.c.revoked_at.is_not(None), keys.c.expires_at <= now)
