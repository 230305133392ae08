from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

TEMPLATE: dict[str, Any] = {
    "name": "commission",
    "title": "Commission on sales",
    "description": "Works it out.",
    "parameters": [
        {"name": "rate", "type": "number", "default": 15, "minimum": 0, "multipleOf": 0.01, "enum": None},
        {"name": "currency", "type": "string", "default": "$", "enum": ["$", "€"], "maxLength": None},
    ],
    "checkpoints": [{"stage": "calculation"}],
    "autoDetectCheckpoints": False,
    "tools": ["calculate"],
    "missingTools": ["calculate"],
    "expectedOutcome": {"type": "number", "value": 7500},
    "rehearsal": {"whole": True, "note": "Does all of it."},
    "fromTheFuture": 1,
}


def test_templates_are_read_with_all_their_parts(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", "/api/eval/templates", reply(body={"items": [TEMPLATE], "nextCursor": None}))
    (read,) = caller.do(lambda client: client.templates())
    rate, currency = read.parameters
    assert (read.name, read.title, read.auto_detect_checkpoints) == (
        "commission",
        "Commission on sales",
        False,
    )
    assert (rate.default, rate.minimum, rate.maximum, rate.multiple_of, rate.enum) == (15, 0, None, 0.01, ())
    assert currency.enum == ("$", "€")
    assert (read.tools, read.missing_tools) == (("calculate",), ("calculate",))
    assert read.expected_outcome == {"type": "number", "value": 7500}
    assert read.rehearsal.whole is True
    assert read.raw["fromTheFuture"] == 1


def test_a_template_is_created_without_a_description(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", "/api/eval/create-task-agent", reply(201, {"executionId": "exe_1", "status": "queued"}))
    given = {"baseShare": 50, "priorAverage": "1.5"}
    caller.do(lambda client: client.create_task_agent(template="tax-credit", parameters=given))
    assert server.received[-1].body == {"template": "tax-credit", "parameters": given}


def test_a_field_that_there_is_not_is_refused_before_anything_is_sent(
    caller: "Caller", server: "ScriptedServer"
) -> None:
    with pytest.raises(TypeError, match="templates"):
        caller.do(lambda client: client.create_task_agent(templates="tax-credit"))
    assert server.received == []
