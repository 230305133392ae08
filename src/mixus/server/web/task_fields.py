"""The form of a new evaluation as the task that the API takes, and what is wrong with it at its fields.

A field has the name that the API gives it, except where a person counts in other units.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from pydantic import ValidationError

from mixus.core.errors import Invalid
from mixus.server import errors
from mixus.server.api.create import CreateTask
from mixus.server.web.forms import Fields, Refused

MINUTE_MS: Final = 60_000
LONGEST_MINUTES: Final = {"timeoutMinutes": 24 * 60, "reviewTimeoutMinutes": 365 * 24 * 60}
IN_MILLISECONDS: Final = {"timeoutMinutes": "timeoutMs", "reviewTimeoutMinutes": "reviewTimeoutMs"}
IN_MINUTES: Final = {value: name for name, value in IN_MILLISECONDS.items()}
# What is wrong inside of them is said at the one field that they are.
WHOLE: Final = frozenset({"metadata", "script", "tools"})
NESTED: Final = frozenset({"expectedOutcome", "parameters"})
_CHECKPOINT: Final = re.compile(r"checkpoints\.([0-9]{1,3})\.(\w+)", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_MINUTES: Final = re.compile("[0-9]{1,7}")


def task_of(fields: Fields) -> CreateTask:
    """Raises Invalid as the API would, with the names of the API."""
    try:
        return CreateTask.model_validate(_body(fields))
    except ValidationError as error:
        raise errors.invalid(error.errors()) from None


def compacted(fields: Fields) -> Fields:
    """Without checkpoints that were left empty, and the others numbered anew from 0."""
    rows: defaultdict[int, dict[str, list[str]]] = defaultdict(dict)
    others: dict[str, list[str]] = {}
    for name, values in fields.values.items():
        found = _CHECKPOINT.fullmatch(name)
        if found is None:
            others[name] = values
        else:
            rows[int(found[1])][found[2]] = values
    kept = [row for _, row in sorted(rows.items()) if any(text.strip() for text in _texts(row))]
    numbered = {
        f"checkpoints.{number}.{part}": values
        for number, row in enumerate(kept)
        for part, values in row.items()
    }
    return Fields(others | numbered)


def count_checkpoints(fields: Fields) -> int:
    """The rows, with those that were left empty where the fields are not compacted."""
    return len({found[1] for name in fields.values if (found := _CHECKPOINT.fullmatch(name))})


def problems_of(refused: Refused | None) -> dict[str, str]:
    """By the name of the field on the page."""
    return {} if refused is None else {_field(name): said for name, said in refused.problems.items()}


def _field(name: str) -> str:
    first = name.partition(".")[0]
    return first if first in WHOLE else IN_MINUTES.get(name, name)


def _body(fields: Fields) -> dict[str, Any]:
    """What was left empty is left out. What no field is called stays, and is refused by its name."""
    body: dict[str, Any] = {"autoDetectCheckpoints": False}
    nested: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    checkpoints: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for name, values in fields.values.items():
        if not any(values):
            continue
        first, _, rest = name.partition(".")
        found = _CHECKPOINT.fullmatch(name)
        value = _value(name, values, fields)
        if found is not None:
            checkpoints[int(found[1])][found[2]] = value
        elif first in NESTED and rest:
            nested[first][rest] = value
        else:
            body[IN_MILLISECONDS.get(name, name)] = value
    rows = {"checkpoints": [row for _, row in sorted(checkpoints.items())]} if checkpoints else {}
    return body | nested | rows


def _value(name: str, values: list[str], fields: Fields) -> Any:
    if name == "tools":
        return values
    if len(values) != 1:
        # The model says that it is no text.
        return values
    if name == "expectedOutcome.value":
        return _expected(fields.text("expectedOutcome.type"), values[0])
    return READERS.get(name, _text)(name, values[0])


def _expected(kind: str | None, text: str) -> Any:
    readers = {"number": _number, "json": _json}
    return readers.get(kind or "", _text)("expectedOutcome.value", text)


def _text(_name: str, text: str) -> str:
    return text


def _ticked(_name: str, _text: str) -> bool:
    return True


def _number(_name: str, text: str) -> int | float | str:
    """A text that is no number stays one, and is refused where a number is wanted."""
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text.strip()) else text


def _minutes(name: str, text: str) -> int:
    longest = LONGEST_MINUTES[name]
    minutes = int(text.strip()) if _MINUTES.fullmatch(text.strip()) else 0
    if not 1 <= minutes <= longest:
        raise Invalid(f"Give whole minutes, from 1 to {longest:,}.", field=name)
    return minutes * MINUTE_MS


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        raise Invalid(f"This is no JSON: {error.msg} at {place}.", field=name) from None


def _texts(row: Mapping[str, list[str]]) -> list[str]:
    return [text for values in row.values() for text in values]


READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "autoDetectCheckpoints": _ticked,
    "reviewResult": _ticked,
    "maxSteps": _number,
    "maxTokens": _number,
    "maxCostUsd": _number,
    "expectedOutcome.tolerance": _number,
    "timeoutMinutes": _minutes,
    "reviewTimeoutMinutes": _minutes,
    "metadata": _json,
    "script": _json,
}
