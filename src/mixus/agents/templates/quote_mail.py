"""A quote with discount and tax, mailed to the customer."""

from fractions import Fraction
from typing import Final

from mixus.agents.templates.parameters import Values, email, line, money, percent, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import money as written
from mixus.agents.templates.wording import number, plain, to_cents
from mixus.evals.tasks import NewCheckpoint


def _brief(values: Values) -> Brief:
    quantity, price = values.whole("quantity"), values.number("price")
    discount, vat = values.number("discount"), values.number("vat")
    total = quantity * Fraction(price) * (1 - Fraction(discount) / 100) * (1 + Fraction(vat) / 100)
    return Brief(
        description=(
            f'This is a quote for "{values.text("product")}".\n'
            f"The price: calculate {quantity} times {written(price)}.\n"
            f"Then apply a {plain(discount)}% discount to it.\n"
            f"Then add {plain(vat)}% VAT.\n"
            "Then round it to 2 decimals.\n"
            f'Send the price to {values.text("customer")} with subject "Your quote".\n'
            "The final answer is the price alone."
        ),
        expected_outcome=number(to_cents(total)),
        checkpoints=(
            NewCheckpoint(
                "price",
                "The price is worked out, and the quote is not sent yet.",
                "Are discount and VAT applied in this order?",
            ),
        ),
    )


QUOTE_MAIL: Final = Template(
    name="quote-mail",
    title="Quote by mail",
    description="Works out a price with discount and VAT and mails it to the customer.",
    parameters=(
        line("product", "What is quoted.", "Desk lamp"),
        whole("quantity", "How many.", 25, 1, 10_000),
        money("price", "Price of one.", "39.90", 1_000_000),
        percent("discount", "Discount in percent.", "10"),
        percent("vat", "VAT in percent.", "20"),
        email("customer", "The customer.", "ann@example.org"),
    ),
    tools=("calculate", "send_email", "checkpoint"),
    rehearsal=Rehearsed(whole=True, note="Computes and mails the price; its mail does not name the product."),
    brief=_brief,
)
