"""What a model of ours needs to know from the messages so far: task, hints, and calls that were performed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from mixus.agents.prompts import HINT_PREFIX, NOT_PERFORMED


@dataclass(frozen=True)
class PerformedCall:
    """A call with a result; `label` is what the model named it, `arguments` are what ran, edited or not."""

    label: str
    tool: str
    arguments: dict[str, object]
    content: str
    is_success: bool = True


@dataclass
class History:
    """The messages, read once."""

    task: str = ""
    hints: list[str] = field(default_factory=list)
    performed: list[PerformedCall] = field(default_factory=list)
    responses: int = 0


def read_history(messages: list[ModelMessage]) -> History:
    history, calls = History(), dict[str, ToolCallPart]()
    has_task = False
    for part in _parts(messages, history):
        if isinstance(part, ToolCallPart):
            calls[part.tool_call_id] = part
        elif isinstance(part, ToolReturnPart):
            _add_return(history, part, calls.get(part.tool_call_id))
        elif not has_task:
            history.task, has_task = _text(part), True
        elif _text(part).startswith(HINT_PREFIX):
            hint = _text(part).removeprefix(HINT_PREFIX).strip()
            history.hints.append(hint)
    return history


def _parts(
    messages: list[ModelMessage], history: History
) -> Iterator[ToolCallPart | ToolReturnPart | UserPromptPart]:
    for message in messages:
        history.responses += isinstance(message, ModelResponse)
        wanted = (ToolCallPart,) if isinstance(message, ModelResponse) else (ToolReturnPart, UserPromptPart)
        # Returns first: a hint in the same message is about what they say.
        parts = sorted(message.parts, key=lambda part: isinstance(part, UserPromptPart))
        yield from (part for part in parts if isinstance(part, wanted))


def _add_return(history: History, part: ToolReturnPart, call: ToolCallPart | None) -> None:
    content = part.content if isinstance(part.content, str) else part.model_response_str()
    if content.startswith(NOT_PERFORMED):
        return
    arguments = call.args_as_dict() if call else {}
    label = (call.id if call else None) or ""
    is_success = part.outcome == "success"
    history.performed.append(PerformedCall(label, part.tool_name, arguments, content, is_success))


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(piece for piece in part.content if isinstance(piece, str))
