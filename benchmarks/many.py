"""Many accounts with many keys, made before the server starts and in one transaction."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mixus.accounts import service as accounts
from mixus.accounts.principal import Role, Scope
from mixus.cli.database import upgrade
from mixus.core.clock import utc_now
from mixus.core.database import Database, Transaction, sqlite_url
from mixus.core.events import Actor
from mixus.keys import service as keys
from mixus.keys.pepper import Pepper, open_pepper
from mixus.keys.service import RULES, NewKey

OPERATOR: Final = Actor(None)


def make_keys(folder: Path, count: int, database_url: str | None = None) -> list[str]:
    """Keys of admins, who may see every execution; each account has as many as it may."""
    database = Database(database_url or sqlite_url(folder / "data" / "mixus.db"))
    try:
        upgrade(database)
        with database.transaction() as tx:
            pepper = open_pepper(tx, folder / "data" / "pepper")
            return [
                key for number in range(0, count, RULES.most_active) for key in _account(tx, pepper, number)
            ]
    finally:
        database.close()


def _account(tx: Transaction, pepper: Pepper, number: int) -> Iterator[str]:
    now = utc_now()
    owner = accounts.create(tx, f"bench-{number}@example.org", Role.ADMIN, now, OPERATOR)
    for place in range(RULES.most_active):
        key, _ = keys.create(tx, pepper, NewKey(owner.id, f"bench {place}", (Scope.READ,)), OPERATOR, now)
        yield key
