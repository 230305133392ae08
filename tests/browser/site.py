"""One deployment for people: a real `mixus serve` with its worker, and accounts made beside it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.people import HASH
from e2e.deployment import end, said

from mixus.accounts import service as accounts
from mixus.accounts import sessions
from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.client import Client
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.keys import pepper as peppers
from mixus.keys import service as keys
from mixus.keys.pepper import Pepper
from mixus.keys.service import NewKey
from mixus.server import cookies

NOBODY = Actor(None)
# A person of the tests asks more often than one who reads.
OFTEN = {"MIXUS_REQUESTS_PER_MINUTE": "100000"}


@dataclass
class Site:
    folder: Path
    address: str
    process: "subprocess.Popen[str]"
    database: Database
    pepper: Pepper
    clients: list[Client] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def account(self, email: str, role: Role = Role.MEMBER) -> Account:
        with self.database.transaction() as tx:
            return accounts.create(tx, email, role, utc_now(), NOBODY, HASH)

    def somebody(self, name: str = "ada", role: Role = Role.MEMBER) -> Account:
        """A new person, whom no other test knows."""
        return self.account(f"{name}-{next(self.numbers)}@example.org", role)

    def key(self, owner: Account, scopes: Collection[Scope] = (Scope.MANAGE,), name: str = "nightly") -> str:
        new = NewKey(owner.id, name, scopes, allow_live=True)
        with self.database.transaction() as tx:
            return keys.create(tx, self.pepper, new, NOBODY, utc_now())[0]

    def client(self, owner: Account) -> Client:
        """A program of this person."""
        made = Client(self.key(owner), self.address)
        self.clients.append(made)
        return made

    def cookie(self, account: Account, agent: str = "a browser") -> dict[str, Any]:
        """A sign-in, as Playwright gives it to a browser."""
        with self.database.transaction() as tx:
            token, _ = sessions.open_session(tx, account.id, "127.0.0.0/24", agent, utc_now())
        return {
            "name": cookies.NAME,
            "value": token,
            "url": self.address,
            "httpOnly": True,
            "sameSite": "Lax",
        }

    def line(self) -> str:
        """The next thing that the process says, which may have come together with the one before."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.database.close()
        end(self.process)


@contextmanager
def serving(folder: Path, database_url: str, **variables: str) -> Iterator[Site]:
    """On a database that has its tables."""
    folder.mkdir(mode=0o700, exist_ok=True)
    pepper = peppers.load_or_create(folder / "pepper")
    process = _started(folder, {"MIXUS_DATABASE_URL": database_url, **OFTEN, **variables})
    try:
        site = Site(folder, said(process).split()[2], process, Database(database_url), pepper)
    except BaseException:
        sys.stderr.write((folder / "log").read_text())
        end(process)
        raise
    try:
        yield site
    finally:
        site.close()
        # Shown where a test failed.
        sys.stderr.write((folder / "log").read_text())


def _started(folder: Path, variables: dict[str, str]) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mixus.cli.main", "serve", "--port", "0"],
            env=kept | {"MIXUS_DATA": str(folder)} | variables,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
