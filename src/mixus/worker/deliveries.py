"""Mails that follow from events: planned once, claimed by one process, sent, and noted."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, and_, exists, select

from mixus.accounts.service import get as get_account
from mixus.accounts.tables import accounts
from mixus.core.database import Database, Transaction
from mixus.core.deliveries import Channel, Delivery, arrived, claim, deliveries, drop, failed, plan
from mixus.core.events import events
from mixus.keys.info import describe
from mixus.keys.lifecycle import State
from mixus.keys.tables import keys
from mixus.worker.mails import KeyNews, Kind, Letterhead, compose
from mixus.worker.postman import OF_THE_SERVER, Postman

logger = logging.getLogger(__name__)

# What is older is no news; so mail that is set up later does not send what happened long before.
LATEST: Final = timedelta(days=1)
BATCH: Final = 100
OBSOLETE: Final = "not needed any more"

# In which state of the key a mail still tells its owner something.
STILL_NEWS: Final = {
    Kind.EXPIRING: frozenset({State.ACTIVE}),
    Kind.EXPIRED: frozenset({State.EXPIRED}),
    Kind.LEAK_REPORTED: frozenset(State),
}


def plan_mails(database: Database, now: datetime) -> bool:
    """One batch; whether there may be more."""
    with database.transaction() as tx:
        addressed = [(row.id, row.email) for row in tx.execute(_unplanned(now))]
        plan(tx, Channel.MAIL, addressed, now)
    return bool(addressed)


def deliver_mail(database: Database, postman: Postman, now: datetime) -> bool:
    """Send one about a key that is due; whether the next may be tried."""
    return deliver(database, postman, Channel.MAIL, _letter, now)


@dataclass(frozen=True)
class Letter:
    """`compose` writes it, after the claim stands: what cannot be written is given up like what is refused.

    `note_taken` is what to write down once the server took it.
    """

    compose: Callable[[], EmailMessage]
    note_taken: Callable[[Transaction], None] = lambda _tx: None


# None where there is nothing left to tell.
Writer = Callable[[Transaction, Delivery, Letterhead, datetime], Letter | None]


def deliver(database: Database, postman: Postman, channel: Channel, write: Writer, now: datetime) -> bool:
    """Send one that is due; whether the next may be tried.

    The claim stands before anything is sent, so that no two processes send the same. A process that dies
    between sending and noting leaves a mail that is sent again, under the same Message-ID.
    """
    with database.transaction() as tx:
        delivery = claim(tx, channel, now)
        letter = None if delivery is None else write(tx, delivery, postman.head, now)
        if delivery is not None and letter is None:
            drop(tx, delivery, OBSOLETE)
    if delivery is None or letter is None:
        return delivery is not None
    return _send(database, postman, delivery, letter, now)


def _send(database: Database, postman: Postman, delivery: Delivery, letter: Letter, now: datetime) -> bool:
    refusal = postman.send(letter.compose(), delivery.recipient)
    with database.transaction() as tx:
        if refusal is None:
            arrived(tx, delivery, now)
            letter.note_taken(tx)
        else:
            failed(tx, delivery, str(refusal), now)
    if refusal is None:
        return True
    logger.warning("mail %s was not sent at attempt %s: %s", delivery.id, delivery.attempts, refusal)
    return refusal.reason not in OF_THE_SERVER


def _letter(tx: Transaction, delivery: Delivery, head: Letterhead, now: datetime) -> Letter | None:
    news = _news(tx, delivery.event_ids[0], now)
    if news is None:
        return None
    return Letter(partial(compose, news, delivery.recipient, delivery.id, head, now))


def _unplanned(now: datetime) -> Select[Any]:
    """Each event that is news, with the address of its key's owner."""
    mails = and_(deliveries.c.event_id == events.c.id, deliveries.c.channel == Channel.MAIL)
    return (
        select(events.c.id, accounts.c.email)
        .join(keys, keys.c.id == events.c.subject_id)
        .join(accounts, accounts.c.id == keys.c.user_id)
        .where(
            events.c.kind.in_(list(Kind)),
            events.c.at > now - LATEST,
            accounts.c.disabled_at.is_(None),
            ~exists().where(mails),
        )
        .order_by(events.c.at, events.c.id)
        .limit(BATCH)
    )


def _news(tx: Transaction, event_id: str, now: datetime) -> KeyNews | None:
    """With the key as it is now; None when there is nothing left to tell."""
    event = tx.execute(select(events).where(events.c.id == event_id)).one()
    news = KeyNews(Kind(event.kind), event.at, describe(tx, event.subject_id))
    is_owner_disabled = get_account(tx, news.key.user_id).disabled_at is not None
    return news if news.key.state(now) in STILL_NEWS[news.kind] and not is_owner_disabled else None
