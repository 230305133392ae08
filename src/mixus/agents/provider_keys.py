"""Which model providers there are, and the variable that an admin configures each of them with."""

import os
from typing import Final
from urllib.parse import urlsplit

COMPATIBLE: Final = "openai-compatible"
COMPATIBLE_KEY: Final = "OPENAI_COMPATIBLE_API_KEY"
OLLAMA_KEY: Final = "OLLAMA_API_KEY"

VARIABLES: Final = {
    "openai": "OPENAI_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "ollama": "OLLAMA_BASE_URL",
    COMPATIBLE: "OPENAI_COMPATIBLE_BASE_URL",
}


def is_provided(model: str) -> bool:
    """Whether this is a model of a provider, and not one of ours."""
    return model.partition(":")[0] in VARIABLES


def missing_key(model: str) -> str | None:
    """The variable that this model needs and that is not set."""
    variable = VARIABLES.get(model.partition(":")[0])
    return variable if variable is not None and not os.environ.get(variable) else None


def misspelt_address() -> str | None:
    """A variable that holds no address of a server, which every task would wait for in vain."""
    for variable in sorted({*VARIABLES.values()}):
        address = os.environ.get(variable)
        if variable.endswith("_URL") and address and not _is_address(address):
            return variable
    return None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def values() -> list[str]:
    """The keys themselves: what no text may tell."""
    names = {*VARIABLES.values(), COMPATIBLE_KEY, OLLAMA_KEY}
    return [value for name in sorted(names) if name.endswith("_KEY") and (value := os.environ.get(name))]


def unused_keys() -> list[str]:
    """One sentence for each variable that is set."""
    first = {variable: provider for provider, variable in reversed(VARIABLES.items())}
    return [
        f"{variable} is set but not used, and nothing is spent: set MIXUS_MODEL={provider}:NAME to use it."
        for variable, provider in first.items()
        if os.environ.get(variable)
    ]
