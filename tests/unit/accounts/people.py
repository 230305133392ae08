"""People with passwords for tests of accounts, hashed at the least cost."""

from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from factories import NOBODY, NOW, create_account
from sqlalchemy import select

from mixus.accounts import changes, sessions
from mixus.accounts.passwords import Passwords
from mixus.accounts.principal import Principal, Role
from mixus.accounts.service import Account
from mixus.accounts.sign_in import Origin
from mixus.core.database import Database, Transaction
from mixus.core.events import events

PASSWORD = "a long walk by the sea"
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CHEAP = Passwords(HASHER)
# With a salt that is fixed, because parallel workers must collect the same tests.
HASH = HASHER.hash(PASSWORD, salt=b"salt of the test")
HOME = Origin("192.0.2.0/24", "a browser")


def with_password(tx: Transaction, email: str = "ada@example.org", role: Role = Role.MEMBER) -> Account:
    account = create_account(tx, email, role)
    changes.set_password(tx, account, HASH, NOBODY, NOW)
    return account


def sign_in(database: Database, account: Account, now: datetime = NOW) -> tuple[str, Principal]:
    """The token of a new session, and who calls with it."""
    with database.transaction() as tx:
        token, _ = sessions.open_session(tx, account.id, HOME.network, HOME.agent, now)
    return token, sessions.authenticate(database, token, HOME.network, now)


def kinds(database: Database) -> list[str]:
    with database.snapshot() as tx:
        return sorted(tx.execute(select(events.c.kind)).scalars())


def the_event(database: Database, kind: str) -> Any:
    """The one event of this kind."""
    with database.snapshot() as tx:
        return tx.execute(select(events).where(events.c.kind == kind)).one()
