"""Accounts: make one, find one, list them; changes.py is what becomes of them."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from mixus.accounts.principal import Role
from mixus.accounts.tables import accounts
from mixus.core.clock import from_ms, to_ms
from mixus.core.database import Transaction
from mixus.core.errors import Conflict, Invalid, NotFound
from mixus.core.events import Actor, record
from mixus.core.ids import new_id
from mixus.core.pages import Page, cut, place_of

LONGEST_EMAIL = 254

# What could end an address in a mail's header or a list of addresses is refused, quoted forms included.
_EMAIL = re.compile(r"""[^\s@<>()\[\]\\,;:"]+@[^\s@<>()\[\]\\,;:"]+""")


class AccountExists(Conflict):
    code = "account-exists"


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool = False


def create(
    tx: Transaction, email: str, role: Role, now: datetime, actor: Actor, password_hash: str | None = None
) -> Account:
    """Without a password until its person chooses one by a link, or a command sets it."""
    account = Account(new_id("usr"), checked_email(email), role, now, None, password_hash is not None)
    row = {"id": account.id, "email": account.email, "role": role, "created_at": now}
    try:
        with tx.connection.begin_nested():
            tx.execute(insert(accounts).values(password_hash=password_hash, **row))
    except IntegrityError as error:
        raise AccountExists("There is an account with this e-mail already.") from error
    after = {"email": account.email, "role": role}
    record(tx, "account.created", account.id, actor, now, before=None, after=after)
    return account


def get(tx: Transaction, user_id: str) -> Account:
    row = tx.execute(select(accounts).where(accounts.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound("There is no account with this id.")
    return _account(row)


def locked(tx: Transaction, user_id: str) -> Account:
    """The account, held against every other change until this transaction ends."""
    row = tx.execute(
        select(accounts).where(accounts.c.id == user_id).with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no account with this id.")
    return _account(row)


def find_by_email(tx: Transaction, email: str) -> Account | None:
    row = tx.execute(select(accounts).where(accounts.c.email == checked_email(email))).one_or_none()
    return None if row is None else _account(row)


def list_accounts(tx: Transaction) -> list[Account]:
    """Oldest first."""
    return [
        _account(row) for row in tx.execute(select(accounts).order_by(accounts.c.created_at, accounts.c.id))
    ]


def page_of_accounts(tx: Transaction, limit: int, cursor: str | None) -> Page[Account]:
    """Oldest first."""
    statement = select(accounts).order_by(accounts.c.created_at, accounts.c.id).limit(limit + 1)
    if cursor is not None:
        at, user_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), accounts.c.created_at.type), literal(user_id))
        statement = statement.where(tuple_(accounts.c.created_at, accounts.c.id) > place)
    found = [_account(row) for row in tx.execute(statement)]
    return cut(found, limit, lambda account: (to_ms(account.created_at), account.id))


def emails_of(tx: Transaction, user_ids: Collection[str]) -> dict[str, str]:
    """The addresses of those who have an account, by id."""
    statement = select(accounts.c.id, accounts.c.email).where(accounts.c.id.in_(user_ids))
    return {row.id: row.email for row in tx.execute(statement)}


def checked_email(email: str) -> str:
    """The one spelling of an address: NFC, in lower case.

    Strict in what could do harm and no judge of the rest: only a mail that arrives proves an address.
    """
    address = unicodedata.normalize("NFC", unicodedata.normalize("NFC", email).lower())
    if len(address) > LONGEST_EMAIL:
        raise Invalid(f"An e-mail address has at most {LONGEST_EMAIL} characters.", field="email")
    if any(unicodedata.category(character)[0] == "C" for character in address):
        raise Invalid("The e-mail address has an invisible character; type it again.", field="email")
    if _EMAIL.fullmatch(address) is None:
        raise Invalid("This is no e-mail address; write it like ada@example.org.", field="email")
    return address


def _account(row: Row[Any]) -> Account:
    return Account(
        row.id, row.email, row.role, row.created_at, row.disabled_at, row.password_hash is not None
    )
