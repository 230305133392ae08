"""A key that somebody found: whoever holds the secret may end it, and learns nothing by doing so."""

from datetime import datetime

from sqlalchemy import select

from mixus.core.database import Transaction
from mixus.core.events import Actor, record
from mixus.keys import service, tokens
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys

REASON = "Reported as leaked."


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
