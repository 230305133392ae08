"""The server's own data, for the commands that work on it without the server."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from mixus.core.errors import Invalid, Misconfigured, MixusError

if TYPE_CHECKING:
    from mixus.core.database import Database
    from mixus.core.settings import Settings
    from mixus.keys.pepper import Pepper

FAILURE, USAGE = 1, 2


class Local(NamedTuple):
    settings: "Settings"
    database: "Database"
    pepper: "Pepper"


@contextmanager
def data() -> Iterator[Local]:
    """Open, close, and turn whatever is refused into one sentence and an exit code."""
    try:
        local = open_database()
        try:
            yield local
        finally:
            local.database.close()
    except MixusError as error:
        fail(error.detail, USAGE if isinstance(error, Invalid) else FAILURE)


def open_database() -> Local:
    """The settings, the database in its present version, and the pepper that belongs to it."""
    from mixus.cli import database as cli_database
    from mixus.cli import settings as cli_settings
    from mixus.keys import pepper as peppers

    settings = cli_settings.load()
    if settings.database_url is None and not settings.data.is_dir():
        # Making it here would hide that the command runs in another folder than the server.
        raise Misconfigured(
            f"There is no data folder {settings.data.absolute()}; "
            "start `mixus serve` once, or name the folder with MIXUS_DATA."
        )
    database = cli_database.open_database(settings)
    try:
        cli_database.prepare_beside_a_server(database)
        with database.transaction() as tx:
            pepper = peppers.open_pepper(tx, settings.pepper_path)
    except BaseException:
        database.close()
        raise
    return Local(settings, database, pepper)


def fail(sentence: str, code: int = FAILURE) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)
