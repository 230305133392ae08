"""Notices that a key ends soon or has ended: each is given once, by however many schedulers that look."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, Select, case, exists, literal, select, type_coerce

from mixus.accounts.tables import accounts
from mixus.core.clock import MILLISECOND, shown
from mixus.core.columns import Instant
from mixus.core.database import Transaction, upsert
from mixus.core.events import Actor, record
from mixus.keys.tables import key_notices, keys

EXPIRING: Final = "key.expiring"
EXPIRED: Final = "key.expired"
# Who was not told of an end in time knows it by now.
LATEST: Final = timedelta(days=7)
BATCH: Final = 100


class Notice(StrEnum):
    EXPIRED = "expired"
    ONE_DAY = "1-day"
    SEVEN_DAYS = "7-days"
    FOURTEEN_DAYS = "14-days"


# How many days before its end a key's owner is told; the most urgent first.
DAYS: Final = {Notice.EXPIRED: 0, Notice.ONE_DAY: 1, Notice.SEVEN_DAYS: 7, Notice.FOURTEEN_DAYS: 14}
_FIRST: Final = timedelta(days=max(DAYS.values()))
_DAY_MS: Final = timedelta(days=1) // MILLISECOND
_SCHEDULER: Final = Actor(None)


def give_due(tx: Transaction, now: datetime) -> int:
    """Record one batch of what is due; how many that were. A return of 0 is that nothing is left.

    When several are due for one key, because no scheduler ran, only the most urgent is given; what was
    passed over is never given afterwards.
    """
    statement = (
        upsert(tx, key_notices)
        .from_select(["key_id", "notice", "at"], _due(now))
        .on_conflict_do_nothing()
        .returning(key_notices.c.key_id, key_notices.c.notice)
    )
    given = {row.key_id: Notice(row.notice) for row in tx.execute(statement)}
    for key in _described(tx, list(given)):
        _record(tx, key, given[key.id], now)
    return len(given)


def _due(now: datetime) -> Select[Any]:
    """Those that end first come first, in every process, so that no two of them wait for each other."""
    days = _by_urgency(now, dict(DAYS))
    told = key_notices.alias()
    told_days = case({notice.value: count for notice, count in DAYS.items()}, value=told.c.notice)
    return (
        select(keys.c.id, _by_urgency(now, {notice: notice.value for notice in DAYS}), literal(now, Instant))
        .join(accounts, accounts.c.id == keys.c.user_id)
        .where(
            keys.c.expires_at > now - LATEST,
            keys.c.expires_at <= now + _FIRST,
            keys.c.revoked_at.is_(None),
            keys.c.disabled_at.is_(None),
            # The predecessor in a rotation ends by plan.
            keys.c.replaced_by.is_(None),
            accounts.c.disabled_at.is_(None),
            # A key of seven days needs no notice, seven days before its end, that it was made.
            _ms(keys.c.expires_at) - days * _DAY_MS > _ms(keys.c.created_at),
            ~exists().where(told.c.key_id == keys.c.id, told_days <= days),
        )
        .order_by(keys.c.expires_at, keys.c.id)
        .limit(BATCH)
    )


def _by_urgency(now: datetime, values: dict[Notice, Any]) -> ColumnElement[Any]:
    """The value of the most urgent notice that is due."""
    return case(
        *((keys.c.expires_at <= now + timedelta(days=DAYS[notice]), values[notice]) for notice in DAYS)
    )


def _ms(moment: ColumnElement[Any]) -> ColumnElement[int]:
    return type_coerce(moment, BigInteger)


def _described(tx: Transaction, key_ids: Sequence[str]) -> Sequence[Row[Any]]:
    columns = (keys.c.id, keys.c.name, keys.c.user_id, keys.c.expires_at)
    statement = select(*columns).where(keys.c.id.in_(key_ids)).order_by(keys.c.expires_at, keys.c.id)
    return tx.execute(statement).all() if key_ids else []


def _record(tx: Transaction, key: Row[Any], notice: Notice, now: datetime) -> None:
    record(
        tx,
        EXPIRED if notice is Notice.EXPIRED else EXPIRING,
        key.id,
        _SCHEDULER,
        now,
        keyId=key.id,
        name=key.name,
        days=DAYS[notice],
        expiresAt=shown(key.expires_at),
        userId=key.user_id,
    )
