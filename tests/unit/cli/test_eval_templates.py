"""`mixus eval templates` and `mixus eval create --template`."""

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from typer.testing import CliRunner, Result

from mixus.cli import eval as eval_commands

if TYPE_CHECKING:
    from unit.conftest import Reply, ScriptedServer

KEY = "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH"
CREATE = "/api/eval/create-task-agent"
LIST = "/api/eval/templates"
CREATED = {"executionId": "exe_1", "status": "queued", "model": "rehearsal", "rehearsal": True}
TEMPLATES: list[dict[str, Any]] = [
    {
        "name": "commission",
        "title": "Commission",
        "description": "Works out a commission.\u001b[2J",
        "parameters": [
            {"name": "rate", "description": "In percent.", "default": 15, "minimum": 0, "maximum": 100},
            {"name": "currency", "description": "Of the sales.", "default": "$", "enum": ["$", "€"]},
        ],
        "missingTools": [],
        "rehearsal": {"whole": True, "note": "Does all of it."},
    },
    {
        "name": "clean-up",
        "description": "Deletes.",
        "missingTools": ["query_database"],
        "rehearsal": {"whole": False, "note": "Reads no data."},
    },
]


class Run(Protocol):
    def __call__(self, *arguments: str) -> Result: ...


@pytest.fixture
def run(server: "ScriptedServer") -> Run:
    def invoke(*arguments: str) -> Result:
        env = {"MIXUS_URL": server.url, "MIXUS_API_KEY": KEY, "CI": None, "COLUMNS": "80"}
        result = CliRunner().invoke(eval_commands.app, list(arguments), env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert KEY not in result.output
        return result

    return invoke


def page(reply: "type[Reply]") -> "Reply":
    return reply(body={"success": True, "items": TEMPLATES, "nextCursor": None})


def test_templates_are_listed_with_what_they_take(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", LIST, page(reply))
    result = run("templates")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "commission",
        "  Works out a commission.",
        "  rate=15     In percent. 0 to 100.",
        "  currency=$  Of the sales. One of $, €.",
        "  rehearsal: whole. Does all of it.",
        "",
        "clean-up",
        "  Deletes.",
        "  rehearsal: not whole. Reads no data.",
        "  not on this server, which lacks query_database",
    ]


def test_templates_as_json_are_those_of_the_server(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", LIST, page(reply))
    assert json.loads(run("templates", "--json").stdout) == TEMPLATES


def test_a_template_is_created_with_its_parameters(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", CREATE, reply(201, CREATED))
    result = run("create", "--template", "commission", "--parameter", "rate=12.5", "-p", "recipient=a=b")
    assert result.exit_code == 4
    sent = server.received[-1].body
    assert sent == {"template": "commission", "parameters": {"rate": "12.5", "recipient": "a=b"}}


@pytest.mark.parametrize("pair", ["rate", "=15"])
def test_a_parameter_without_name_or_value_is_a_wrong_usage(
    run: Run, server: "ScriptedServer", pair: str
) -> None:
    result = run("create", "--template", "commission", "--parameter", pair)
    assert result.exit_code == 2
    assert server.received == []
