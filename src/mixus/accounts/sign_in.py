"""Signing in with a password. Slow hashing comes first, outside of any transaction; then a short one."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import bindparam, select, update

from mixus.accounts import changes, service, sessions
from mixus.accounts.passwords import Passwords
from mixus.accounts.principal import Principal
from mixus.accounts.service import Account
from mixus.accounts.sessions import Session
from mixus.accounts.tables import accounts
from mixus.core.database import Database, Read, Transaction
from mixus.core.errors import Forbidden, Unauthorized
from mixus.core.events import Actor, record

UNKNOWN: Final = "unknown"

_FIND = Read(
    select(accounts.c.id, accounts.c.password_hash, accounts.c.disabled_at).where(
        accounts.c.email == bindparam("email")
    )
)


class SignInRefused(Unauthorized):
    """Why, only the audit knows."""

    code = "sign-in-refused"

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong, or the account is disabled; try again.")


class WrongPassword(Forbidden):
    code = "wrong-password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong; type it again.")


class Refusal(StrEnum):
    NO_ACCOUNT = "no-account"
    NO_PASSWORD = "no-password"  # noqa: S105 - a word, not a password
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a word, not a password
    DISABLED = "disabled"


@dataclass(frozen=True)
class Origin:
    """Where somebody signs in from."""

    network: str | None
    agent: str | None


@dataclass(frozen=True)
class SignedIn:
    token: str = field(repr=False)
    session: Session
    account: Account


@dataclass(frozen=True)
class Checked:
    """What became of a password. `password_hash` is the one that it was compared with."""

    user_id: str | None
    refusal: Refusal | None
    password_hash: str | None = field(default=None, repr=False)
    # Made with today's costs, where those of the stored one are outdated.
    renewed_hash: str | None = field(default=None, repr=False)


def check(database: Database, passwords: Passwords, email: str, password: str) -> Checked:
    """The same work whether there is such an account or not. Takes about 50 ms."""
    row = next(iter(database.rows(_FIND, email=email)), None)
    stored = None if row is None else row["password_hash"]
    does_fit = passwords.fits(password, stored)
    if row is None:
        return Checked(None, Refusal.NO_ACCOUNT)
    refusal = _refusal(has_password=stored is not None, does_fit=does_fit, disabled_at=row["disabled_at"])
    if refusal is not None or stored is None:
        return Checked(row["id"], refusal)
    renewed = passwords.rehash(password) if passwords.is_outdated(stored) else None
    return Checked(row["id"], None, stored, renewed)


def finish(tx: Transaction, checked: Checked, origin: Origin, now: datetime) -> SignedIn | None:
    """A new session, whatever the browser had before; None is a refusal, which is in the audit too."""
    account = _still_good(tx, checked)
    if account is None:
        subject = checked.user_id or UNKNOWN
        reason = checked.refusal or Refusal.WRONG_PASSWORD
        record(tx, "session.refused", subject, Actor(None, origin.network), now, reason=reason)
        return None
    if checked.renewed_hash is not None:
        row = update(accounts).where(accounts.c.id == account.id)
        tx.execute(row.values(password_hash=checked.renewed_hash))
    token, session = sessions.open_session(tx, account.id, origin.network, origin.agent, now)
    return SignedIn(token, session, account)


def change_password(
    tx: Transaction, principal: Principal, checked: Checked, new_hash: str | None, now: datetime
) -> bool:
    """Whether it was changed; a wrong current password is in the audit too. This session stays open."""
    account = _still_good(tx, checked)
    if account is None or new_hash is None:
        reason = checked.refusal or Refusal.WRONG_PASSWORD
        record(tx, "account.password-refused", principal.user_id, principal.actor, now, reason=reason)
        return False
    changes.set_password(tx, account, new_hash, principal.actor, now, but=principal.credential_id)
    return True


def _refusal(*, has_password: bool, does_fit: bool, disabled_at: int | None) -> Refusal | None:
    if not has_password:
        return Refusal.NO_PASSWORD
    if not does_fit:
        return Refusal.WRONG_PASSWORD
    return None if disabled_at is None else Refusal.DISABLED


def _still_good(tx: Transaction, checked: Checked) -> Account | None:
    """The account, held; None if its password was changed or it was disabled while the hash was computed."""
    if checked.refusal is not None or checked.user_id is None:
        return None
    statement = (
        select(accounts.c.id)
        .where(
            accounts.c.id == checked.user_id,
            accounts.c.password_hash == checked.password_hash,
            accounts.c.disabled_at.is_(None),
        )
        .with_for_update(key_share=True)
    )
    found = tx.execute(statement).scalar_one_or_none()
    return None if found is None else service.get(tx, found)
