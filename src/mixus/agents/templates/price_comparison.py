"""The cheapest of several offers, whose prices stand in a file."""

from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from mixus.agents.templates.parameters import Values, line, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import csv_file, number, to_cents
from mixus.evals.lifecycle import Area
from mixus.evals.tasks import NewCheckpoint, Place


class Offer(NamedTuple):
    supplier: str
    unit_price: Decimal
    discount_percent: int
    discount_from: int
    shipping: Decimal


OFFERS: Final = (
    Offer("Alder Supply", Decimal("12.40"), 0, 0, Decimal("0.00")),
    Offer("Birch Trading", Decimal("12.90"), 8, 100, Decimal("15.00")),
    Offer("Cedar and Sons", Decimal("11.95"), 3, 250, Decimal("49.00")),
    Offer("Elm Wholesale", Decimal("13.20"), 15, 500, Decimal("0.00")),
)


def _brief(values: Values) -> Brief:
    quantity = values.whole("quantity")
    return Brief(
        description=(
            f'We buy {quantity} pieces of "{values.text("item")}". The file offers.csv holds an offer a '
            "line, with the columns supplier, unit_price, discount_percent, discount_from and shipping.\n"
            "The total of an offer is the quantity times the unit price, less the discount in percent where "
            "the quantity is at least discount_from, rounded to 2 decimals, plus the shipping, which gets no "
            "discount.\n"
            "Read the file, work out the total of every offer, and compare them.\n"
            "The final answer names the cheapest supplier and ends with the total of that offer as its last "
            "number."
        ),
        expected_outcome=number(min(total(offer, quantity) for offer in OFFERS)),
        checkpoints=(
            NewCheckpoint(
                "comparison",
                "The total of every offer is worked out.",
                "Are discounts and shipping counted for every supplier?",
            ),
        ),
        seeds={Place(Area.FILES, "offers.csv"): csv_file(Offer._fields, OFFERS)},
    )


def total(offer: Offer, quantity: int) -> Decimal:
    discount = offer.discount_percent if quantity >= offer.discount_from else 0
    return to_cents(quantity * Fraction(offer.unit_price) * (100 - discount) / 100) + offer.shipping


PRICE_COMPARISON: Final = Template(
    name="price-comparison",
    title="Price comparison",
    description="Reads offers from a file, works out what each would cost and names the cheapest.",
    parameters=(
        line("item", "What is bought.", "Toner cartridge"),
        whole("quantity", "How many pieces.", 120, 1, 100_000),
    ),
    tools=("calculate", "list_files", "read_file", "checkpoint"),
    rehearsal=Rehearsed(whole=False, note="Reads no files; it ends as beyond-rehearsal."),
    brief=_brief,
    auto_detect=False,
)
