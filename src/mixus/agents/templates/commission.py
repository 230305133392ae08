"""A commission on sales, mailed to whoever pays it."""

from fractions import Fraction
from typing import Final

from mixus.agents.templates.parameters import Values, choice, email, money, percent
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import money as written
from mixus.agents.templates.wording import number, plain, to_cents
from mixus.evals.tasks import NewCheckpoint


def _brief(values: Values) -> Brief:
    rate, sales, currency = values.number("rate"), values.number("sales"), values.text("currency")
    shown = f"{plain(rate)}% of {written(sales, currency)}"
    return Brief(
        description=(
            f"Calculate a {plain(rate)}% commission on {written(sales, currency)} in sales, and round it to "
            "2 decimals.\n"
            f'Then send the commission to {values.text("recipient")} with subject "Commission".\n'
            "The final answer is the commission alone."
        ),
        expected_outcome=number(to_cents(Fraction(rate) * Fraction(sales) / 100)),
        checkpoints=(
            NewCheckpoint(
                "calculation", "The commission is worked out and not mailed yet.", f"Is it {shown}?"
            ),
        ),
    )


COMMISSION: Final = Template(
    name="commission",
    title="Commission on sales",
    description="Works out a commission as a rate of sales and mails it.",
    parameters=(
        percent("rate", "Percent of the sales.", "15"),
        money("sales", "The sales.", "50000"),
        choice("currency", "Currency of the sales.", "$", "€", "£"),
        email("recipient", "Who gets the mail.", "pay@example.org"),
    ),
    tools=("calculate", "send_email", "checkpoint"),
    rehearsal=Rehearsed(whole=True, note="Computes and mails it; the words of the mail are its own."),
    brief=_brief,
)
