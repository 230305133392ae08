"""One-time links, which let somebody in who has no password yet: made here, used in redeem.py.

The token is in the link alone. A new link makes the older ones unusable that are for the same.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update

from mixus.accounts import service, tokens
from mixus.accounts.principal import Role
from mixus.accounts.service import AccountExists
from mixus.accounts.tables import Purpose, accounts, links
from mixus.core.clock import from_ms, shown, to_ms
from mixus.core.database import Database, Read, Row, Transaction
from mixus.core.errors import Conflict, NotFound
from mixus.core.events import Actor, record
from mixus.core.ids import new_id

LIFETIMES: Final = {
    Purpose.FIRST_ACCOUNT: timedelta(hours=24),
    Purpose.INVITATION: timedelta(days=7),
    Purpose.PASSWORD: timedelta(days=7),
}
KEPT: Final = timedelta(days=30)

_FIND = Read(
    select(
        links.c.id,
        links.c.token_hash,
        links.c.purpose,
        links.c.user_id,
        links.c.role,
        links.c.created_at,
        links.c.expires_at,
        links.c.used_at,
        links.c.email,
    ).where(links.c.token_hash == bindparam("token_hash"))
)


class LinkUnusable(NotFound):
    """It is unknown, used, replaced or expired; which of these, a stranger is not told."""

    code = "link-unusable"

    def __init__(self) -> None:
        super().__init__("This link is not known, was used, or has expired; ask an admin for a new one.")


@dataclass(frozen=True)
class Link:
    """`email` is whose password or account it is; None where whoever uses it gives his own."""

    id: str
    purpose: Purpose
    user_id: str | None
    email: str | None
    role: Role | None
    created_at: datetime
    expires_at: datetime


def make_for_first_account(tx: Transaction, now: datetime) -> str | None:
    """The token of a link that makes the first account, an admin's; None when there is an account."""
    if has_accounts(tx):
        return None
    _use_up(tx, now, links.c.purpose == Purpose.FIRST_ACCOUNT)
    token, link = _insert(tx, _link(Purpose.FIRST_ACCOUNT, now))
    _record(tx, "link.created", link, Actor(None), now)
    return token


def invite(tx: Transaction, email: str, role: Role, actor: Actor, now: datetime) -> tuple[str, Link]:
    """The token and the link, with which this person makes the account that an admin has planned."""
    if service.find_by_email(tx, email) is not None:
        raise AccountExists("There is an account with this e-mail already; make a password link for it.")
    address = service.checked_email(email)
    _use_up(tx, now, links.c.purpose == Purpose.INVITATION, links.c.email == address)
    token, link = _insert(tx, _link(Purpose.INVITATION, now, email=address, role=role))
    _record(tx, "account.invited", link, actor, now)
    return token, link


def make_for_password(tx: Transaction, user_id: str, actor: Actor, now: datetime) -> tuple[str, Link]:
    """The token and the link, with which this person sets a new password."""
    account = service.locked(tx, user_id)
    if account.disabled_at is not None:
        raise Conflict("This account is disabled; enable it first.", code="account-disabled")
    void(tx, user_id, now)
    token, link = _insert(tx, _link(Purpose.PASSWORD, now, email=account.email, user_id=user_id))
    _record(tx, "link.created", link, actor, now)
    return token, link


def find(database: Database, token: str, now: datetime) -> Link:
    """What a token opens, outside any transaction; `claim` decides whether it still does."""
    token_hash = tokens.digest(token)
    if token_hash is None:
        raise LinkUnusable
    for row in database.rows(_FIND, token_hash=token_hash):
        is_open = row["used_at"] is None and row["expires_at"] > to_ms(now)
        if is_open and hmac.compare_digest(row["token_hash"], token_hash):
            return _found(row)
    raise LinkUnusable


def claim(tx: Transaction, link: Link, now: datetime) -> None:
    """Use it up. Of any number of rivals one gets through."""
    if not _use_up(tx, now, links.c.id == link.id, links.c.expires_at > now):
        raise LinkUnusable


def void(tx: Transaction, user_id: str, now: datetime) -> None:
    """Make the links unusable that would set this person's password."""
    _use_up(tx, now, links.c.user_id == user_id)


def address(base_url: str, token: str) -> str:
    """The page where it is used. The token is in the path, which no page of ours hands on."""
    return f"{base_url}/join/{token}"


def has_accounts(tx: Transaction) -> bool:
    return tx.execute(select(accounts.c.id).limit(1)).first() is not None


def forget_old(tx: Transaction, now: datetime) -> int:
    """Delete what expired long ago; how many there were."""
    return tx.execute(delete(links).where(links.c.expires_at <= now - KEPT)).rowcount


def _link(
    purpose: Purpose,
    now: datetime,
    *,
    email: str | None = None,
    role: Role | None = None,
    user_id: str | None = None,
) -> Link:
    return Link(new_id("lnk"), purpose, user_id, email, role, now, now + LIFETIMES[purpose])


def _insert(tx: Transaction, link: Link) -> tuple[str, Link]:
    token, token_hash = tokens.generate()
    tx.execute(insert(links).values(token_hash=token_hash, **vars(link)))
    return token, link


def _use_up(tx: Transaction, now: datetime, *which: ColumnElement[bool]) -> list[str]:
    statement = update(links).where(links.c.used_at.is_(None), *which).values(used_at=now)
    return list(tx.execute(statement.returning(links.c.id)).scalars())


def _record(tx: Transaction, kind: str, link: Link, actor: Actor, now: datetime) -> None:
    after = {
        "purpose": link.purpose,
        "userId": link.user_id,
        "email": link.email,
        "role": link.role,
        "expiresAt": shown(link.expires_at),
    }
    record(tx, kind, link.id, actor, now, before=None, after=after)


def _found(row: Row) -> Link:
    role = None if row["role"] is None else Role(row["role"])
    times = from_ms(row["created_at"]), from_ms(row["expires_at"])
    return Link(row["id"], Purpose(row["purpose"]), row["user_id"], row["email"], role, *times)
