"""Eight real servers on one Postgres: what one of them does must hold in all the others at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attacks.people import Office
from httpx2 import Client

from mixus.core.database import Database
from mixus.keys import pepper as peppers

MAIN = Path(__file__).with_name("fleet_main.py")
SIZE = 8


@dataclass(frozen=True)
class Fleet:
    """`servers` talk to one process each, over connections that stay open."""

    office: Office
    ports: list[int]
    servers: list[Client]


@contextmanager
def launched(url: str, folder: Path, **variables: str) -> Iterator[Fleet]:
    database = Database(url)
    office = Office(database, peppers.load_or_create(folder / "pepper"))
    # With nobody there, each server would explain at length how to make an account.
    office.person()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, str(MAIN), str(SIZE)],
            env=kept | {"MIXUS_DATA": str(folder), "MIXUS_DATABASE_URL": url} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        addresses = [_said(process) for _ in range(SIZE)]
        servers = [Client(base_url=address, timeout=60) for address in addresses]
        yield Fleet(office, [int(address.rpartition(":")[2]) for address in addresses], servers)
        for server in servers:
            server.close()
    finally:
        process.communicate()
        database.close()


def _said(process: subprocess.Popen[str]) -> str:
    """The address of the next server that is ready; reads past what else it says."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("mixus serves "):
            return line.split()[2]
    raise AssertionError("a server did not start")
