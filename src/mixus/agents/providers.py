"""The clients of the configured model providers: nobody else is connected to."""

import os
from functools import lru_cache
from typing import Any, Final

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider

from mixus.agents.provider_keys import COMPATIBLE, COMPATIBLE_KEY, VARIABLES, is_provided, missing_key
from mixus.core.errors import Invalid

# Which of our extras brings a provider's library; the others come with the server.
EXTRAS: Final = {name: name for name in ("anthropic", "google", "mistral", "groq")}


class Clients:
    """Owns the connections to providers: one client for each, made when it is first asked for."""

    def __init__(self) -> None:
        self._provider = lru_cache(maxsize=None)(_provider)
        # People name models freely, so only so many are kept.
        self._model = lru_cache(maxsize=64)(self._build)
        self._unstreamed: set[str] = set()

    def model(self, name: str) -> Model:
        """The client of this `provider:name`; raises Invalid where the provider is not configured."""
        provider, _, model_name = name.partition(":")
        if provider not in VARIABLES or not model_name:
            known = ", ".join(VARIABLES)
            raise Invalid(
                f"The model must be `rehearsal`, `script` or `provider:name`; providers are {known}.",
                field="model",
            )
        missing = missing_key(name)
        if missing is not None:
            raise Invalid(
                f"{provider} is not configured: set {missing} where the server runs.", field="model"
            )
        try:
            return self._model(name)
        except ImportError as lacking:
            extra = EXTRAS.get(provider, "server")
            raise Invalid(
                f"The server lacks the library of {provider}: install mixus[{extra}] where the server runs.",
                field="model",
            ) from lacking
        except UserError as refused:
            raise Invalid(
                f"{provider} does not take this model; correct its name.", field="model"
            ) from refused

    def streams(self, name: str) -> bool:
        """Whether its answers come piece by piece, as far as is known."""
        return is_provided(name) and name not in self._unstreamed

    def does_not_stream(self, name: str) -> None:
        """Remember what was found out, so that it is asked the other way from now on."""
        self._unstreamed.add(name)

    def _build(self, name: str) -> Model:
        provider, _, model_name = name.partition(":")
        if provider != COMPATIBLE:
            return infer_model(name, provider_factory=self._provider)
        from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - where the library may lack

        return OpenAIChatModel(model_name, provider=self._provider(provider))


def _provider(name: str) -> Provider[Any]:
    if name != COMPATIBLE:
        return infer_provider(name)
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415 - see above

    return OpenAICompatibleProvider(
        COMPATIBLE,
        base_url=os.environ[VARIABLES[COMPATIBLE]],
        api_key=os.environ.get(COMPATIBLE_KEY) or None,
        # Without it an answer whose connection was cut would be taken for a whole one.
        profile=OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True),
    )
