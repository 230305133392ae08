"""Tools as a model is told of them, in few tokens: what only a check needs to know is left out."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic_ai.tools import ToolDefinition

from mixus.agents.tools.registry import AnyArguments, Tool

# Arguments are checked by the tool itself, which says what is wrong with them.
_UNSAID: Final = frozenset(
    {
        *("title", "default", "additionalProperties"),
        *("maxProperties", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"),
    }
)

_NAMES: Final = frozenset({"properties", "$defs"})
_VALUES: Final = frozenset({"const", "enum", "examples"})
_NULL: Final = {"type": "null"}


@lru_cache(maxsize=512)
def definition(tool: Tool) -> ToolDefinition:
    """Made once for each tool: writing a schema takes longer than a step's two commits."""
    schema = tool.arguments.model_json_schema()
    # A stranger's schema is told as it is: what its words mean there is not ours to know.
    is_foreign = issubclass(tool.arguments, AnyArguments)
    return ToolDefinition(
        name=tool.name,
        description=tool.description,
        parameters_json_schema=schema if is_foreign else _terse(schema),
    )


def _terse(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_terse(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    told = {word: _told(word, value) for word, value in schema.items() if word not in _UNSAID}
    # What the source says of a type is for those who read the source.
    for definition in told.get("$defs", {}).values():
        definition.pop("description", None)
    return _without_null(told)


def _told(word: str, value: Any) -> Any:
    if word in _VALUES:
        return value
    return _named(value) if word in _NAMES else _terse(value)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An argument that may be null may be left out as well."""
    options = schema.get("anyOf")
    others = [option for option in options or () if option != _NULL]
    if len(others) != 1:
        return schema
    return {**{word: value for word, value in schema.items() if word != "anyOf"}, **others[0]}


def _named(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Here the words are names: an argument may be called `title`."""
    return {name: _terse(schema) for name, schema in schemas.items()}
