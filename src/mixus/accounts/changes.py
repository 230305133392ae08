"""What becomes of an account: its role, whether it is disabled, its password. One event for each change."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from mixus.accounts import links, service, sessions
from mixus.accounts.principal import Role
from mixus.accounts.service import Account
from mixus.accounts.tables import accounts
from mixus.core.clock import shown
from mixus.core.database import Transaction
from mixus.core.errors import Conflict
from mixus.core.events import Actor, record


class LastAdmin(Conflict):
    code = "last-admin"


@dataclass(frozen=True)
class AccountChange:
    """What an admin asks for; None leaves it as it is."""

    role: Role | None = None
    is_disabled: bool | None = None


def update_account(
    tx: Transaction, user_id: str, change: AccountChange, actor: Actor, now: datetime
) -> Account:
    if change.role is not None:
        set_role(tx, user_id, change.role, actor, now)
    if change.is_disabled is not None:
        act = disable if change.is_disabled else enable
        act(tx, user_id, actor, now)
    return service.get(tx, user_id)


def set_role(tx: Transaction, user_id: str, role: Role, actor: Actor, now: datetime) -> None:
    """In force at the next request; what it is already is no change."""
    admins = _locked_admins(tx)
    account = service.locked(tx, user_id)
    if account.role is role:
        return
    if admins == [user_id]:
        raise LastAdmin("This is the only enabled admin; make another one first.")
    tx.execute(update(accounts).where(accounts.c.id == user_id).values(role=role))
    before, after = {"role": account.role}, {"role": role}
    record(tx, "account.role-changed", user_id, actor, now, before=before, after=after)


def disable(tx: Transaction, user_id: str, actor: Actor, now: datetime) -> None:
    """Sessions end and links go; keys are refused at their next request, until the account is enabled."""
    admins = _locked_admins(tx)
    account = service.locked(tx, user_id)
    if account.disabled_at is not None:
        return
    if admins == [user_id]:
        raise LastAdmin("This is the only enabled admin; make another one first.")
    tx.execute(update(accounts).where(accounts.c.id == user_id).values(disabled_at=now))
    links.void(tx, user_id, now)
    before = {"disabledAt": None, "openSessions": sessions.end_all(tx, user_id, now)}
    after = {"disabledAt": shown(now), "openSessions": []}
    record(tx, "account.disabled", user_id, actor, now, before=before, after=after)


def enable(tx: Transaction, user_id: str, actor: Actor, now: datetime) -> None:
    account = service.locked(tx, user_id)
    if account.disabled_at is None:
        return
    tx.execute(update(accounts).where(accounts.c.id == user_id).values(disabled_at=None))
    before, after = {"disabledAt": shown(account.disabled_at)}, {"disabledAt": None}
    record(tx, "account.enabled", user_id, actor, now, before=before, after=after)


def set_password(
    tx: Transaction,
    account: Account,
    password_hash: str,
    actor: Actor,
    now: datetime,
    *,
    but: str | None = None,
) -> None:
    """Ends every session `but` one, and makes every link unusable that would set it again.

    The caller holds the account with `service.locked`.
    """
    tx.execute(update(accounts).where(accounts.c.id == account.id).values(password_hash=password_hash))
    links.void(tx, account.id, now)
    spared = [] if but is None else [but]
    ended = sessions.end_all(tx, account.id, now, but)
    before = {"hasPassword": account.has_password, "openSessions": sorted([*ended, *spared])}
    after = {"hasPassword": True, "openSessions": spared}
    record(tx, "account.password-changed", account.id, actor, now, before=before, after=after)


def _locked_admins(tx: Transaction) -> list[str]:
    """Who is an enabled admin, held in one order: of two who demote each other, the second sees the first."""
    statement = (
        select(accounts.c.id)
        .where(accounts.c.role == Role.ADMIN, accounts.c.disabled_at.is_(None))
        .order_by(accounts.c.id)
        .with_for_update(key_share=True)
    )
    return list(tx.execute(statement).scalars())
