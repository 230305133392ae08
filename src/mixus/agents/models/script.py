"""The model `script`: plays the calls of its script exactly, one at a time."""

from collections.abc import Mapping, Sequence

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from mixus.agents.models.history import read_history

Entry = Mapping[str, object]


class ScriptModel(Model):
    """Plays `[{tool, arguments}…, {final}]`; a call that was dropped by a hint is played again as it is.

    Its place is the number of performed calls in the messages, so it keeps nothing between requests.
    """

    def __init__(self, script: Sequence[Entry]) -> None:
        super().__init__()
        self._calls = [entry for entry in script if "tool" in entry]
        self._final = next((str(entry["final"]) for entry in script if "final" in entry), "Script finished.")

    @property
    def model_name(self) -> str:
        return "script"

    @property
    def system(self) -> str:
        return "mixus"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        del model_settings, model_request_parameters
        history = read_history(messages)
        place = len(history.performed)
        if place >= len(self._calls):
            return ModelResponse(parts=[TextPart(self._final)], model_name=self.model_name)
        call = ToolCallPart(
            str(self._calls[place]["tool"]),
            _arguments(self._calls[place]),
            tool_call_id=f"script-{place + 1}-{history.responses + 1}",
        )
        work = TextPart(f"script: call {place + 1} of {len(self._calls)}")
        return ModelResponse(parts=[work, call], model_name=self.model_name)


def _arguments(entry: Entry) -> dict[str, object]:
    arguments = entry.get("arguments")
    return dict(arguments) if isinstance(arguments, Mapping) else {}
