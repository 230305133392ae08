"""Mails to reviewers, which follow from events: the first few at once, a flood of them together."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, and_, exists, select

from mixus.core.database import Database, Transaction
from mixus.core.deliveries import Channel, Delivery, deliveries, gather, gather_alone
from mixus.core.events import events
from mixus.evals import viewing
from mixus.evals.lifecycle import CheckpointStatus
from mixus.evals.news import KINDS, outstanding
from mixus.evals.tables import checkpoints
from mixus.worker.deliveries import Letter, deliver
from mixus.worker.mails import Letterhead
from mixus.worker.postman import Postman
from mixus.worker.review_mails import compose

# What is older is no news, and was decided or found by other ways.
LATEST: Final = timedelta(days=1)
BATCH: Final = 100


def plan_review_mails(database: Database, now: datetime) -> bool:
    """One batch; whether there may be more."""
    with database.transaction() as tx:
        gather_alone(tx)
        unplanned = tx.execute(_unplanned(now)).all()
        for event in unplanned:
            gather(tx, Channel.REVIEW_MAIL, event.id, event.data["after"], now)
    return bool(unplanned)


def deliver_review_mail(database: Database, postman: Postman, now: datetime) -> bool:
    """Send one that is due; whether the next may be tried."""
    return deliver(database, postman, Channel.REVIEW_MAIL, _letter, now)


def _unplanned(now: datetime) -> Select[Any]:
    """Also of an earlier attempt or reviewer: such a one is planned, and dropped when it is to be written."""
    mails = and_(deliveries.c.event_id == events.c.id, deliveries.c.channel == Channel.REVIEW_MAIL)
    return (
        select(events.c.id, events.c.data)
        .join(checkpoints, checkpoints.c.id == events.c.subject_id)
        .where(
            events.c.kind.in_(KINDS),
            events.c.at > now - LATEST,
            checkpoints.c.status == CheckpointStatus.AWAITING,
            ~exists().where(mails),
        )
        .order_by(events.c.at, events.c.id)
        .limit(BATCH)
    )


def _letter(tx: Transaction, delivery: Delivery, head: Letterhead, now: datetime) -> Letter | None:
    asked = outstanding(tx, delivery.event_ids, delivery.recipient)
    if not asked:
        return None
    told = [(row["id"], row["attempt"]) for row in asked]
    return Letter(
        partial(compose, asked, delivery.recipient, delivery.id, head, now), partial(_note_told, told, now)
    )


def _note_told(told: list[tuple[str, int]], now: datetime, tx: Transaction) -> None:
    for checkpoint_id, attempt in told:
        viewing.note_told(tx, checkpoint_id, attempt, now)
