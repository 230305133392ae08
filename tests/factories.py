"""People and keys for tests, in one line each."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from mixus.accounts import service as accounts_service
from mixus.accounts.principal import Principal, Role, Scope, Via
from mixus.accounts.service import Account
from mixus.core.database import Transaction
from mixus.core.events import Actor
from mixus.keys import service as keys_service
from mixus.keys.info import KeyInfo
from mixus.keys.pepper import Pepper
from mixus.keys.service import NewKey

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
# Well formed and issued by nobody. Fixed, because parallel workers must collect the same tests.
UNKNOWN_KEY = "mxs_eval_KeyOfTheTestsNobodyHasItXX2z0s5V"
PEPPER = Pepper(b"pepper of the tests, not a secret")
NOBODY = Actor(None)


def create_account(
    tx: Transaction, email: str = "ada@example.org", role: Role = Role.MEMBER, now: datetime = NOW
) -> Account:
    return accounts_service.create(tx, email, role, now, NOBODY)


def create_key(
    tx: Transaction,
    owner: Account,
    scopes: Collection[Scope] = (Scope.MANAGE,),
    expires: timedelta | datetime = timedelta(days=90),
    now: datetime = NOW,
) -> tuple[str, KeyInfo]:
    """The secret and what is kept of it; hashed with PEPPER."""
    return keys_service.create(tx, PEPPER, NewKey(owner.id, "test", scopes, expires=expires), NOBODY, now)


def principal(owner: Account, *scopes: Scope) -> Principal:
    """This person calling with a key that has these scopes, or every scope."""
    return Principal(
        owner.id, owner.email, owner.role, frozenset(scopes or Scope), "key_of_the_tests", Via.KEY
    )
