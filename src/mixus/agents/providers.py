"""The clients of the configured model providers: nobody else is connected to."""

from functools import lru_cache

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from mixus.agents.provider_keys import VARIABLES, missing_key
from mixus.core.errors import Invalid


def model(name: str) -> Model:
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
        raise Invalid(f"{provider} is not configured: set {missing} where the server runs.", field="model")
    try:
        return _client(name)
    except ImportError as lacking:
        raise Invalid(
            f"The server lacks the library of {provider}; install pydantic-ai-slim[{provider}] there.",
            field="model",
        ) from lacking
    except UserError as refused:
        raise Invalid(f"{provider} does not take this model; correct its name.", field="model") from refused


@lru_cache(maxsize=64)
def _client(name: str) -> Model:
    """Made once for all executions: it owns connections."""
    return infer_model(name)
