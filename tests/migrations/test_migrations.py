import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import factories
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import mixus.accounts.tables
import mixus.core.deliveries
import mixus.core.events
import mixus.core.idempotency
import mixus.core.limits
import mixus.evals.tables
import mixus.keys.tables  # noqa: F401 - importing a room's tables adds them to the metadata
from mixus.accounts import service as accounts
from mixus.cli.database import check, is_behind, prepare, upgrade
from mixus.core.database import Database, metadata, sqlite_url, with_driver
from mixus.core.errors import Misconfigured

OURS = {*metadata.tables, "alembic_version"}
numbers = count(1)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "folder" / "mixus.db")


@pytest.fixture
def postgres(postgres_server: str, worker_id: str) -> Iterator[str]:
    name = f"empty_{worker_id}_{next(numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        yield with_driver(postgres_server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    database = Database(request.getfixturevalue(request.param))
    yield database
    database.close()


def differences(database: Database) -> list[object]:
    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in OURS

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": is_ours, "compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))


def test_an_empty_database_becomes_what_the_tables_say(database: Database) -> None:
    assert is_behind(database)
    upgrade(database)
    assert not is_behind(database)
    assert differences(database) == []


def test_the_same_names_stand_on_both_stores(sqlite: str, postgres: str) -> None:
    names = []
    for url in (sqlite, postgres):
        database = Database(url)
        upgrade(database)
        seen = inspect(database.engine)
        names.append(
            {
                table: (
                    sorted(str(index["name"]) for index in seen.get_indexes(table)),
                    sorted(str(unique["name"]) for unique in seen.get_unique_constraints(table)),
                    sorted(str(key["name"]) for key in seen.get_foreign_keys(table)),
                )
                for table in metadata.tables
            }
        )
        database.close()
    # Postgres lists the index behind a unique constraint too.
    for table, (indexes, uniques, _) in names[1].items():
        names[1][table] = (sorted({*indexes} - {*uniques}), *names[1][table][1:])
    assert names[0] == names[1]


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    with database.transaction() as tx:
        account = factories.create_account(tx)
    upgrade(database)
    with database.transaction() as tx:
        assert accounts.list_accounts(tx) == [account]
    assert differences(database) == []


def test_the_engine_has_its_tables_too(database: Database) -> None:
    upgrade(database)
    schema = None if database.is_sqlite else "dbos"
    assert inspect(database.engine).has_table("workflow_status", schema=schema)


def test_processes_that_upgrade_at_once_do_not_break_each_other(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    program = (
        "import sys; from mixus.cli.database import upgrade; from mixus.core.database import Database; "
        "upgrade(Database(sys.argv[1]))"
    )
    rivals = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [rival.communicate(timeout=60)[1] for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0], errors
    assert differences(database) == []


def test_only_sqlite_is_upgraded_by_the_server_itself(sqlite: str, postgres: str) -> None:
    own, shared = Database(sqlite), Database(postgres)
    prepare(own)
    check(own)
    with pytest.raises(Misconfigured, match="mixus db upgrade"):
        prepare(shared)
    own.close()
    shared.close()


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    upgrade(database)
    with database.transaction() as tx:
        tx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer"):
        prepare(database)


def test_a_database_that_is_away_is_one_sentence() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Misconfigured, match="cannot be reached"):
        check(database)
    database.close()
