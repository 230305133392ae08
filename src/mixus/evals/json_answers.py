"""The JSON that an answer holds, and how it compares to a part of it or to a schema."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from fractions import Fraction
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped] # it has no types
from jsonschema.exceptions import SchemaError, ValidationError  # type: ignore[import-untyped] # as above
from jsonschema.validators import extend  # type: ignore[import-untyped] # as above

from mixus.evals.patterns import BadPattern, compiled, first_match

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# References lead elsewhere or in circles; the others cost more than the square of the answer's length.
REFUSED: Final = frozenset(
    {
        *("$ref", "$dynamicRef", "$recursiveRef", "patternProperties"),
        *("uniqueItems", "unevaluatedItems", "unevaluatedProperties"),
    }
)
NAMED_SCHEMAS: Final = frozenset({"properties", "dependentSchemas", "$defs"})
BRANCHES: Final = frozenset({"then", "else"})  # of `if`, and no checks by themselves
DATA: Final = frozenset({"const", "enum", "default", "examples", "required", "dependentRequired"})
# About two seconds of it. An answer times a schema, both as long as they may be, would take minutes.
MOST_CHECKS: Final = 200_000
BLOCK: Final = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)


class BadSchema(Exception):
    """One sentence that says what is wrong with a schema."""


class TooMuch(Exception):
    """Holding this answer to this schema would take too long."""


_left: ContextVar[int] = ContextVar("_left")


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """In linear time, unlike the library's own."""
    if validator.is_type(instance, "string") and first_match(pattern, instance) is None:
        yield ValidationError("no match")


def _multiple_of(validator: Any, step: float, instance: Any, _schema: Any) -> Iterator[Any]:
    """As they are written in decimal: 0.29 is a multiple of 0.01, which the library's own denies."""
    if validator.is_type(instance, "number"):
        times = Fraction(str(instance)) / Fraction(str(step))
        if times.denominator != 1:
            yield ValidationError("no multiple")


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    """The same check of a keyword, while there are checks left."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        left = _left.get() - 1 - _length(value) - _length(instance)
        if left < 0:
            raise TooMuch
        _left.set(left)
        return check(validator, value, instance, schema)

    return counted


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | dict) else 0


_CHECKS: Final = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "multipleOf": _multiple_of}
Validator: Final[Any] = extend(
    Draft202012Validator, {keyword: _counted(check) for keyword, check in _CHECKS.items()}
)


def require_schema(schema: Mapping[str, Any]) -> None:
    """Raise BadSchema for what is no schema, or one that could not be checked within bounds."""
    if schema.get("$schema", DIALECT) != DIALECT:
        raise BadSchema(f"The dialect of the schema must be {DIALECT}.")
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as wrong:
        raise BadSchema(f"This is no JSON Schema: look at {_place(wrong)}.") from None
    _require_bounded(schema)


def found_in(answer: str) -> Any:
    """Return the whole answer as JSON, else its last fenced block that is JSON; raises ValueError."""
    for text in (answer, *reversed(BLOCK.findall(answer))):
        try:
            return json.loads(text, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError):
            continue
    raise ValueError("no JSON")


def schema_problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """Say where the value does not fit the schema; None where it does. Raises TooMuch."""
    _left.set(MOST_CHECKS)
    for problem in Validator(schema).iter_errors(value):
        return f"`{problem.validator}` does not hold at {_place(problem)}"
    return None


def subset_problem(expected: Any, value: Any, place: str = "") -> str | None:
    """Say where the value lacks what is expected; None where all of it is there."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return _members_problem(expected, value, place)
    if isinstance(expected, list) and isinstance(value, list):
        return _items_problem(expected, value, place)
    if isinstance(expected, bool) is isinstance(value, bool) and expected == value:
        return None
    return f"another value stands at {place or 'the top'}"


def _members_problem(expected: Mapping[str, Any], value: Mapping[str, Any], place: str) -> str | None:
    for name, member in expected.items():
        below = f"{place}.{name}" if place else name
        if name not in value:
            return f"{below} is not there"
        problem = subset_problem(member, value[name], below)
        if problem is not None:
            return problem
    return None


def _items_problem(expected: Sequence[Any], value: Sequence[Any], place: str) -> str | None:
    if len(expected) != len(value):
        return f"there are {len(value)} items and not {len(expected)} at {place or 'the top'}"
    for index, (item, found) in enumerate(zip(expected, value, strict=True)):
        problem = subset_problem(item, found, f"{place}.{index}" if place else str(index))
        if problem is not None:
            return problem
    return None


def _require_bounded(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    for keyword, member in schema.items():
        if keyword in REFUSED:
            raise BadSchema(f"A schema here may not use `{keyword}`; say it in another way.")
        if keyword == "pattern":
            _require_pattern(member)
        for below in _schemas_in(keyword, member):
            _require_bounded(below)


def _require_pattern(pattern: str) -> None:
    try:
        compiled(pattern)
    except BadPattern as bad:
        raise BadSchema(f"A `pattern` of the schema cannot be used: {bad}.") from None


def _schemas_in(keyword: str, member: Any) -> list[Any]:
    """Of a keyword that means nothing any member is a remark."""
    if keyword in DATA or keyword not in _CHECKS.keys() | NAMED_SCHEMAS | BRANCHES:
        return []
    if keyword in NAMED_SCHEMAS:
        return list(member.values())
    return member if isinstance(member, list) else [member]


def _place(problem: Any) -> str:
    return ".".join(str(step) for step in problem.absolute_path)[:200] or "the top"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no JSON number")
    return number
