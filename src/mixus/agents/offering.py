"""Tools as a model is told of them, in few tokens: what only a check needs to know is left out."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic_ai.tools import ToolDefinition

from mixus.agents.tools.registry import Tool

# Arguments are checked by the tool itself, which says what is wrong with them.
_UNSAID: Final = frozenset(
    {
        *("title", "default", "additionalProperties"),
        *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"),
    }
)


@lru_cache(maxsize=512)
def definition(tool: Tool) -> ToolDefinition:
    """Made once for each tool: writing a schema takes longer than a step's two commits."""
    return ToolDefinition(
        name=tool.name,
        description=tool.description,
        parameters_json_schema=_terse(tool.arguments.model_json_schema()),
    )


def _terse(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_terse(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        word: _named(value) if word in {"properties", "$defs"} else _terse(value)
        for word, value in schema.items()
        if word not in _UNSAID
    }


def _named(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Here the words are names: an argument may be called `title`."""
    return {name: _terse(schema) for name, schema in schemas.items()}
