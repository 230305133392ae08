"""How templates write amounts, round them, and say what outcome they expect."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any, Final

from mixus.agents.templates.parameters import in_json

CENT: Final = Decimal("0.01")
# Less than a cent, so that a result is right to the cent or wrong.
TOLERANCE: Final = 0.005


def plain(number: Decimal) -> str:
    """Without thousands separators and without zeros at the end: 12.5, 1250."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: Decimal, currency: str = "$") -> str:
    """As people write it: $50,000 or $64.95."""
    is_whole = amount == amount.to_integral_value()
    return f"{currency}{amount:,.0f}" if is_whole else f"{currency}{amount:,.2f}"


def to_cents(amount: Fraction) -> Decimal:
    """Halves away from zero, as `round` of the tool calculate does and as invoices do."""
    context = Context(prec=60, rounding=ROUND_HALF_UP)
    hundredths = amount * 100
    whole = int(abs(hundredths) + Fraction(1, 2))
    return context.multiply(Decimal(whole if amount >= 0 else -whole), CENT)


def number(value: Decimal) -> dict[str, Any]:
    return {"type": "number", "value": in_json(value), "tolerance": TOLERANCE}


def csv_file(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
