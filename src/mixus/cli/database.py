"""`mixus db`, and what the other commands need of it: open the database, bring it to the present version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dbos import run_dbos_database_migrations
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import ArgumentError, OperationalError

from mixus.cli import settings as cli_settings
from mixus.core.database import Database, with_driver
from mixus.core.errors import Misconfigured
from mixus.core.settings import Settings

# Any number, the same in every release: who migrates a Postgres database holds this advisory lock.
MIGRATION_LOCK = 7_215_001

app = typer.Typer(help="Upgrade or check the database.", no_args_is_help=True, add_completion=False)
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of the data, instead of MIXUS_DATA.")]


@app.command("upgrade")
def upgrade_command(data: DataOption = None) -> None:
    """Bring the database to the version of this program; harmless when it is there already."""
    with opened(cli_settings.load(data=data)) as database:
        upgrade(database)
    print("The database is up to date.")


@app.command("check")
def check_command(data: DataOption = None) -> None:
    """Say whether the database has the version of this program; exit code 1 when it is behind."""
    with opened(cli_settings.load(data=data)) as database:
        check(database)
    print("The database is up to date.")


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def open_database(settings: Settings) -> Database:
    try:
        url = with_driver(settings.store_url)
    except (ArgumentError, ValueError):
        raise Misconfigured("MIXUS_DATABASE_URL is no address of a database.") from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise Misconfigured("MIXUS_DATABASE_URL must start with sqlite:/// or postgresql://.")
    if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
        raise Misconfigured("MIXUS_DATABASE_URL must name a file: sqlite:////srv/mixus/mixus.db.")
    return Database(settings.store_url)


def prepare(database: Database) -> None:
    """Upgrade SQLite, where one process is all there is; on Postgres that is a decision of the admin."""
    if database.is_sqlite:
        upgrade(database)
    else:
        check(database)


def prepare_beside_a_server(database: Database) -> None:
    """For commands on the data of a server that may be running: never move its tables under it."""
    if database.is_sqlite and not Path(str(database.url.database)).exists():
        upgrade(database)
    else:
        check(database)


def check(database: Database) -> None:
    if is_behind(database):
        raise Misconfigured("The database is behind this version of mixus; run `mixus db upgrade`.")


def is_behind(database: Database) -> bool:
    """Whether our own tables are; the engine checks its own when it starts."""
    if database.is_sqlite and not Path(str(database.url.database)).exists():
        return True
    with _connected(database) as connection:
        return _revision(connection) != _scripts().get_current_head()


def upgrade(database: Database) -> None:
    """The engine's schema first: when our version is at its head, both are there."""
    if database.is_sqlite:
        Path(str(database.url.database)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Connecting also switches SQLite to WAL, before anyone writes.
    with _connected(database) as connection:
        _revision(connection)
    run_dbos_database_migrations(database.url.render_as_string(hide_password=False))
    with _connected(database) as connection:
        if not database.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        command.upgrade(_config(connection), "head")


def _revision(connection: Connection) -> str | None:
    """The version of the database; refuses one that this program does not know."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision not in {None, *(script.revision for script in _scripts().walk_revisions())}:
        raise Misconfigured("A newer mixus made this database; install that version, or restore a backup.")
    return revision


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@contextmanager
def _connected(database: Database) -> Iterator[Connection]:
    try:
        with database.engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise Misconfigured(
            "The database cannot be reached; check MIXUS_DATABASE_URL and that it runs "
            f"({str(error.orig).strip().splitlines()[0]})."
        ) from error


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "mixus:migrations")
    config.attributes["connection"] = connection
    return config
