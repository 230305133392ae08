"""What is looked after by the clock: notices, and the mails that follow from events."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from mixus.accounts import attempts, links, sessions
from mixus.core import clock, limits
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.evals import timeouts
from mixus.keys import notices, report
from mixus.worker import deliveries, postman, review_deliveries

logger = logging.getLogger(__name__)

SECONDS = 30.0
FIRST_SECONDS = 1.0
BATCH = 100

# Does one small piece of work in transactions of its own; whether there may be more.
Job = Callable[[datetime], bool]


@dataclass(frozen=True)
class Schedule:
    """The jobs by name, in order. Every process may run all of them: they compete in the database."""

    jobs: Mapping[str, Job] = field(default_factory=dict)
    # Deadlines do not wait for a thousand mails and a slow server.
    longest_turn: timedelta = timedelta(seconds=30)

    def run(self, stopping: threading.Event) -> None:
        """All that is due now, piece by piece, until it is time to stop or another job's turn."""
        for name, job in self.jobs.items():
            started = clock.utc_now()
            try:
                while not stopping.is_set() and job(clock.utc_now()):
                    if clock.utc_now() - started >= self.longest_turn:
                        break
            except Exception:
                # One that fails holds up none of the others, and is tried again at the next round.
                logger.exception("%s failed; trying again", name)


def schedule(database: Database, settings: Settings, review_secret: bytes) -> Schedule:
    """`review_secret` signs the links in review mails."""
    jobs: dict[str, Job] = {
        "notices of keys": partial(give_notices, database),
        "roll-up of usage": partial(roll_up, database),
        "forgetting": partial(forget, database),
        "overdue reviews": partial(settle_overdue, database),
    }
    post = postman.employ(settings, review_secret)
    if post is not None:
        jobs["planning of mails"] = partial(deliveries.plan_mails, database)
        jobs["delivery of mails"] = partial(deliveries.deliver_mail, database, post)
        jobs["planning of review mails"] = partial(review_deliveries.plan_review_mails, database)
        jobs["delivery of review mails"] = partial(review_deliveries.deliver_review_mail, database, post)
    return Schedule(jobs)


def give_notices(database: Database, now: datetime) -> bool:
    with database.transaction() as tx:
        return notices.give_due(tx, now) > 0


def settle_overdue(database: Database, now: datetime) -> bool:
    """One transaction for each checkpoint, so that a decision waits for one of them at most."""
    with database.snapshot() as tx:
        found = timeouts.overdue(tx, now, BATCH)
    for row in found:
        with database.transaction() as tx:
            timeouts.settle(tx, row["execution_id"], row["id"], now)
    return len(found) == BATCH


def roll_up(database: Database, now: datetime) -> bool:
    with database.transaction() as tx:
        report.roll_up(tx, now)
    return False


def forget(database: Database, now: datetime) -> bool:
    """Rates that nobody uses any more, and sign-ins and links that are long over."""
    with database.transaction() as tx:
        limits.forget_idle(tx, attempts.PER_EMAIL.window_seconds)
        sessions.forget_old(tx, now)
        links.forget_old(tx, now)
    return False
