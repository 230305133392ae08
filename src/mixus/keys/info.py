"""What may be known of a key: all that people, pages and the audit are told of it."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, literal, select, tuple_

from mixus.accounts.principal import Principal, Scope
from mixus.accounts.tables import accounts
from mixus.core.clock import from_ms, shown, to_ms
from mixus.core.database import Transaction
from mixus.core.errors import NotFound
from mixus.core.pages import Page, cut, place_of
from mixus.keys import lifecycle, tokens
from mixus.keys.lifecycle import State
from mixus.keys.tables import key_use, keys
from mixus.keys.usage import Last

_ID = re.compile(r"key_[0-9A-Za-z]{22}")
HIDDEN = frozenset({"lookup_hash", "pepper_id"})
USE = (
    *("accepted", "refused", "last_used_at", "last_used_network", "last_used_agent"),
    *("last_refused_at", "last_refused_network", "last_refused_agent"),
)


@dataclass(frozen=True)
class KeyInfo:
    """Neither the secret nor its hash can be had from it. Its use is as last written down."""

    id: str
    user_id: str
    owner_email: str
    lineage_id: str
    replaced_by: str | None
    name: str
    description: str
    scopes: tuple[Scope, ...]
    allow_live: bool
    last4: str
    created_at: datetime
    expires_at: datetime | None
    disabled_at: datetime | None
    disabled_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str | None
    accepted: int = 0
    refused: int = 0
    last_used_at: datetime | None = None
    last_used_network: str | None = None
    last_used_agent: str | None = None
    last_refused_at: datetime | None = None
    last_refused_network: str | None = None
    last_refused_agent: str | None = None

    @property
    def masked(self) -> str:
        return tokens.mask(self.last4)

    def used(self, last: Last | None) -> "KeyInfo":
        """With a use that is not written down yet, where it is later."""
        if last is None or (self.last_used_at is not None and from_ms(last.at_ms) < self.last_used_at):
            return self
        at, network, agent = from_ms(last.at_ms), last.network, last.agent
        return replace(self, last_used_at=at, last_used_network=network, last_used_agent=agent)

    def state(self, now: datetime) -> State:
        state = lifecycle.state(self.revoked_at, self.disabled_at, self.expires_at, now)
        return State.REPLACED if state is State.ACTIVE and self.replaced_by is not None else state


def describe(tx: Transaction, key_id: str) -> KeyInfo:
    row = tx.execute(_described().where(keys.c.id == key_id)).one_or_none()
    if row is None:
        raise missing()
    return _info(row)


def describe_own(tx: Transaction, principal: Principal, key_id: str) -> KeyInfo:
    """To its owner and admins. For anyone else it does not exist; nor does what cannot be an id."""
    if _ID.fullmatch(key_id) is None:
        raise missing()
    key = describe(tx, key_id)
    if not principal.is_admin and key.user_id != principal.user_id:
        raise missing()
    return key


def list_keys(tx: Transaction, user_id: str | None = None) -> list[KeyInfo]:
    """Oldest first, in every state; of one account, or of all."""
    statement = _described().order_by(keys.c.created_at, keys.c.id)
    if user_id is not None:
        statement = statement.where(keys.c.user_id == user_id)
    return [_info(row) for row in tx.execute(statement)]


def page_of_keys(
    tx: Transaction, user_id: str, limit: int, cursor: str | None, *which: ColumnElement[bool]
) -> Page[KeyInfo]:
    """Newest first, of one account; in every state, where `which` does not say otherwise."""
    statement = _described().where(keys.c.user_id == user_id, *which)
    if cursor is not None:
        at, key_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), keys.c.created_at.type), literal(key_id))
        statement = statement.where(tuple_(keys.c.created_at, keys.c.id) < place)
    statement = statement.order_by(keys.c.created_at.desc(), keys.c.id.desc()).limit(limit + 1)
    found = [_info(row) for row in tx.execute(statement)]
    return cut(found, limit, lambda key: (to_ms(key.created_at), key.id))


def audited(key: KeyInfo) -> dict[str, Any]:
    """What an event keeps of a key."""
    return {
        "userId": key.user_id,
        "name": key.name,
        "description": key.description,
        "scopes": key.scopes,
        "allowLive": key.allow_live,
        "expiresAt": shown_or_none(key.expires_at),
    }


def missing() -> NotFound:
    return NotFound("There is no key with this id that you may see.")


def shown_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else shown(moment)


def _described() -> Select[Any]:
    visible = [column for column in keys.c if column.name not in HIDDEN]
    use = [key_use.c[name] for name in USE]
    return (
        select(*visible, accounts.c.email.label("owner_email"), *use)
        .join(accounts, accounts.c.id == keys.c.user_id)
        .outerjoin(key_use, key_use.c.key_id == keys.c.id)
    )


def _info(row: Row[Any]) -> KeyInfo:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return KeyInfo(
        **{
            **values,
            "scopes": tuple(Scope(scope) for scope in values["scopes"]),
            "accepted": values["accepted"] or 0,
            "refused": values["refused"] or 0,
        }
    )
