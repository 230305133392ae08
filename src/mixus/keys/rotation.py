"""Rotation: a successor takes a key's place, and both work until the overlap ends."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import update

from mixus.accounts import service as accounts_service
from mixus.accounts.principal import Scope
from mixus.core.database import Transaction
from mixus.core.errors import Conflict, Invalid
from mixus.core.events import Actor, record
from mixus.keys import lifecycle, service
from mixus.keys.info import KeyInfo, audited, describe, shown_or_none
from mixus.keys.lifecycle import State
from mixus.keys.pepper import Pepper
from mixus.keys.service import RULES, NewKey, Rules
from mixus.keys.tables import keys


@dataclass(frozen=True)
class Rotation:
    """What is asked for. `expires` left out gives the successor as long a life as its predecessor was given.

    None for `scopes` and `allow_live` keeps those of the predecessor; neither can be widened.
    """

    key_id: str
    overlap: timedelta
    scopes: Collection[Scope] | None = None
    allow_live: bool | None = None
    expires: timedelta | datetime | None = None
    # The present successor is in use, which may not be written down yet.
    is_successor_used: bool = False


def rotate(
    tx: Transaction, pepper: Pepper, wanted: Rotation, actor: Actor, now: datetime, rules: Rules = RULES
) -> tuple[str, KeyInfo]:
    """The successor's secret, shown this once, and what is kept of it. Needs no free place.

    A second rotation ends the overlap of the first. Of a predecessor whose successor was never used (its
    answer was lost, say) it replaces that successor.
    """
    if wanted.overlap not in lifecycle.OVERLAPS.values():
        raise Invalid("An overlap is 0, 1 hour, 24 hours or 7 days.", field="overlap")
    accounts_service.locked(tx, describe(tx, wanted.key_id).user_id)
    before = service.locked(tx, wanted.key_id)
    model = _rotatable(tx, before, actor, now, is_successor_used=wanted.is_successor_used)
    expires = wanted.expires or _same_life(model, now, rules)
    new = replace(_successor(tx, model, wanted), expires=expires)
    secret, successor = service.insert_key(tx, pepper, new, now, rules)
    _end_overlaps(tx, before, now)
    _hand_over(tx, before, successor, now + wanted.overlap)
    record(tx, "key.rotated", before.id, actor, now, before=audited(before), after=_rotated(tx, before.id))
    record(tx, "key.created", successor.id, actor, now, before=None, after=audited(successor))
    return secret, successor


def _rotatable(
    tx: Transaction, key: KeyInfo, actor: Actor, now: datetime, *, is_successor_used: bool
) -> KeyInfo:
    """Whose life and rights the successor gets: the key itself, or a successor of it that nobody used."""
    state = key.state(now)
    if state is State.ACTIVE:
        return key
    if state is not State.REPLACED or key.replaced_by is None:
        raise Conflict(f"This key is {state}; make a new one instead.", code="key-state")
    unused = service.locked(tx, key.replaced_by)
    if is_successor_used or unused.accepted or unused.state(now) is not State.ACTIVE:
        raise Conflict(
            f"This key was rotated, and its successor {unused.id} is in use or over; rotate that one.",
            code="already-rotated",
            successorId=unused.id,
        )
    return service.revoke(tx, actor, unused.id, now, "Replaced before its first use.")


def _successor(tx: Transaction, model: KeyInfo, wanted: Rotation) -> NewKey:
    scopes = model.scopes if wanted.scopes is None else wanted.scopes
    if not lifecycle.is_within(scopes, model.scopes):
        raise Invalid(
            f"A rotation never widens: choose from {', '.join(model.scopes)}, or make another key.",
            field="scopes",
        )
    if wanted.allow_live and not model.allow_live:
        raise Invalid("A rotation never widens: make another key that allows live.", field="allowLive")
    return NewKey(
        user_id=model.user_id,
        name=model.name,
        # A role that was lowered since narrows the successor, as it narrows the key itself.
        scopes=lifecycle.effective_scopes(frozenset(scopes), accounts_service.get(tx, model.user_id).role),
        description=model.description,
        allow_live=model.allow_live if wanted.allow_live is None else wanted.allow_live,
        lineage_id=model.lineage_id,
    )


def _same_life(model: KeyInfo, now: datetime, rules: Rules) -> timedelta | datetime | None:
    if model.expires_at is not None:
        return now + (model.expires_at - model.created_at)
    return None if rules.may_be_endless else lifecycle.LIFETIME


def _hand_over(tx: Transaction, key: KeyInfo, successor: KeyInfo, overlap_ends_at: datetime) -> None:
    """An overlap never lengthens a life."""
    ends_at = overlap_ends_at if key.expires_at is None else min(key.expires_at, overlap_ends_at)
    statement = update(keys).where(keys.c.id == key.id)
    tx.execute(statement.values(replaced_by=successor.id, expires_at=ends_at))


def _rotated(tx: Transaction, key_id: str) -> dict[str, str | None]:
    key = describe(tx, key_id)
    return {"successorId": key.replaced_by, "expiresAt": shown_or_none(key.expires_at)}


def _end_overlaps(tx: Transaction, key: KeyInfo, now: datetime) -> None:
    """Predecessors that still work, and any other branch of this line."""
    tx.execute(
        update(keys)
        .where(
            keys.c.user_id == key.user_id,
            keys.c.lineage_id == key.lineage_id,
            keys.c.id != key.id,
            keys.c.replaced_by.is_not(None),
            keys.c.expires_at > now,
        )
        .values(expires_at=now)
    )
