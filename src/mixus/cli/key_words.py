"""What is written after the options of `mixus keys`, as values."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from mixus.accounts.principal import Scope
    from mixus.accounts.service import Account
    from mixus.core.database import Transaction


def owner_of(tx: "Transaction", email: str) -> "Account":
    from mixus.accounts import service
    from mixus.core.errors import NotFound

    owner = service.find_by_email(tx, email)
    if owner is None:
        raise NotFound("There is no account with this e-mail; make it with `mixus user create EMAIL`.")
    return owner


def scopes_of(words: "Sequence[str]") -> "list[Scope]":
    from mixus.accounts.principal import Scope
    from mixus.core.errors import Invalid

    try:
        return [Scope(word) for word in words]
    except ValueError as error:
        raise Invalid(f"A scope is one of {', '.join(Scope)}.", field="scopes") from error


def expiry_of(text: str) -> "timedelta | datetime | None":
    from datetime import UTC, datetime, timedelta

    from mixus.core.errors import Invalid

    if text == "never":
        return None
    days = re.fullmatch(r"([0-9]{1,4})d", text)
    if days is not None:
        return timedelta(days=int(days[1]))
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("Write --expires as 90d or as a day like 2027-01-31.", field="expires") from error


def overlap_of(text: str) -> "timedelta":
    from mixus.core.errors import Invalid
    from mixus.keys.lifecycle import OVERLAPS

    overlap = OVERLAPS.get(text)
    if overlap is None:
        raise Invalid("Write --overlap as 0, 1h, 24h or 7d.", field="overlap")
    return overlap
