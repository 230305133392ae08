"""Using a one-time link: it makes an account or sets a password, once, and signs its person in."""

from datetime import datetime

from mixus.accounts import changes, links, service, sessions
from mixus.accounts.links import Link, LinkUnusable
from mixus.accounts.principal import Role
from mixus.accounts.service import Account
from mixus.accounts.sign_in import Origin, SignedIn
from mixus.accounts.tables import Purpose
from mixus.core.database import Transaction
from mixus.core.errors import Invalid
from mixus.core.events import Actor


def address_of(link: Link, email: str | None) -> str:
    """Whose account it will be. Only the first one names himself."""
    if link.email is not None:
        if email is not None:
            raise Invalid("This link is for one person already; leave the e-mail out.", field="email")
        return link.email
    if email is None:
        raise Invalid("This link makes the first account; give your e-mail.", field="email")
    return service.checked_email(email)


def redeem(
    tx: Transaction, link: Link, email: str, password_hash: str, origin: Origin, now: datetime
) -> SignedIn:
    """`email` comes from `address_of`, and the hash was made before, outside of any transaction."""
    # Nobody is signed in: the link itself is the credential.
    actor = Actor(None, origin.network, link.id)
    if link.user_id is None:
        account = _make(tx, link, email, password_hash, actor, now)
    else:
        account = _set_password(tx, link, password_hash, actor, now)
    token, session = sessions.open_session(tx, account.id, origin.network, origin.agent, now)
    return SignedIn(token, session, account)


def _make(
    tx: Transaction, link: Link, email: str, password_hash: str, actor: Actor, now: datetime
) -> Account:
    if link.purpose is Purpose.FIRST_ACCOUNT:
        _require_no_account(tx)
    links.claim(tx, link, now)
    return service.create(tx, email, link.role or Role.ADMIN, now, actor, password_hash)


def _require_no_account(tx: Transaction) -> None:
    """And none until this transaction ends: on Postgres a command could be making one just now."""
    if tx.connection.dialect.name == "postgresql":
        tx.connection.exec_driver_sql("lock table accounts in share row exclusive mode")
    if links.has_accounts(tx):
        raise LinkUnusable


def _set_password(tx: Transaction, link: Link, password_hash: str, actor: Actor, now: datetime) -> Account:
    account = service.locked(tx, link.user_id or "")
    links.claim(tx, link, now)
    changes.set_password(tx, account, password_hash, actor, now)
    return account
