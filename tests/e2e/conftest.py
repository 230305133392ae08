from collections.abc import Iterator
from pathlib import Path

import factories
import pytest
from argon2 import PasswordHasher
from e2e.deployment import Deployment
from e2e.provider import Provider

from mixus.accounts import service as accounts
from mixus.accounts.passwords import Passwords
from mixus.accounts.principal import Role, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.keys import pepper as peppers
from mixus.keys import service as keys
from mixus.keys.service import NewKey

# What a sign-in costs in earnest is no matter here.
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def deployment(database_url: str, tmp_path: Path) -> Iterator[Deployment]:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    made = Deployment(folder, database_url)
    database = Database(database_url)
    pepper = peppers.load_or_create(folder / "pepper")
    with database.transaction() as tx:
        actor = factories.NOBODY
        owner = accounts.create(tx, made.email, Role.MEMBER, utc_now(), actor, QUICK.hash(made.password))
        new = NewKey(owner.id, "tests", [Scope.MANAGE], allow_live=True)
        made.key, _ = keys.create(tx, pepper, new, factories.NOBODY, utc_now())
    database.close()
    yield made
    made.release()
    made.kill()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()
