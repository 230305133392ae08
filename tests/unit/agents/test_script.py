"""The script is played exactly, one call after another."""

from dataclasses import replace

import pytest
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from mixus.agents.models.script import ScriptModel
from mixus.agents.prompts import HINT_PREFIX, NOT_PERFORMED

SCRIPT: list[dict[str, object]] = [
    {"tool": "calculate", "arguments": {"expression": "1 + 1"}},
    {"tool": "checkpoint", "arguments": {"stage": "sum"}},
    {"final": "It is 2."},
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def answer(model: ScriptModel, messages: list[ModelMessage]) -> tuple[str, ToolCallPart | None]:
    response = await model_request(model, messages)
    calls = [
        replace(part, tool_call_id=f"act_{len(messages)}")
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]
    texts = [part.content for part in response.parts if isinstance(part, TextPart)]
    messages.append(ModelResponse(parts=[*map(TextPart, texts), *calls]))
    return texts[0], calls[0] if calls else None


def returned(call: ToolCallPart | None, content: str) -> ModelRequest:
    assert call
    return ModelRequest(parts=[ToolReturnPart(call.tool_name, content, call.tool_call_id)])


@pytest.mark.anyio
async def test_calls_come_in_order_and_then_the_final_text() -> None:
    model, messages = ScriptModel(SCRIPT), list[ModelMessage]([ModelRequest(parts=[UserPromptPart("Add.")])])
    work, call = await answer(model, messages)
    assert work == "script: call 1 of 2"
    assert call
    assert call.args_as_dict() == {"expression": "1 + 1"}
    messages.append(returned(call, "2"))
    work, call = await answer(model, messages)
    assert work == "script: call 2 of 2"
    messages.append(returned(call, "ok"))
    assert await answer(model, messages) == ("It is 2.", None)


@pytest.mark.anyio
async def test_a_call_that_a_hint_dropped_is_played_again_exactly() -> None:
    model, messages = ScriptModel(SCRIPT), list[ModelMessage]([ModelRequest(parts=[UserPromptPart("Add.")])])
    _, first = await answer(model, messages)
    assert first
    dropped = ToolReturnPart(
        first.tool_name, f"{NOT_PERFORMED} a hint.", first.tool_call_id, outcome="denied"
    )
    messages.append(ModelRequest(parts=[dropped, UserPromptPart(f"{HINT_PREFIX}more")]))
    work, again = await answer(model, messages)
    assert work == "script: call 1 of 2"
    assert again
    assert again.args_as_dict() == first.args_as_dict()


@pytest.mark.anyio
async def test_a_script_without_an_end_says_that_it_is_finished() -> None:
    messages = list[ModelMessage]([ModelRequest(parts=[UserPromptPart("Nothing.")])])
    assert await answer(ScriptModel([]), messages) == ("Script finished.", None)
