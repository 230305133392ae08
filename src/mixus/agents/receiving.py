"""An answer of a model as it can be kept: storable, without secrets, and with our own ids for its calls."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from pydantic_ai.messages import ModelResponse, ModelResponsePart, ToolCallPart
from pydantic_ai.usage import RequestUsage

from mixus.agents.kept import is_kept_exactly, kept
from mixus.core.ids import new_id

# More than any call has used: what a provider says of its own usage may be nonsense.
MOST_TOKENS: Final = 10**12
UNREADABLE: Final = "arguments that no row can hold"

T = TypeVar("T", bound=ModelResponsePart | ModelResponse)
# What is done to foreign text before it is kept.
Clean = Callable[[Any], Any]


def received(response: ModelResponse, clean: Clean) -> ModelResponse:
    """A model's ids may repeat, and approvals are bound to ids."""
    parts = [_named(_cleaned(part, clean)) for part in response.parts]
    usage = response.usage if _is_believable(response.usage) else RequestUsage()
    return replace(_cleaned(response, clean), parts=parts, usage=usage)


def _cleaned(item: T, clean: Clean) -> T:
    names = {each.name for each in fields(item) if each.init}
    values = {
        name: _cleaned_value(value, clean)
        for name, value in vars(item).items()
        if name in names and isinstance(value, str | dict)
    }
    if isinstance(item, ToolCallPart) and item.args is not None:
        values["args"] = _cleaned_arguments(item.args, clean)
    return replace(item, **values)


def _cleaned_value(value: Any, clean: Clean) -> Any:
    """None where no row can hold it: details of a provider's own, which nobody reads."""
    try:
        return kept(clean(value))
    except (ValueError, RecursionError):
        return None


def _cleaned_arguments(arguments: Any, clean: Clean) -> str | dict[str, Any]:
    """Cleaned as the text that came and as what it says, in which nothing is escaped.

    What no row gives back as it is stays text, which is refused like any other bad call.
    """
    try:
        if isinstance(arguments, str):
            return _cleaned_text(clean(arguments), clean)
        said: dict[str, Any] = clean(arguments)
        return said if is_kept_exactly(said) else json.dumps(said)
    except (TypeError, ValueError, RecursionError):
        return UNREADABLE


def _cleaned_text(text: str, clean: Clean) -> str:
    try:
        said = json.loads(text)
        safe = clean(said)
    except (ValueError, RecursionError):
        return text
    return text if safe == said else json.dumps(safe)


def _is_believable(usage: RequestUsage) -> bool:
    tokens = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return all(isinstance(number, int) and 0 <= number <= MOST_TOKENS for number in tokens)


def _named(part: ModelResponsePart) -> ModelResponsePart:
    return replace(part, tool_call_id=new_id("act")) if isinstance(part, ToolCallPart) else part
