"""What comes over the wire: strict models in camelCase, and text and numbers that can be stored."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from mixus.accounts.service import LONGEST_EMAIL, checked_email
from mixus.core.errors import Invalid

LARGEST_INTEGER: Final = 2**53
DEEPEST: Final = 32
LONGEST_BODY: Final = 1024 * 1024
LONGEST_PATH: Final = 200
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Wire(BaseModel):
    """Unknown members are refused; `1` is no boolean and `"1"` no number."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class Body(Wire):
    """A request's whole body, of which every value, however deep, must be one that can be kept."""

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        refuse_unkeepable(value)
        return value


class Query(Wire):
    """The parameters of a query, which come as text."""

    model_config = ConfigDict(strict=False)

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        refuse_unkeepable(value)
        return value


class NothingBody(Body):
    """For a route that takes no fields."""


class NoQuery(Query):
    """For a route that takes no parameters."""


def refuse_unkeepable(value: Any, path: str = "", depth: int = 0) -> None:
    """Raise Invalid for what one of the stores or JSON itself cannot hold; keys of objects count too."""
    if depth > DEEPEST:
        raise Invalid(f"This is nested deeper than {DEEPEST} levels.", field=path)
    if isinstance(value, str):
        _refuse_text(value, path)
    elif isinstance(value, float | int):
        _refuse_number(value, path)
    elif isinstance(value, dict):
        for key, member in value.items():
            _refuse_text(key, path)
            refuse_unkeepable(member, _below(path, key), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_unkeepable(item, _below(path, str(index)), depth + 1)


def _below(path: str, step: str) -> str:
    below = f"{path}.{step}" if path else step
    return "".join(character for character in below[:LONGEST_PATH] if character.isprintable())


def _refuse_text(text: str, path: str) -> None:
    if "\0" in text:
        raise Invalid("A NUL character cannot be stored; leave it out.", field=path)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid("Half of a surrogate pair is no character; leave it out.", field=path)


def _refuse_number(number: float, path: str) -> None:
    if isinstance(number, float) and not math.isfinite(number):
        raise Invalid("NaN and Infinity are no JSON numbers.", field=path)
    if isinstance(number, int) and abs(number) > LARGEST_INTEGER:
        raise Invalid("Integers beyond 2^53 lose digits in JSON; send this one as text.", field=path)


def _email(text: str) -> str:
    try:
        return checked_email(text)
    except Invalid as refused:
        raise ValueError(refused.detail) from None


def _digits(value: object) -> object:
    """Plain decimal digits: the framework would also take ` 1_0 ` for ten."""
    if isinstance(value, str) and _DIGITS.fullmatch(value) is None:
        raise ValueError("Input should be a whole number in digits.")
    return value


def is_moment(text: str) -> bool:
    """Whether it has the form of RFC 3339; the calendar may still not have it."""
    return _MOMENT.fullmatch(text) is not None


def _rfc3339(value: object) -> object:
    if isinstance(value, str) and not is_moment(value):
        raise ValueError("Input should be a time like 2026-11-23T10:00:00Z.")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("Input should be a time that there is in UTC.") from None


def text(longest: int) -> Any:
    """From 1 to `longest` characters."""
    return StringConstraints(min_length=1, max_length=longest)


Email = Annotated[
    str, Field(json_schema_extra={"format": "email"}, max_length=LONGEST_EMAIL), AfterValidator(_email)
]
# Last in line, so that it looks first and the bounds before it still stand in the reference.
DIGITS = BeforeValidator(_digits)
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
Limit = Annotated[int, Field(ge=1, le=200), DIGITS]
Timestamp = Annotated[datetime, Field(strict=False)]
