"""A key that somebody found: whoever holds the secret may end it, and learns nothing by doing so."""

from datetime import datetime
from typing import Final

from sqlalchemy import select

from mixus.core.database import Transaction
from mixus.core.errors import TooManyRequests
from mixus.core.events import Actor, record
from mixus.core.limits import Limiter, Policy
from mixus.keys import service, tokens
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys

REASON: Final = "Reported as leaked."
# Of one network: who finds keys finds few, and an answer costs a look into the database.
REPORTS: Final = Policy(60, 60)


def admit(limiter: Limiter, network: str | None) -> None:
    """Before any transaction, because whoever reports is a stranger; raises TooManyRequests."""
    allowance = limiter.admit(f"leaks:{network or 'unknown'}", REPORTS)
    if not allowance.is_admitted:
        raise TooManyRequests(
            f"Too many reports from your network; come back in {allowance.wait_seconds} s.",
            retry_after_seconds=allowance.wait_seconds,
        )


def report(tx: Transaction, pepper: Pepper, text: str, network: str | None, now: datetime) -> None:
    """Revoke the key, if it is one of ours and still stands; its owner gets a mail because of the event."""
    if tokens.check(text) is not None:
        return
    statement = select(keys.c.id).where(keys.c.lookup_hash == pepper.hash(text), keys.c.revoked_at.is_(None))
    key_id = tx.execute(statement.with_for_update(key_share=True)).scalar_one_or_none()
    if key_id is None:
        return
    finder = Actor(None, network)
    key = service.revoke(tx, finder, key_id, now, REASON)
    data = {"keyId": key.id, "name": key.name, "userId": key.user_id}
    record(tx, "key.leak-reported", key.id, finder, now, **data)
