"""Parameters of a template: what may be given for them, and what is taken where nothing is."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from mixus.core.errors import Invalid

CENTS: Final = 2
# Neither a sentence nor a list nor a quotation can be made of these, in a text that a model reads as orders.
_LINE: Final = re.compile(r"[\w&/+#(),-]+(?: [\w&/+#(),-]+)*")
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# No top-level domain is a number (RFC 3696, section 2), and a sentence would read one as such.
_EMAIL: Final = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,63}}@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9]"
)
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)


class Kind(StrEnum):
    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    EMAIL = "email"
    CHOICE = "choice"


NUMERIC: Final = frozenset({Kind.NUMBER, Kind.INTEGER})
# How many a text may have.
CHARACTERS: Final = {Kind.STRING: 60, Kind.EMAIL: 120}


@dataclass(frozen=True)
class Parameter:
    """`decimals` is how many a number may have; bounds are part of what is allowed."""

    name: str
    kind: Kind
    description: str
    default: Decimal | str
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    decimals: int = 0
    choices: tuple[str, ...] = ()

    def read(self, given: Any) -> Decimal | str:
        """The value of what a request gave; raises ValueError with a sentence."""
        if self.kind in NUMERIC:
            return self._bounded(_decimal(given))
        if not isinstance(given, str):
            raise ValueError("Give a text.")  # noqa: TRY004 - a wrong request, not a wrong call
        return self._checked(given)

    def _bounded(self, number: Decimal) -> Decimal:
        if number != round(number, self.decimals):
            raise ValueError(
                f"Give at most {self.decimals} decimals." if self.decimals else "Give a whole number."
            )
        if (self.minimum is not None and number < self.minimum) or (
            self.maximum is not None and number > self.maximum
        ):
            raise ValueError(f"Give a number from {self.minimum} to {self.maximum}.")
        # Minus zero is zero: a description would show its sign.
        return round(number, self.decimals) + 0

    def _checked(self, text: str) -> str:
        if self.kind is Kind.CHOICE and text not in self.choices:
            raise ValueError(f"Give one of {', '.join(self.choices)}.")
        longest = CHARACTERS.get(self.kind, len(text))
        if len(text) > longest:
            raise ValueError(f"Give at most {longest} characters.")
        if self.kind is Kind.EMAIL and not _EMAIL.fullmatch(text):
            raise ValueError("Give an e-mail address such as ann@example.org.")
        if self.kind is Kind.STRING and not _LINE.fullmatch(text):
            raise ValueError("Give letters, digits and & / + # ( ) , - with single spaces, on one line.")
        return text


@dataclass(frozen=True)
class Values:
    """A value for every parameter."""

    by_name: Mapping[str, Decimal | str]

    def number(self, name: str) -> Decimal:
        value = self.by_name[name]
        if not isinstance(value, Decimal):
            raise TypeError(f"{name} is no number")
        return value

    def whole(self, name: str) -> int:
        return int(self.number(name))

    def text(self, name: str) -> str:
        return str(self.by_name[name])

    def as_json(self) -> dict[str, Any]:
        return {name: in_json(value) for name, value in self.by_name.items()}


def filled(parameters: Iterable[Parameter], given: Mapping[str, Any]) -> Values:
    """What was given, and the defaults for the rest; null is the same as left out."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise Invalid(f"There is no such parameter; there are {', '.join(known)}.", field=_field(name))
    return Values({name: _value(parameter, given.get(name)) for name, parameter in known.items()})


def in_json(value: Decimal | str) -> int | float | str:
    if isinstance(value, str):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def money(name: str, description: str, default: str, maximum: int = 1_000_000_000) -> Parameter:
    bounds = Decimal(0), Decimal(maximum)
    return Parameter(name, Kind.NUMBER, description, Decimal(default), *bounds, CENTS)


def percent(name: str, description: str, default: str) -> Parameter:
    bounds = Decimal(0), Decimal(100)
    return Parameter(name, Kind.NUMBER, description, Decimal(default), *bounds, CENTS)


def whole(name: str, description: str, default: int, minimum: int, maximum: int) -> Parameter:
    bounds = Decimal(minimum), Decimal(maximum)
    return Parameter(name, Kind.INTEGER, description, Decimal(default), *bounds)


def line(name: str, description: str, default: str) -> Parameter:
    return Parameter(name, Kind.STRING, description, default)


def email(name: str, description: str, default: str) -> Parameter:
    return Parameter(name, Kind.EMAIL, description, default)


def choice(name: str, description: str, *choices: str) -> Parameter:
    """The first choice is the default."""
    return Parameter(name, Kind.CHOICE, description, choices[0], choices=choices)


def _value(parameter: Parameter, given: Any) -> Decimal | str:
    if given is None:
        return parameter.default
    try:
        return parameter.read(given)
    except ValueError as wrong:
        raise Invalid(str(wrong), field=_field(parameter.name)) from None


def _decimal(given: Any) -> Decimal:
    """A JSON number, or the same in digits as a command line gives it."""
    is_number = isinstance(given, int | float | str) and not isinstance(given, bool)
    text = repr(given) if isinstance(given, int | float) else given
    if not is_number or not _NUMBER.fullmatch(text):
        raise ValueError("Give a plain number such as 1250 or 12.5.")
    return Decimal(text)


def _field(name: str) -> str:
    return "parameters." + "".join(character for character in name[:64] if character.isprintable())
