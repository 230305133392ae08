"""Which model providers there are, and the variable that an admin configures each of them with."""

import os
from typing import Final

VARIABLES: Final = {
    "openai": "OPENAI_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "ollama": "OLLAMA_BASE_URL",
}


def missing_key(model: str) -> str | None:
    """The variable that this model needs and that is not set."""
    variable = VARIABLES.get(model.partition(":")[0])
    return variable if variable is not None and not os.environ.get(variable) else None


def unused_keys() -> list[str]:
    """One sentence for each variable that is set."""
    first = {variable: provider for provider, variable in reversed(VARIABLES.items())}
    return [
        f"{variable} is set but not used, and nothing is spent: set MIXUS_MODEL={provider}:NAME to use it."
        for variable, provider in first.items()
        if os.environ.get(variable)
    ]
