"""A refund for returned items, told to the customer by mail."""

from fractions import Fraction
from typing import Final

from mixus.agents.templates.parameters import Values, email, line, money, percent, whole
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import money as written
from mixus.agents.templates.wording import number, plain, to_cents
from mixus.evals.tasks import NewCheckpoint


def _brief(values: Values) -> Brief:
    quantity, price = values.whole("quantity"), values.number("price")
    fee, shipping = values.number("restockingFee"), values.number("shipping")
    refund = quantity * Fraction(price) * (1 - Fraction(fee) / 100) + Fraction(shipping)
    subject = f"Your refund for order {values.text('order')}"
    return Brief(
        description=(
            "A customer returned items. The refund is their price without the restocking fee of the shop, "
            "with the shipping.\n"
            f"The refund: calculate {quantity} times {written(price)}.\n"
            f"Then reduce it by {plain(fee)}%.\n"
            f"Then add {written(shipping)}.\n"
            "Then round it to 2 decimals.\n"
            f'Send the amount to {values.text("customer")} with subject "{subject}".\n'
            "The mail is polite, for a customer who waits for the money.\n"
            "The final answer is the refund alone."
        ),
        expected_outcome=number(to_cents(refund)),
        checkpoints=(
            NewCheckpoint(
                "refund",
                "The refund is worked out, and the mail to the customer is written and not sent yet.",
                "Are the refund and the words of the mail right?",
            ),
        ),
    )


SUPPORT_REFUND_MAIL: Final = Template(
    name="support-refund-mail",
    title="Refund mail to a customer",
    description="Works out the refund for returned items and mails it to the customer.",
    parameters=(
        line("order", "Number of the order.", "A-1029"),
        whole("quantity", "How many items came back.", 2, 1, 10_000),
        money("price", "Price of one item.", "64.95", 1_000_000),
        percent("restockingFee", "What the shop keeps, in percent of the price.", "10"),
        money("shipping", "Shipping that is paid back.", "6.90", 1_000_000),
        email("customer", "The customer.", "ann@example.org"),
    ),
    tools=("calculate", "send_email", "checkpoint"),
    rehearsal=Rehearsed(
        whole=True, note="Computes and mails the refund; its mail is a plain statement, not a kind letter."
    ),
    brief=_brief,
)
