"""Whether an answer is what the task expected: pure rules, the same for every model and both test modes.

`judge` is decided by a model (worker/finishing.py); all else is decided here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from mixus.core.errors import Invalid
from mixus.evals import json_answers, numerals, patterns

MOST_VALUE: Final = 500
MOST_PATTERN: Final = 2_000
MOST_RUBRIC: Final = 5_000
MOST_TEXT: Final = 20_000
MOST_JSON_BYTES: Final = 16 * 1024

Expected = Mapping[str, Any]
Finding = tuple[bool | None, Any, str]


class Kind(StrEnum):
    CONTAINS = "contains"
    EQUALS = "equals"
    NUMBER = "number"
    REGEX = "regex"
    JSON = "json"
    JUDGE = "judge"


class Match(StrEnum):
    """How the JSON of an answer is compared: it has these members, or it fits this schema."""

    SUBSET = "subset"
    SCHEMA = "schema"


@dataclass(frozen=True)
class Score:
    """`passed` is None where it could not be judged; `value` is what was found."""

    type: str
    passed: bool | None
    value: Any
    expected: Any
    detail: str

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def require_scorable(expected: Expected) -> None:
    """Raise Invalid for an expectation that no answer could be compared to."""
    kind = Kind(expected["type"])
    if expected.get("tolerance") is not None and kind is not Kind.NUMBER:
        raise Invalid("A tolerance goes with `number` alone.", field="expectedOutcome.tolerance")
    if expected.get("match") is not None and kind is not Kind.JSON:
        raise Invalid("`match` goes with `json` alone.", field="expectedOutcome.match")
    CHECKS[kind](expected)


def is_judged(expected: Expected | None) -> bool:
    return expected is not None and expected["type"] == Kind.JUDGE


def score(expected: Expected, answer: str) -> Score:
    """Compare the answer; `judge` is not for here."""
    passed, value, detail = COMPARISONS[Kind(expected["type"])](expected, answer)
    return Score(expected["type"], passed, _clipped(value), expected["value"], detail)


def judged(expected: Expected, *, passed: bool | None, detail: str) -> Score:
    return Score(Kind.JUDGE.value, passed, None, expected["value"], detail)


def _contains(expected: Expected, answer: str) -> Finding:
    found = patterns.first_words(_one_spaced(expected["value"]), _one_spaced(answer))
    return (True, found, "The answer contains it.") if found else (False, None, "It is not in the answer.")


def _equals(expected: Expected, answer: str) -> Finding:
    found = _one_spaced(answer)
    is_same = found == _one_spaced(expected["value"])
    return is_same, found, "The answer is the same." if is_same else "The answer is another one."


def _number(expected: Expected, answer: str) -> Finding:
    found = numerals.last_number(answer)
    if found is None:
        return False, None, "The answer holds no number that stands free."
    value, tolerance = numerals.as_json(found), expected.get("tolerance") or 0
    passed = numerals.is_within(found, expected["value"], tolerance)
    margin = f" within {tolerance:g}" if tolerance else ""
    relation = "is" if passed else "is not"
    return (
        passed,
        value,
        f"The last number of the answer, {value}, {relation} {expected['value']}{margin}.",
    )


def _regex(expected: Expected, answer: str) -> Finding:
    found = patterns.first_match(expected["value"], answer)
    if found is None:
        return False, None, "Nothing in the answer matches."
    return True, found, "The answer has a match."


def _json(expected: Expected, answer: str) -> Finding:
    try:
        found = json_answers.found_in(answer)
    except ValueError:
        return False, None, "The answer is no JSON and has none in a block fenced with ```."
    is_schema = expected.get("match") == Match.SCHEMA
    problem_of = json_answers.schema_problem if is_schema else json_answers.subset_problem
    try:
        problem = problem_of(expected["value"], found)
    except json_answers.TooMuch:
        return None, found, "The JSON of the answer is too large to be held to this schema."
    if problem is None:
        return True, found, f"The JSON of the answer {'fits the schema' if is_schema else 'has all of it'}."
    return False, found, f"In the JSON of the answer {_cut(_storable(problem))}."


def _require_text(most: int) -> Callable[[Expected], None]:
    def require(expected: Expected) -> None:
        value = expected.get("value")
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            raise _invalid_value(f"The value of `{expected['type']}` is a text of 1 to {most} characters.")

    return require


def _require_number(expected: Expected) -> None:
    value = expected.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid_value("The value of `number` is a number.")


def _require_pattern(expected: Expected) -> None:
    _require_text(MOST_PATTERN)(expected)
    try:
        patterns.compiled(expected["value"])
    except patterns.BadPattern as bad:
        raise _invalid_value(f"This is no regular expression of RE2: {bad}.") from None


def _require_json(expected: Expected) -> None:
    value, is_schema = expected.get("value"), expected.get("match") == Match.SCHEMA
    if not isinstance(value, dict if is_schema else dict | list):
        raise _invalid_value(
            "A schema is an object." if is_schema else "The value of `json` is an object or a list."
        )
    if len(json.dumps(value)) > MOST_JSON_BYTES:
        raise _invalid_value(f"The value of `json` may have {MOST_JSON_BYTES} bytes.")
    try:
        if is_schema:
            json_answers.require_schema(value)
    except json_answers.BadSchema as bad:
        raise _invalid_value(str(bad)) from None


def _invalid_value(sentence: str) -> Invalid:
    return Invalid(sentence, field="expectedOutcome.value")


def _one_spaced(text: str) -> str:
    return " ".join(text.split())


def _clipped(value: Any) -> Any:
    """As text where it is long, or JSON that cannot be kept: integers beyond 64 bits, half characters."""
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(written) <= MOST_VALUE and _can_be_kept(value) else _cut(_storable(written))


def _can_be_kept(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _storable(text: str) -> str:
    """Half of a surrogate pair, which JSON can spell, as it is spelled."""
    return text.encode(errors="backslashreplace").decode()


def _cut(text: str) -> str:
    return text if len(text) <= MOST_VALUE else text[: MOST_VALUE - 1] + "…"


CHECKS: Final[Mapping[Kind, Callable[[Expected], None]]] = {
    Kind.CONTAINS: _require_text(MOST_TEXT),
    Kind.EQUALS: _require_text(MOST_TEXT),
    Kind.NUMBER: _require_number,
    Kind.REGEX: _require_pattern,
    Kind.JSON: _require_json,
    Kind.JUDGE: _require_text(MOST_RUBRIC),
}
COMPARISONS: Final[Mapping[Kind, Callable[[Expected, str], Finding]]] = {
    Kind.CONTAINS: _contains,
    Kind.EQUALS: _equals,
    Kind.NUMBER: _number,
    Kind.REGEX: _regex,
    Kind.JSON: _json,
}
