"""What is done with accounts: make one, find one, list them."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError

from mixus.accounts.principal import Role
from mixus.accounts.tables import accounts
from mixus.core.database import Transaction
from mixus.core.errors import Conflict, Invalid, NotFound
from mixus.core.events import Actor, record
from mixus.core.ids import new_id

LONGEST_EMAIL = 254

# What could end an address in a mail's header or a list of addresses is refused, quoted forms included.
_EMAIL = re.compile(r"""[^\s@<>()\[\]\\,;:"]+@[^\s@<>()\[\]\\,;:"]+""")


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool = False


def create(tx: Transaction, email: str, role: Role, now: datetime, actor: Actor) -> Account:
    account = Account(new_id("usr"), checked_email(email), role, now, None)
    try:
        with tx.connection.begin_nested():
            tx.execute(insert(accounts).values(id=account.id, email=account.email, role=role, created_at=now))
    except IntegrityError as error:
        raise Conflict("There is an account with this e-mail already.", code="account-exists") from error
    after = {"email": account.email, "role": role}
    record(tx, "account.created", account.id, actor, now, before=None, after=after)
    return account


def get(tx: Transaction, user_id: str) -> Account:
    row = tx.execute(select(accounts).where(accounts.c.id == user_id)).one_or_none()
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
    return Account(row.id, row.email, row.role, row.created_at, row.disabled_at, row.password_hash is not None)
