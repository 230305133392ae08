"""The lines and the tax of an invoice, held against the total that it states."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from mixus.agents.templates.parameters import Parameter, Values, email, line, money, percent, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import money as written
from mixus.agents.templates.wording import number, plain, to_cents
from mixus.evals.tasks import NewCheckpoint

ORDINALS: Final = ("first", "second", "third")


def _brief(values: Values) -> Brief:
    lines = [(values.whole(f"{name}Quantity"), values.number(f"{name}Price")) for name in ORDINALS]
    vat, stated = values.number("vat"), values.number("statedTotal")
    products = " + ".join(f"({quantity} * {written(price)})" for quantity, price in lines)
    return Brief(
        description=(
            f'This is an invoice from "{values.text("supplier")}". We hold its total against its lines.\n'
            "A line is written in parentheses, as a quantity with a unit price.\n"
            f"The total of the lines: calculate {products}.\n"
            f"Then add {plain(vat)}% VAT to it.\n"
            "Then round it to 2 decimals.\n"
            f"Then subtract it from {written(stated)}. That is the total that the invoice states.\n"
            f'Send the result to {values.text("recipient")} with subject "Invoice check".\n'
            "The final answer is the result of this subtraction alone, with its sign."
        ),
        expected_outcome=number(stated - _due(lines, vat)),
        checkpoints=(
            NewCheckpoint(
                "check",
                "The total of the lines with VAT is worked out and held against that of the invoice.",
                f"Is the difference to {written(stated)} right?",
            ),
        ),
    )


def _due(lines: list[tuple[int, Decimal]], vat: Decimal) -> Decimal:
    net = sum(quantity * Fraction(price) for quantity, price in lines)
    return to_cents(net * (1 + Fraction(vat) / 100))


def _line(ordinal: str, quantity: int, price: str) -> tuple[Parameter, Parameter]:
    return (
        whole(f"{ordinal}Quantity", f"Quantity of the {ordinal} line.", quantity, 0, 10_000),
        money(f"{ordinal}Price", f"Unit price of the {ordinal} line.", price, 1_000_000),
    )


INVOICE_CHECK: Final = Template(
    name="invoice-check",
    title="Invoice check",
    description="Adds up the lines of an invoice with VAT and mails by how much its total is too high.",
    parameters=(
        line("supplier", "Who sent the invoice.", "Northwind Office"),
        *_line("first", 12, "14.50"),
        *_line("second", 3, "89"),
        *_line("third", 1, "249"),
        percent("vat", "VAT in percent.", "20"),
        money("statedTotal", "The total that the invoice states.", "838", 100_000_000_000),
        email("recipient", "Who gets the finding.", "accounts@example.org"),
    ),
    tools=("calculate", "send_email", "checkpoint"),
    rehearsal=Rehearsed(
        whole=True, note="Computes and mails the difference; the words of the mail are its own."
    ),
    brief=_brief,
)
