"""The only place that reads the clock; everyone else is given `now`."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Written without an offset, which the format spells `Z`.
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
MILLISECOND = timedelta(milliseconds=1)


def utc_now() -> datetime:
    """The time in UTC, cut to whole milliseconds, which is what is stored and shown."""
    return from_ms(to_ms(datetime.now(UTC)))  # noqa: TID251 - this is the place


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC, rounded down, without passing through a float."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND


# Each answer names some times, and most of them again and again.
@lru_cache(maxsize=4096)
def rfc3339(milliseconds: int) -> str:
    """RFC 3339 in UTC with three decimals: `2026-11-23T10:00:00.123Z`."""
    return f"{(NAIVE_EPOCH + milliseconds * MILLISECOND).isoformat(timespec='milliseconds')}Z"


def shown(moment: datetime) -> str:
    """A time as it goes over the wire."""
    return rfc3339(to_ms(moment))
