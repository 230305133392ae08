"""Stale and duplicate customers in a database, deleted on the execution's own copy."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Final, NamedTuple

from mixus.agents.templates.parameters import Values, choice, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import number
from mixus.evals.lifecycle import Area
from mixus.evals.tasks import NewCheckpoint, Place

NAMES: Final = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon", "Kim", "Lea", "Max")
EVERY_NTH_TWICE: Final = 4
LOWEST, HIGHEST = "lowest", "highest"


class Customer(NamedTuple):
    id: int
    name: str
    email: str
    last_seen: str


def _brief(values: Values) -> Brief:
    everyone = list(_customers(values.whole("customers")))
    cutoff = f"{values.whole('seenSince')}-01-01"
    kept = values.text("keep")
    return Brief(
        description=(
            "The database holds the table customers with the columns id, name, email and last_seen "
            "(a date as YYYY-MM-DD). Clean it up:\n"
            f"1. Delete every customer whose last_seen is before {cutoff}.\n"
            "2. Of the customers that are left, several may have the same email, where upper and lower case "
            f"count as the same: of these, keep the one with the {kept} id and delete the others.\n"
            "Look at the rows before you delete them, change nothing else, and check the table afterwards.\n"
            "The final answer is the number of customers that are left, and nothing else."
        ),
        expected_outcome=number(Decimal(len(cleaned(everyone, cutoff, kept)))),
        checkpoints=(
            NewCheckpoint(
                "findings",
                "The stale and the duplicate rows are found, and nothing is deleted yet.",
                "Are these the rows that may go?",
            ),
        ),
        seeds={Place(Area.DATABASE, "main"): _database(everyone)},
    )


def cleaned(everyone: Iterable[Customer], cutoff: str, kept: str) -> list[Customer]:
    """ISO dates sort as text."""
    fresh = [customer for customer in everyone if customer.last_seen >= cutoff]
    # Later ones take the place of earlier ones.
    ordered = sorted(fresh, key=lambda customer: customer.id, reverse=kept == LOWEST)
    return list({customer.email.lower(): customer for customer in ordered}.values())


def _customers(count: int) -> Iterator[Customer]:
    """Made by arithmetic, so that the same parameters give the same rows. Some addresses come twice."""
    for place in range(count):
        is_again = place % EVERY_NTH_TWICE == EVERY_NTH_TWICE - 1
        person = place // 2 if is_again else place
        name = NAMES[person % len(NAMES)]
        address = f"{name.lower()}{person}@example.org"
        year, month, day = 2019 + place * 7 % 8, 1 + place * 5 % 12, 1 + place * 11 % 28
        email = address.upper() if is_again else address
        yield Customer(place + 1, name, email, f"{year}-{month:02}-{day:02}")


def _database(everyone: Iterable[Customer]) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "create table customers "
            "(id integer primary key, name text not null, email text not null, last_seen text not null)"
        )
        connection.executemany("insert into customers values (?, ?, ?, ?)", everyone)
        connection.commit()
        return connection.serialize()


DATA_CLEAN_UP: Final = Template(
    name="data-clean-up",
    title="Data clean-up",
    description="Finds stale and duplicate customers in a database and deletes them, on a copy.",
    parameters=(
        whole("customers", "How many customers the table begins with.", 60, 8, 500),
        whole("seenSince", "Customers last seen before this year are stale.", 2022, 2019, 2027),
        choice("keep", "Which of several customers with the same address stays, by id.", LOWEST, HIGHEST),
    ),
    tools=("query_database", "change_database", "checkpoint"),
    rehearsal=Rehearsed(whole=False, note="Reads and changes no data; it ends as beyond-rehearsal."),
    brief=_brief,
)
