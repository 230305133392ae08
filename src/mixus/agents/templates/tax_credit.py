"""A research tax credit: a rate of what qualified expenses exceed a base amount by."""

from fractions import Fraction
from typing import Final

from mixus.agents.templates.parameters import Values, money, percent
from mixus.agents.templates.template import Brief, Rehearsed, Template
from mixus.agents.templates.wording import money as written
from mixus.agents.templates.wording import number, plain, to_cents
from mixus.core.errors import Invalid
from mixus.evals.tasks import NewCheckpoint

EXPENSES: Final = ("wages", "supplies", "contractResearch")


def _brief(values: Values) -> Brief:
    amounts = [values.number(name) for name in EXPENSES]
    share, average, rate = (values.number(name) for name in ("baseShare", "priorAverage", "rate"))
    expenses, base = sum(map(Fraction, amounts)), Fraction(share) * Fraction(average) / 100
    if base > expenses:
        raise Invalid(
            "There is no credit: the base amount is above the qualified expenses.",
            field="parameters.priorAverage",
        )
    first, second, third = map(written, amounts)
    base_shown = f"{plain(share)}% of {written(average)}"
    return Brief(
        description=(
            "This is a tax credit for research, by the excess over a base amount.\n"
            "The qualified expenses are for wages, for supplies and for contract research, in this order.\n"
            f"The qualified expenses: calculate the sum of {first}, {second} and {third}.\n"
            f"The base amount: calculate {base_shown}.\n"
            f"The credit: calculate {plain(rate)}% of (({first} + {second} + {third}) - {base_shown}).\n"
            "Then round it to 2 decimals.\n"
            "The final answer ends with the credit."
        ),
        expected_outcome=number(to_cents(Fraction(rate) * (expenses - base) / 100)),
        checkpoints=_checkpoints(base_shown, plain(rate)),
    )


def _checkpoints(base: str, rate: str) -> tuple[NewCheckpoint, ...]:
    return (
        NewCheckpoint(
            "qualified expenses",
            "Wages, supplies and contract research are added up.",
            "Are these the expenses that qualify?",
        ),
        NewCheckpoint("base amount", "The base amount is worked out.", f"Is it {base}?"),
        NewCheckpoint(
            "credit",
            "The credit is worked out.",
            f"Is it {rate}% of what the expenses exceed the base amount by?",
        ),
    )


TAX_CREDIT: Final = Template(
    name="tax-credit",
    title="Research tax credit",
    description=(
        "Works out a credit as a rate of what qualified expenses exceed a base amount by, verified in "
        "three stages."
    ),
    parameters=(
        money("wages", "Wages for research.", "300000"),
        money("supplies", "Supplies for research.", "80000"),
        money("contractResearch", "Contract research, the part of it that qualifies.", "65000"),
        money("priorAverage", "Average of the qualified expenses in the years before.", "400000"),
        percent("baseShare", "The base amount in percent of that average.", "50"),
        percent("rate", "The credit in percent of what exceeds the base amount.", "14"),
    ),
    tools=("calculate", "checkpoint"),
    rehearsal=Rehearsed(
        whole=True, note="Computes all of it; the three stages are asked about at the end, one by one."
    ),
    brief=_brief,
    auto_detect=False,
)
