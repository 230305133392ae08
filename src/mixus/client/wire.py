"""How Python's names and values become the wire's, and back."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import quote

Json = dict[str, Any]
Answered = TypeVar("Answered")


def build(model: Callable[..., Answered], wire: Mapping[str, Any]) -> Answered:
    """Return a frozen answer from its JSON; what a newer server adds stays in `raw`.

    Raises KeyError, TypeError or ValueError where the answer is not one.
    """
    if not isinstance(wire, Mapping):
        raise TypeError("not an object")
    values: dict[str, Any] = {}
    for name, wire_name, is_required, read in plan_of(model):
        if name == "raw":
            values[name] = wire
        elif wire.get(wire_name) is not None:
            values[name] = read(wire[wire_name])
        elif is_required:
            raise KeyError(wire_name)
    return model(**values)


@cache
def plan_of(model: Any) -> tuple[tuple[str, str, bool, Callable[[Any], Any]], ...]:
    """Return, for each field: name, name on the wire, whether it must be there, how to read it."""
    hints = get_type_hints(model)
    return tuple(
        (
            field.name,
            field.metadata.get("wire", camel(field.name)),
            field.default is MISSING and field.default_factory is MISSING,
            reader(hints[field.name]),
        )
        for field in fields(model)
    )


def reader(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is UnionType:
        hint = next(option for option in get_args(hint) if option is not NoneType)
    if hint is datetime:
        return datetime.fromisoformat
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda wire: build(hint, wire)
    if get_origin(hint) is tuple:
        read = reader(get_args(hint)[0])
        return lambda wire: tuple(read(item) for item in wire)
    return lambda wire: wire


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def to_wire(values: Mapping[str, Any]) -> Json:
    """Return the members under their names on the wire, without those that are None."""
    return {camel(name): value for name, value in values.items() if value is not None}


def instant(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("A time needs a time zone: datetime(2026, 11, 23, tzinfo=UTC).")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def segment(identifier: str) -> str:
    """Return an id as one segment of a path: whatever it holds, it cannot lead to another route."""
    if not identifier:
        raise ValueError("The id is empty.")
    return quote(identifier, safe="").replace(".", "%2E")
