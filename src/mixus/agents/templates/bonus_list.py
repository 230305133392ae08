"""Bonuses for a list of people in a CSV file, written to another."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from mixus.agents.templates.parameters import Values, percent, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import csv_file, number, plain, to_cents
from mixus.evals.lifecycle import Area
from mixus.evals.tasks import NewCheckpoint, Place

NAMES: Final = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon", "Kim", "Lea", "Max")
RATINGS: Final = ("B", "A", "C", "B", "C", "A", "B")


class Person(NamedTuple):
    name: str
    salary: int
    rating: str


def _brief(values: Values) -> Brief:
    staff = list(_staff(values.whole("people")))
    rates = {"A": values.number("rateA"), "B": values.number("rateB")}
    return Brief(
        description=(
            "The file staff.csv holds a list of people with the columns name, salary and rating.\n"
            f"A rating of A earns a bonus of {plain(rates['A'])}% of the salary, "
            f"B {plain(rates['B'])}%, and any other rating none.\n"
            "1. Read staff.csv.\n"
            "2. Work out the bonus of each person, rounded to 2 decimals, and the total of the bonuses.\n"
            "3. Write bonuses.csv with the header `name,bonus` and a line for each person who earns one, in "
            "the order of staff.csv.\n"
            "The final answer is the total of the bonuses, and nothing else."
        ),
        expected_outcome=number(sum((bonus(person, rates) for person in staff), Decimal())),
        checkpoints=(
            NewCheckpoint(
                "bonuses",
                "The bonuses are worked out, and bonuses.csv is not written yet.",
                "Are the ratings and the rates applied as they should be?",
            ),
        ),
        seeds={Place(Area.FILES, "staff.csv"): csv_file(Person._fields, staff)},
    )


def bonus(person: Person, rates: Mapping[str, Decimal]) -> Decimal:
    rate = rates.get(person.rating, Decimal())
    return to_cents(person.salary * Fraction(rate) / 100)


def _staff(count: int) -> Iterator[Person]:
    """Made by arithmetic, so that the same parameters give the same list."""
    for place in range(count):
        again = place // len(NAMES)
        name = NAMES[place % len(NAMES)] + (f" {again + 1}" if again else "")
        yield Person(name, 38_000 + place * 1_730 % 45_000, RATINGS[place % len(RATINGS)])


BONUS_LIST: Final = Template(
    name="bonus-list",
    title="Bonus list from a file",
    description="Reads salaries and ratings from a CSV file and writes a CSV file with the bonuses.",
    parameters=(
        whole("people", "How many people the list has.", 12, 1, 100),
        percent("rateA", "Bonus for the rating A, in percent of the salary.", "10"),
        percent("rateB", "Bonus for the rating B, in percent of the salary.", "4.5"),
    ),
    tools=("calculate", "list_files", "read_file", "write_file", "checkpoint"),
    rehearsal=Rehearsed(whole=False, note="Reads and writes no files; it ends as beyond-rehearsal."),
    brief=_brief,
)
