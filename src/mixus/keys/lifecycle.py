"""The pure rules of a key: how long it may live, what it may do, and which state it is in."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from mixus.accounts.principal import SCOPES_OF, Role, Scope


class State(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"
    # A rotation has given it a successor; it still works until its overlap ends.
    REPLACED = "replaced"


LIFETIME_DAYS: Final = (7, 30, 60, 90, 180, 365)
LIFETIME: Final = timedelta(days=90)

OVERLAPS: Final = {
    "0": timedelta(0),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}

# Times are datetimes in a service and whole milliseconds on the hot path; one rule serves both.
Moment = TypeVar("Moment", datetime, int)


def state(
    revoked_at: Moment | None, disabled_at: Moment | None, expires_at: Moment | None, now: Moment
) -> State:
    """The most final state wins. A key that expires now has expired."""
    if revoked_at is not None:
        return State.REVOKED
    if expires_at is not None and now >= expires_at:
        return State.EXPIRED
    if disabled_at is not None:
        return State.DISABLED
    return State.ACTIVE


def is_within(scopes: Collection[Scope], granted: Collection[Scope]) -> bool:
    """Managing implies creating and reading."""
    return Scope.MANAGE in granted or set(scopes) <= set(granted)


def effective_scopes(scopes: frozenset[Scope], role: Role) -> frozenset[Scope]:
    """A role that was lowered after its key was made narrows the key with the next request."""
    allowed = SCOPES_OF[role]
    if scopes <= allowed:
        return scopes
    return allowed if Scope.MANAGE in scopes else scopes & allowed
