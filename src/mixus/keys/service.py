"""What people do with keys: make one, look at them, revoke one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from mixus.accounts import service as accounts_service
from mixus.accounts.principal import Role, Scope
from mixus.accounts.tables import accounts
from mixus.core.clock import shown
from mixus.core.database import Transaction
from mixus.core.errors import Conflict, Invalid, NotFound
from mixus.core.events import Actor, record
from mixus.core.ids import new_id
from mixus.keys import labels, lifecycle, tokens
from mixus.keys.lifecycle import State
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys


@dataclass(frozen=True)
class NewKey:
    """What is asked for. `expires` is one of the lifetimes, a moment, or None for never."""

    user_id: str
    name: str
    scopes: Collection[Scope]
    description: str = ""
    expires: timedelta | datetime | None = lifecycle.LIFETIME


@dataclass(frozen=True)
class KeyInfo:
    """All that may be known of a key: neither the secret nor its hash can be had from it."""

    id: str
    user_id: str
    owner_email: str
    name: str
    lineage_id: str
    replaced_by: str | None
    description: str
    allow_live: bool
    scopes: tuple[Scope, ...]
    last4: str
    created_at: datetime
    expires_at: datetime | None
    disabled_at: datetime | None
    disabled_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str | None

    @property
    def masked(self) -> str:
        return tokens.mask(self.last4)

    def state(self, now: datetime) -> State:
        return lifecycle.state(self.revoked_at, self.disabled_at, self.expires_at, now)


def create(tx: Transaction, pepper: Pepper, new: NewKey, actor: Actor, now: datetime) -> tuple[str, KeyInfo]:
    """The secret, which is shown this once and kept nowhere, and what is kept."""
    owner = accounts_service.get(tx, new.user_id)
    secret, key_id = tokens.generate(), new_id("key")
    tx.execute(
        insert(keys).values(
            id=key_id,
            user_id=owner.id,
            lineage_id=key_id,
            allow_live=False,
            name=labels.clean_name(new.name),
            description=labels.clean_text("description", new.description),
            scopes=_checked_scopes(new.scopes, owner.role),
            lookup_hash=pepper.hash(secret),
            pepper_id=pepper.id,
            last4=secret[-4:],
            created_at=now,
            expires_at=_expiry(new.expires, now),
        )
    )
    created = describe(tx, key_id)
    record(tx, "key.created", key_id, actor, now, before=None, after=_audited(created))
    return secret, created


def describe(tx: Transaction, key_id: str) -> KeyInfo:
    row = tx.execute(_described().where(keys.c.id == key_id)).one_or_none()
    if row is None:
        raise NotFound("There is no key with this id; `mixus keys list` shows all.")
    return _info(row)


def list_keys(tx: Transaction, user_id: str | None = None) -> list[KeyInfo]:
    """Oldest first, in every state; of one account, or of all."""
    statement = _described().order_by(keys.c.created_at, keys.c.id)
    if user_id is not None:
        statement = statement.where(keys.c.user_id == user_id)
    return [_info(row) for row in tx.execute(statement)]


def revoke(tx: Transaction, actor: Actor, key_id: str, now: datetime, reason: str | None = None) -> KeyInfo:
    """In force at the next request in every process, and for ever."""
    revoked = tx.execute(
        update(keys)
        .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        .values(
            revoked_at=now,
            revoked_by=actor.id,
            revoke_reason=None if reason is None else labels.clean_text("reason", reason),
        )
        .returning(keys.c.id)
    ).one_or_none()
    key = describe(tx, key_id)
    if revoked is None:
        raise Conflict(f"This key was revoked before, at {_shown(key.revoked_at)}.", code="already-revoked")
    before = lifecycle.state(None, key.disabled_at, key.expires_at, now)
    record(
        tx,
        "key.revoked",
        key_id,
        actor,
        now,
        before={"state": before},
        after={"state": State.REVOKED, "reason": key.revoke_reason},
    )
    return key


def _checked_scopes(scopes: Collection[Scope], role: Role) -> list[Scope]:
    if not scopes:
        raise Invalid(f"A key needs at least one scope: {', '.join(Scope)}.", field="scopes")
    allowed = lifecycle.SCOPES_OF[role]
    if not allowed.issuperset(scopes):
        raise Invalid(
            f"The keys of a {role} may only have {', '.join(sorted(allowed))}.",
            field="scopes",
        )
    return [scope for scope in Scope if scope in scopes]


def _expiry(expires: timedelta | datetime | None, now: datetime) -> datetime:
    if expires is None:
        raise Invalid(
            "Endless keys need the admin's permission; choose when this one expires.", field="expires"
        )
    if isinstance(expires, datetime):
        if expires <= now:
            raise Invalid("The key would expire in the past; choose a later time.", field="expires")
        return expires
    if expires not in map(timedelta, lifecycle.LIFETIME_DAYS):
        days = ", ".join(map(str, lifecycle.LIFETIME_DAYS))
        raise Invalid(f"A key lives for {days} days or until a date; choose one of these.", field="expires")
    return now + expires


def _described() -> Select[Any]:
    visible = [column for column in keys.c if column.name not in {"lookup_hash", "pepper_id"}]
    return select(*visible, accounts.c.email.label("owner_email")).join(accounts)


def _info(row: Row[Any]) -> KeyInfo:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return KeyInfo(**{**values, "scopes": tuple(Scope(scope) for scope in values["scopes"])})


def _audited(key: KeyInfo) -> dict[str, Any]:
    return {
        "userId": key.user_id,
        "name": key.name,
        "description": key.description,
        "scopes": key.scopes,
        "expiresAt": _shown(key.expires_at),
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else shown(moment)
