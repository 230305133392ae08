"""Arguments that another program's JSON Schema describes: checked with it, and passed on as they came.

The schema is foreign: it may be huge, refer to itself or to the network, or take for ever to evaluate. So its
size, its depth and the work of one check are limited, nothing is fetched, and regular expressions are left to
the server, which checks its arguments anyway.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import orjson
from jsonschema import FormatChecker  # type: ignore[import-untyped]  # it ships no types
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]  # see above
from jsonschema.validators import (  # type: ignore[import-untyped]  # see above
    Draft202012Validator,
    extend,
    validator_for,
)
from pydantic import ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from referencing import Registry

from mixus.agents.tools.registry import AnyArguments

MOST_BYTES: Final = 32 * 1024
MOST_DEPTH: Final = 40
# Deeper arguments could be checked, and neither written as JSON nor kept.
MOST_DEPTH_OF_ARGUMENTS: Final = 100
MOST_WORK: Final = 20_000
MOST_PROBLEMS: Final = 5
MOST_CHARACTERS: Final = 200

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
# They take a regular expression of the server's, and Python's may run for hours.
LEFT_TO_THE_SERVER: Final = (
    "pattern",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "format",
)
NAMED: Final = frozenset({"properties", "$defs", "definitions"})
OPTIONS: Final = frozenset({"anyOf", "oneOf", "allOf"})
NO_FORMATS: Final = FormatChecker(formats=())

_work: ContextVar[list[int]] = ContextVar("work")


class SchemaRefused(ValueError):
    """The schema cannot be used; the text is one sentence, without a word of the schema."""


class Described(AnyArguments):
    """Any members that the schema allows; what is dumped is what came, for the digest and the call."""

    schema_shown: ClassVar[dict[str, Any]] = {"type": "object"}
    checker: ClassVar[Any] = None

    @model_validator(mode="before")
    @classmethod
    def _fits(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        problems = _problems_of_depth(value) or [*_problems_of_numbers(value)]
        problems = problems or _problems(cls.checker, value)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return value

    @classmethod
    def model_json_schema(cls, *_arguments: Any, **_named: Any) -> dict[str, Any]:
        return cls.schema_shown


def arguments_of(schema: dict[str, Any], clean: Callable[[str], str]) -> type[Described]:
    """A type for arguments of this schema; `clean` is for its descriptions. Raises SchemaRefused."""
    _require_bounded(schema)
    if schema.get("type") != "object":
        raise SchemaRefused("its input schema is not of type object")
    _require_local(schema)
    shown = _shown(schema, clean) if _is_inlinable(schema) else {"type": "object"}
    return type("Described", (Described,), {"schema_shown": shown, "checker": _checker(schema)})


def _checker(schema: dict[str, Any]) -> Any:
    try:
        draft = validator_for(schema, default=Draft202012Validator)
        draft.check_schema(schema, format_checker=NO_FORMATS)
    except SchemaError:
        raise SchemaRefused("its input schema is no valid JSON Schema") from None
    except Exception:  # noqa: BLE001 - the library raises what it likes of a schema made to break it
        raise SchemaRefused("its input schema cannot be read") from None
    # Where a part names its draft, the library goes on with its own validator, which counts nothing.
    unnamed = {key: value for key, value in schema.items() if key != "$schema"}
    return _counted(draft)(unnamed, registry=Registry())


def _require_bounded(schema: dict[str, Any]) -> None:
    try:
        size = len(orjson.dumps(schema))
    except (TypeError, RecursionError):
        raise SchemaRefused("its input schema cannot be written as JSON") from None
    if size > MOST_BYTES:
        raise SchemaRefused(f"its input schema is larger than {MOST_BYTES // 1024} KiB")
    level: list[Any] = [schema]
    for _ in range(MOST_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise SchemaRefused(f"its input schema is deeper than {MOST_DEPTH} levels")


def _require_local(schema: dict[str, Any]) -> None:
    """Refused rather than left unresolved: a part of it that nobody can read says nothing."""
    level: list[Any] = [schema]
    while level:
        if any(_leads_elsewhere(node, is_root=node is schema) for node in level):
            raise SchemaRefused("its input schema refers to another document")
        level = [child for node in level for child in _children(node)]


def _leads_elsewhere(node: Any, *, is_root: bool) -> bool:
    if not isinstance(node, dict):
        return False
    references = [node.get(name) for name in REFERENCES]
    is_another = isinstance(node.get("$schema"), str) and not is_root
    return is_another or any(isinstance(text, str) and not text.startswith("#") for text in references)


def _is_inlinable(schema: dict[str, Any]) -> bool:
    """Whether every reference leads somewhere, and not to gigabytes: for some models they are written out."""
    waiting: list[tuple[Any, frozenset[str]]] = [(schema, frozenset())]
    for _ in range(MOST_WORK):
        if not waiting:
            return True
        node, followed = waiting.pop()
        waiting += ((child, followed) for child in _children(node))
        pointer = node.get("$ref") if isinstance(node, dict) else None
        if isinstance(pointer, str) and pointer.startswith("#/") and pointer not in followed:
            target = _target(schema, pointer)
            if target is None:
                return False
            waiting.append((target, followed | {pointer}))
    return False


def _target(schema: dict[str, Any], pointer: str) -> Any:
    """What a JSON pointer of a reference (RFC 6901 §6) leads to; None where there is nothing."""
    node: Any = schema
    for name in unquote(pointer).split("/")[1:]:
        if isinstance(node, list) and name.isdecimal():
            node = dict(enumerate(node)).get(int(name))
        else:
            key = name.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, dict) else None
    return node


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _shown(node: Any, clean: Callable[[str], str]) -> Any:
    """The schema as a model sees it: its words are a stranger's.

    What has the name of a keyword and not its form is left out, wherever it stands: whoever reads schemas
    would stumble over it, in each step of each task.
    """
    if isinstance(node, dict):
        return {key: _shown_part(key, value, clean) for key, value in node.items() if _is_formed(key, value)}
    return [_shown(item, clean) for item in node] if isinstance(node, list) else node


def _shown_part(key: str, value: Any, clean: Callable[[str], str]) -> Any:
    if key in {"description", "title", "$comment"} and isinstance(value, str):
        return clean(value)
    if key in NAMED:
        return {name: _as_object(_shown(each, clean)) for name, each in value.items()}
    if key in OPTIONS:
        return [_as_object(_shown(each, clean)) for each in value]
    return _shown(value, clean)


def _is_formed(key: str, value: Any) -> bool:
    """Whether it has the form that JSON Schema gives to a keyword of this name; other keys may have any."""
    if key in NAMED:
        return isinstance(value, dict) and all(isinstance(each, dict | bool) for each in value.values())
    if key in OPTIONS:
        return isinstance(value, list) and all(isinstance(each, dict | bool) for each in value)
    return True


def _as_object(schema: Any) -> Any:
    """True allows everything and false nothing (JSON Schema core §4.3.2)."""
    return {True: {}, False: {"not": {}}}[schema] if isinstance(schema, bool) else schema


@cache
def _counted(draft: Any) -> Any:
    """A draft's validator, with its work counted and its regular expressions left out."""
    keywords = {name: _count(rule) for name, rule in draft.VALIDATORS.items()}
    keywords |= dict.fromkeys(LEFT_TO_THE_SERVER, _nothing)
    if "additionalProperties" in keywords:
        keywords["additionalProperties"] = _unless_patterns(keywords["additionalProperties"])
    return extend(draft, keywords)


class _TooMuchWork(Exception):
    pass


Rule = Callable[[Any, Any, Any, Mapping[str, Any]], Iterator[Any] | None]


def _count(rule: Rule) -> Rule:
    """References that fan out are short to write and take for ever to follow."""

    def counted(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        left = _work.get()
        left[0] -= 1
        if left[0] < 0:
            raise _TooMuchWork
        yield from rule(validator, value, instance, schema) or ()

    return counted


def _nothing(_validator: Any, _value: Any, _instance: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from ()


def _unless_patterns(rule: Rule) -> Rule:
    """Which properties are additional depends on the patterns, where there are any."""

    def ruled(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        if "patternProperties" not in schema:
            yield from rule(validator, value, instance, schema) or ()

    return ruled


def _problems(checker: Any, arguments: dict[str, Any]) -> list[InitErrorDetails]:
    if checker is None:
        return []
    _work.set([MOST_WORK])
    try:
        errors = list(islice(checker.iter_errors(arguments), MOST_PROBLEMS))
    except Exception:  # noqa: BLE001 - too much work, a loop of references, or a schema made to break the library
        return [_problem((), "they cannot be checked against the schema of this tool")]
    return [_problem(tuple(error.absolute_path), str(error.message)) for error in errors]


def _problems_of_depth(arguments: dict[str, Any]) -> list[InitErrorDetails]:
    level: list[Any] = [arguments]
    for _ in range(MOST_DEPTH_OF_ARGUMENTS):
        level = [child for node in level for child in _children(node)]
        if not level:
            return []
    return [_problem((), f"they are nested deeper than {MOST_DEPTH_OF_ARGUMENTS} levels")]


def _problems_of_numbers(node: Any, place: tuple[str | int, ...] = ()) -> Iterator[InitErrorDetails]:
    """What JSON in a row cannot hold would be shown to the reviewer as something else."""
    if isinstance(node, float) and not math.isfinite(node):
        yield _problem(place, "must be a finite number")
    elif isinstance(node, int) and not -(2**63) <= node < 2**64:
        yield _problem(place, "must be a number of at most 64 bits")
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _problems_of_numbers(value, (*place, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _problems_of_numbers(value, (*place, index))


def _problem(place: tuple[str | int, ...], message: str) -> InitErrorDetails:
    """Its text is data, and no template: braces in it stay braces."""
    kind = PydanticCustomError("schema", "{problem}", {"problem": message[:MOST_CHARACTERS]})
    return InitErrorDetails(type=kind, loc=place, input=None)
