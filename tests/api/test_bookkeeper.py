"""An orderly stop loses no count, whatever could not be written before it."""

from typing import Any

from factories import create_account, create_key

from mixus.core.database import Database
from mixus.keys import info, report
from mixus.server.bookkeeper import Bookkeeper

SCOPE: dict[str, Any] = {"state": {"network": None}, "headers": [], "method": "GET"}


def rename(database: Database, table: str, name: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"alter table {table} rename to {name}")


def test_a_stop_writes_what_could_not_be_written_and_what_was_counted_since(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))
    books = Bookkeeper(database)
    books.start()
    books.note(SCOPE, key.id, 200)
    rename(database, "key_use", "away")
    try:
        books.write()
        books.note(SCOPE, key.id, 200)
        books.note(SCOPE, key.id, 200)
    finally:
        rename(database, "away", "key_use")
    books.stop()
    with database.snapshot() as tx:
        assert info.describe(tx, key.id).accepted == 3
        assert report.unbalanced_keys(tx) == []
