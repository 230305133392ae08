from typing import Any

from pydantic import Field

from mixus.agents import offering, planning
from mixus.agents.tools.mcp_schema import arguments_of
from mixus.agents.tools.registry import Arguments, Context, Tool
from mixus.evals.lifecycle import Effect


class Many(Arguments):
    """For those who read the source."""

    title: str = Field(max_length=5, description="What it is called.")
    default: int | None = Field(None, ge=1)
    properties: list[str] = Field([])


async def run(_arguments: Many, _context: Context) -> Any:
    return None


def told(tool: Tool) -> Any:
    return offering.definition(tool).parameters_json_schema


def test_arguments_keep_their_names_whatever_these_are() -> None:
    schema = told(Tool("many", "", Effect.READ, Many, run))
    assert set(schema["properties"]) == {"title", "default", "properties"}
    assert schema["required"] == ["title"]


def test_what_only_a_check_needs_is_left_out() -> None:
    schema = told(Tool("many", "", Effect.READ, Many, run))
    assert schema["properties"] == {
        "title": {"description": "What it is called.", "type": "string"},
        "default": {"type": "integer"},
        "properties": {"items": {"type": "string"}, "type": "array"},
    }
    assert "additionalProperties" not in schema


def test_a_value_is_told_whole_whatever_is_in_it() -> None:
    class Chosen(Arguments):
        choice: Any = Field(json_schema_extra={"enum": [{"title": "a"}], "const": {"maximum": 1}})

    schema = told(Tool("chosen", "", Effect.READ, Chosen, run))
    assert schema["properties"]["choice"] == {"enum": [{"title": "a"}], "const": {"maximum": 1}}


def test_a_schema_of_a_stranger_is_told_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "default": 3, "maximum": 5}},
        "additionalProperties": False,
    }
    assert told(Tool("foreign", "", Effect.READ, arguments_of(schema, str), run)) == schema


def test_a_choice_is_told_whole() -> None:
    effects = told(planning.TOOL)["$defs"]["Effect"]
    assert effects == {"enum": [effect.value for effect in Effect], "type": "string"}
