"""A report on the sales of three months: read from files, written to one, and mailed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from mixus.agents.templates.parameters import Values, email, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import csv_file, number
from mixus.evals.lifecycle import Area
from mixus.evals.tasks import NewCheckpoint, Place

MONTHS: Final = ("january", "february", "march")
PRICES: Final = {"Chair": Decimal("89.90"), "Desk": Decimal("249.00"), "Lamp": Decimal("39.50")}


class Sale(NamedTuple):
    day: int
    product: str
    quantity: int
    unit_price: Decimal


def _brief(values: Values) -> Brief:
    sales = {month: list(_sales(place, values.whole("lines"))) for place, month in enumerate(MONTHS)}
    revenue = sum((sale.quantity * sale.unit_price for month in sales.values() for sale in month), Decimal())
    return Brief(
        description=(
            "The folder sales holds a CSV file for each month of a quarter, with the columns day, product, "
            "quantity and unit_price. The revenue of a line is quantity * unit_price.\n"
            "1. Read every file of the folder.\n"
            "2. Work out the revenue of each month, of each product and of the whole quarter.\n"
            "3. Write the file report.md: the title `Quarterly sales`, a table with the revenue of each "
            "month, one with the revenue of each product, and the revenue of the quarter.\n"
            f"4. Mail that report to {values.text('recipient')}, with the subject `Quarterly sales`.\n"
            "The final answer is the revenue of the quarter, and nothing else."
        ),
        expected_outcome=number(revenue),
        checkpoints=(
            NewCheckpoint(
                "figures",
                "The revenue of the months, the products and the quarter is worked out.",
                "Do the two tables add up to the same total?",
            ),
        ),
        seeds={Place(Area.FILES, f"sales/{month}.csv"): _file(lines) for month, lines in sales.items()},
    )


def _sales(month: int, count: int) -> Iterator[Sale]:
    """Made by arithmetic, so that the same parameters give the same lines."""
    products = list(PRICES)
    for place in range(count):
        product = products[(place + month) % len(products)]
        quantity = 1 + (place * 3 + month * 2) % 9
        yield Sale(1 + place * 28 // count, product, quantity, PRICES[product])


def _file(sales: list[Sale]) -> bytes:
    return csv_file(Sale._fields, sales)


REPORT_AND_MAIL: Final = Template(
    name="report-and-mail",
    title="Report from files, by mail",
    description="Reads three CSV files, works out the revenue, writes report.md and mails it.",
    parameters=(
        whole("lines", "How many lines each file has.", 6, 1, 28),
        email("recipient", "Who gets the report.", "sales@example.org"),
    ),
    tools=("calculate", "list_files", "read_file", "write_file", "send_email", "checkpoint"),
    rehearsal=Rehearsed(whole=False, note="Reads and writes no files; it ends as beyond-rehearsal."),
    brief=_brief,
)
