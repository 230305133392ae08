"""The conversation with the model, rebuilt from the journal: rows are all that a segment starts from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from mixus.agents.prompts import CUT_REMINDER, EDITED, HINT_PREFIX, NOT_PERFORMED, PLAN_REMINDER, REMINDER
from mixus.core.database import Row

MAX_BAD_ANSWERS = 4
REMINDERS = frozenset({CUT_REMINDER, PLAN_REMINDER, REMINDER})

P = TypeVar("P", bound=ModelResponsePart)


class StateUnreadable(Exception):
    """The stored conversation is of a format that this release cannot read."""


@dataclass
class Conversation:
    """Where the work stands. `open_calls` were asked for and have no result yet."""

    messages: list[ModelMessage] = field(default_factory=list)
    open_calls: list[ToolCallPart] = field(default_factory=list)
    answer: str | None = None
    bad_answers: int = 0
    is_bad: bool = False
    # What a reviewer changed before it ran: the call's id and the arguments that the model had proposed.
    proposed: dict[str, Any] = field(default_factory=dict)

    def add(self, message: ModelMessage) -> None:
        if isinstance(message, ModelResponse):
            self._add_response(message)
        else:
            self._add_request(message)

    def hint(self, text: str, effects: Mapping[str, Row]) -> None:
        """Drop what was held and do the stage again. What did happen, or may have, is told as it is."""
        parts = [_dropped(call, effects.get(call.tool_call_id)) for call in self.open_calls]
        prompt = UserPromptPart(HINT_PREFIX + text)
        self._add_request(ModelRequest(parts=[*parts, prompt]))
        self.answer = None

    def edit(self, effective: Mapping[str, Mapping[str, Any]]) -> None:
        """Put what was approved in place of what was proposed: the history tells what really ran."""
        for call in self.open_calls:
            if call.tool_call_id in effective:
                self.proposed[call.tool_call_id] = call.args
        # A plan that was asked for beside them has its result already, after the answer that they stand in.
        place = max(
            place for place, message in enumerate(self.messages) if isinstance(message, ModelResponse)
        )
        last = self.messages[place]
        if isinstance(last, ModelResponse):
            self.messages[place] = replace(last, parts=[_edited(part, effective) for part in last.parts])
        self.open_calls = [_edited(call, effective) for call in self.open_calls]

    def edit_of(self, action_id: str) -> str | None:
        """What to tell the model of a call that a reviewer changed."""
        if action_id not in self.proposed:
            return None
        return f"{EDITED} You had proposed: {_written(self.proposed[action_id])}"

    def _add_response(self, response: ModelResponse) -> None:
        self.messages.append(response)
        self.is_bad = False
        self.open_calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
        text = text_of(response)
        self.answer = text if text and not self.open_calls else None

    def _add_request(self, request: ModelRequest) -> None:
        answered = {part.tool_call_id for part in request.parts if isinstance(part, ToolReturnPart)}
        self.open_calls = [call for call in self.open_calls if call.tool_call_id not in answered]
        self._count(is_retry=_is_retry(request))
        self.answer = None
        last = self.messages[-1] if self.messages else None
        if isinstance(last, ModelRequest):
            self.messages[-1] = replace(last, parts=[*last.parts, *request.parts])
        else:
            self.messages.append(request)

    def _count(self, *, is_retry: bool) -> None:
        """A bad answer counts once, however many calls it holds."""
        if not is_retry:
            self.bad_answers = 0
        elif not self.is_bad:
            self.bad_answers += 1
            self.is_bad = True


def rebuild(entries: Iterable[Row], effects: Mapping[str, Row]) -> Conversation:
    """The conversation as the journal has it; raises StateUnreadable. `effects` is by action id."""
    conversation = Conversation()
    for entry in entries:
        if entry["message"] is not None:
            conversation.add(load(entry["message"]))
        elif entry["kind"] == "decision" and entry["data"]["action"] == "hint":
            conversation.hint(entry["data"]["hint"], effects)
        elif entry["kind"] == "decision" and entry["data"].get("edited"):
            conversation.edit(entry["data"]["edited"])
    return conversation


def prompt(system: str, task: str) -> ModelRequest:
    return ModelRequest(parts=[SystemPromptPart(system), UserPromptPart(task)])


def answered(call: ToolCallPart, content: Any, note: str | None = None) -> ModelRequest:
    return _returned(ToolReturnPart(call.tool_name, content, call.tool_call_id), note)


def failed(call: ToolCallPart, sentence: Any, note: str | None = None) -> ModelRequest:
    return _returned(ToolReturnPart(call.tool_name, str(sentence), call.tool_call_id, outcome="failed"), note)


def retried(call: ToolCallPart, sentence: str) -> ModelRequest:
    part = ToolReturnPart(call.tool_name, sentence, call.tool_call_id, outcome="retried")
    return ModelRequest(parts=[part])


def reminded(sentence: str) -> ModelRequest:
    """For an answer that holds neither a call nor a text, or no plan where there has to be one."""
    return ModelRequest(parts=[UserPromptPart(sentence)])


def text_of(response: ModelResponse) -> str:
    return "\n".join(part.content for part in response.parts if isinstance(part, TextPart)).strip()


def dump(message: ModelMessage) -> Any:
    return ModelMessagesTypeAdapter.dump_python([message], mode="json")[0]


def load(stored: Any) -> ModelMessage:
    try:
        messages: Sequence[ModelMessage] = ModelMessagesTypeAdapter.validate_python([stored])
    except ValidationError as invalid:
        raise StateUnreadable("A stored message is of an unknown form.") from invalid
    return messages[0]


def _returned(part: ToolReturnPart, note: str | None) -> ModelRequest:
    return ModelRequest(parts=[part, *([UserPromptPart(note)] if note else [])])


def _edited(part: P, effective: Mapping[str, Mapping[str, Any]]) -> P:
    if not isinstance(part, ToolCallPart) or part.tool_call_id not in effective:
        return part
    edited = copy(part)
    edited.args = dict(effective[part.tool_call_id])
    return edited


def _written(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _dropped(call: ToolCallPart, effect: Row | None) -> ToolReturnPart:
    if effect is None:
        sentence = f"{NOT_PERFORMED} the reviewer gave a hint instead."
        return ToolReturnPart(call.tool_name, sentence, call.tool_call_id, outcome="denied")
    if effect["is_error"]:
        return ToolReturnPart(call.tool_name, str(effect["result"]), call.tool_call_id, outcome="failed")
    return ToolReturnPart(call.tool_name, effect["result"], call.tool_call_id)


def _is_retry(request: ModelRequest) -> bool:
    return any(
        (isinstance(part, UserPromptPart) and part.content in REMINDERS)
        or (isinstance(part, ToolReturnPart) and part.outcome == "retried")
        for part in request.parts
    )
