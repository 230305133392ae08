"""A provider that is down: the execution is put aside and comes back by itself, later each time."""

from datetime import datetime, timedelta
from typing import Final

from mixus.core.database import Transaction
from mixus.evals import progress
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg

SHORTEST_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 30.0
MOST_SECONDS: Final = 30 * 60.0
# A provider may ask for more, up to this.
MOST_ASKED_SECONDS: Final = 6 * 3600.0
PATIENCE: Final = timedelta(hours=24)


class ProviderDown(Exception):
    """Asking again soon would not help; `reason` is a sentence without a full stop."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


def park(tx: Transaction, leg: Leg, down: ProviderDown, now: datetime) -> None:
    """Put the execution aside; after a day of that in a row it fails."""
    before = progress.parked(tx, leg.execution_id)
    if before.since is not None and now - before.since >= PATIENCE:
        hours = int(PATIENCE.total_seconds() / 3600)
        message = f"{down.reason}, for {hours} hours now; look at its status page and its key, then retry."
        progress.fail(tx, leg, Failure.PROVIDER_ERROR, message, now)
        return
    progress.park(tx, leg, down.reason, delay_seconds(before.times, down.retry_after_seconds), now)


def delay_seconds(times: int, asked: float | None) -> float:
    """How long to stay away after so many times in a row.

    The provider is believed the first time; one that names a moment and is then down still is not,
    unless it asks for more than we would wait anyway.
    """
    own = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(times, 10))
    if asked is None:
        return own
    return min(MOST_ASKED_SECONDS, max(SHORTEST_SECONDS if times == 0 else own, asked))
