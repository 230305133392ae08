"""Which keys may start what is real: of everybody, for whoever answers for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from mixus.accounts.tables import accounts
from mixus.core.database import Transaction
from mixus.keys import tokens
from mixus.keys.tables import key_use, keys


@dataclass(frozen=True)
class LiveKey:
    """`is_stopped` is one that cannot be used now: it, or its owner, is disabled."""

    id: str
    name: str
    owner_id: str
    owner_email: str
    masked: str
    expires_at: datetime | None
    last_used_at: datetime | None
    is_stopped: bool


def list_live_keys(tx: Transaction, now: datetime, most: int) -> Sequence[LiveKey]:
    """Newest first; those that are revoked or expired can never again."""
    statement = (
        select(keys, accounts.c.email, accounts.c.disabled_at.label("left_at"), key_use.c.last_used_at)
        .join(accounts, accounts.c.id == keys.c.user_id)
        .outerjoin(key_use, key_use.c.key_id == keys.c.id)
        .where(
            keys.c.allow_live,
            keys.c.revoked_at.is_(None),
            or_(keys.c.expires_at.is_(None), keys.c.expires_at > now),
        )
        .order_by(keys.c.created_at.desc(), keys.c.id)
        .limit(most)
    )
    return [
        LiveKey(
            id=row.id,
            name=row.name,
            owner_id=row.user_id,
            owner_email=row.email,
            masked=tokens.mask(row.last4),
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            is_stopped=(row.disabled_at or row.left_at) is not None,
        )
        for row in tx.execute(statement)
    ]
