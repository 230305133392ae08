"""What people do with keys: make one, change what is written on it, disable, enable and revoke it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_, select, update

from mixus.accounts import service as accounts_service
from mixus.accounts.principal import SCOPES_OF, Role, Scope
from mixus.core.database import Transaction
from mixus.core.errors import Conflict, Invalid
from mixus.core.events import Actor, record
from mixus.core.ids import new_id
from mixus.keys import labels, lifecycle, tokens
from mixus.keys.info import KeyInfo, audited, describe, shown_or_none
from mixus.keys.lifecycle import State
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys


@dataclass(frozen=True)
class Rules:
    """What an admin can set per deployment."""

    most_active: int = 10
    may_be_endless: bool = False


@dataclass(frozen=True)
class NewKey:
    """What is asked for. `expires` is one of the lifetimes, a moment, or None for never."""

    user_id: str
    name: str
    scopes: Collection[Scope]
    description: str = ""
    expires: timedelta | datetime | None = lifecycle.LIFETIME
    allow_live: bool = False
    # Set by a rotation.
    lineage_id: str | None = None


@dataclass(frozen=True)
class KeyChange:
    """None leaves a field as it is. A key is only ever narrowed."""

    name: str | None = None
    description: str | None = None
    scopes: Collection[Scope] | None = None
    allow_live: bool | None = None


RULES = Rules()


def create(
    tx: Transaction, pepper: Pepper, new: NewKey, actor: Actor, now: datetime, rules: Rules = RULES
) -> tuple[str, KeyInfo]:
    """The secret, which is shown this once and kept nowhere, and what is kept."""
    # One after another: rivals for the last place of this person wait here.
    accounts_service.locked(tx, new.user_id)
    secret, created = insert_key(tx, pepper, new, now, rules)
    require_place(tx, new.user_id, now, rules)
    record(tx, "key.created", created.id, actor, now, before=None, after=audited(created))
    return secret, created


def insert_key(
    tx: Transaction, pepper: Pepper, new: NewKey, now: datetime, rules: Rules
) -> tuple[str, KeyInfo]:
    owner = accounts_service.get(tx, new.user_id)
    if owner.disabled_at is not None:
        raise Conflict("The account is disabled; enable it first.", code="account-disabled")
    secret, key_id = tokens.generate(), new_id("key")
    tx.execute(
        insert(keys).values(
            id=key_id,
            user_id=owner.id,
            lineage_id=new.lineage_id or key_id,
            name=labels.clean_name(new.name),
            description=labels.clean_text("description", new.description),
            scopes=checked_scopes(new.scopes, owner.role),
            allow_live=new.allow_live,
            lookup_hash=pepper.hash(secret),
            pepper_id=pepper.id,
            last4=secret[-4:],
            created_at=now,
            expires_at=expiry(new.expires, now, rules),
        )
    )
    return secret, describe(tx, key_id)


def require_place(tx: Transaction, user_id: str, now: datetime, rules: Rules) -> None:
    """Asked with the new key counted: one too many, and the transaction takes it back."""
    if count_active(tx, user_id, now) > rules.most_active:
        raise Conflict(
            f"This account has {rules.most_active} active keys, which is the most; revoke one, "
            "or rotate one, which needs no place.",
            code="key-limit",
        )


def count_active(tx: Transaction, user_id: str, now: datetime) -> int:
    """Disabled keys hold their place; revoked, expired and replaced ones do not."""
    lives = or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    statement = select(func.count()).where(
        keys.c.user_id == user_id, keys.c.revoked_at.is_(None), keys.c.replaced_by.is_(None), lives
    )
    return int(tx.execute(statement).scalar_one())


def change(tx: Transaction, key_id: str, wanted: KeyChange, actor: Actor, now: datetime) -> KeyInfo:
    """Rename, describe, or narrow: in force at the next request."""
    before = locked(tx, key_id)
    values = _changes(before, wanted)
    tx.execute(update(keys).where(keys.c.id == key_id).values(**values))
    after = describe(tx, key_id)
    if audited(before) != audited(after):
        record(tx, "key.changed", key_id, actor, now, before=audited(before), after=audited(after))
    return after


def disable(tx: Transaction, key_id: str, actor: Actor, now: datetime) -> KeyInfo:
    """No request with it is accepted any more until it is enabled again; it keeps its place."""
    before = _in_state(tx, key_id, now, State.ACTIVE, State.REPLACED)
    _update(tx, key_id, {"disabled_at": now, "disabled_by": actor.id})
    return _switched(tx, "key.disabled", before, actor, now)


def enable(tx: Transaction, key_id: str, actor: Actor, now: datetime) -> KeyInfo:
    before = _in_state(tx, key_id, now, State.DISABLED)
    _update(tx, key_id, {"disabled_at": None, "disabled_by": None})
    return _switched(tx, "key.enabled", before, actor, now)


def revoke(tx: Transaction, actor: Actor, key_id: str, now: datetime, reason: str | None = None) -> KeyInfo:
    """In force at the next request in every process, and for ever."""
    values = {
        "revoked_at": now,
        "revoked_by": actor.id,
        "revoke_reason": None if reason is None else labels.clean_text("reason", reason),
    }
    is_revoked = _update(tx, key_id, values, keys.c.revoked_at.is_(None))
    key = describe(tx, key_id)
    if not is_revoked:
        raise Conflict(
            f"This key was revoked before, at {shown_or_none(key.revoked_at)}.", code="already-revoked"
        )
    before = replace(key, revoked_at=None).state(now)
    after = {"state": State.REVOKED, "reason": key.revoke_reason}
    record(tx, "key.revoked", key_id, actor, now, before={"state": before}, after=after)
    return key


def locked(tx: Transaction, key_id: str) -> KeyInfo:
    """The key, held against every other change until this transaction ends."""
    tx.execute(select(keys.c.id).where(keys.c.id == key_id).with_for_update(key_share=True))
    return describe(tx, key_id)


def checked_scopes(scopes: Collection[Scope], role: Role) -> list[Scope]:
    if not scopes:
        raise Invalid(f"A key needs at least one scope: {', '.join(Scope)}.", field="scopes")
    allowed = SCOPES_OF[role]
    if not allowed.issuperset(scopes):
        raise Invalid(f"The keys of a {role} may only have {', '.join(sorted(allowed))}.", field="scopes")
    return [scope for scope in Scope if scope in scopes]


def expiry(expires: timedelta | datetime | None, now: datetime, rules: Rules) -> datetime | None:
    if expires is None:
        if rules.may_be_endless:
            return None
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


def _changes(before: KeyInfo, wanted: KeyChange) -> dict[str, Any]:
    values: dict[str, Any] = {"name": before.name}
    if wanted.name is not None:
        values["name"] = labels.clean_name(wanted.name)
    if wanted.description is not None:
        values["description"] = labels.clean_text("description", wanted.description)
    if wanted.scopes is not None:
        if not wanted.scopes or not lifecycle.is_within(wanted.scopes, before.scopes):
            raise Invalid(
                f"A key is never widened: choose from {', '.join(before.scopes)}, or make another key.",
                field="scopes",
            )
        values["scopes"] = [scope for scope in Scope if scope in wanted.scopes]
    if wanted.allow_live is not None:
        if wanted.allow_live and not before.allow_live:
            raise Invalid("A key is never widened: make another one that allows live.", field="allowLive")
        values["allow_live"] = wanted.allow_live
    return values


def _in_state(tx: Transaction, key_id: str, now: datetime, *states: State) -> KeyInfo:
    key = locked(tx, key_id)
    if key.state(now) not in states:
        raise Conflict(
            f"This key is {key.state(now)}; this can be done to one that is {states[0]}.", code="key-state"
        )
    return key


def _switched(tx: Transaction, kind: str, before: KeyInfo, actor: Actor, now: datetime) -> KeyInfo:
    after = describe(tx, before.id)
    states = {"before": {"state": before.state(now)}, "after": {"state": after.state(now)}}
    record(tx, kind, before.id, actor, now, **states)
    return after


def _update(
    tx: Transaction, key_id: str, values: Mapping[str, Any], *conditions: ColumnElement[bool]
) -> bool:
    statement = update(keys).where(keys.c.id == key_id, *conditions).values(**values).returning(keys.c.id)
    return tx.execute(statement).one_or_none() is not None
