"""A deployment of real processes, to be killed, and an office on its database."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks.people import Office
from e2e.deployment import Deployment

from mixus.core.database import Database
from mixus.keys import pepper as peppers


@contextmanager
def deployed(url: str, folder: Path, **variables: str) -> Iterator[tuple[Deployment, Office]]:
    folder.mkdir(mode=0o700)
    made = Deployment(folder, url, variables)
    database = Database(url)
    office = Office(database, peppers.load_or_create(folder / "pepper"))
    made.key = office.key().secret
    try:
        yield made, office
    finally:
        made.release()
        made.kill()
        database.close()


def port_of(deployment: Deployment) -> int:
    return int(deployment.address.rpartition(":")[2])


def eventually(holds: Callable[[], bool], seconds: int = 60) -> None:
    pause = threading.Event()
    for _ in range(seconds * 50):
        if holds():
            return
        pause.wait(0.02)
    pytest.fail("it did not come to pass")
