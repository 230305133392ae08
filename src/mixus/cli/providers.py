"""Where the keys of model providers are looked for in the environment."""

import os

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GEMINI_API_KEY"}


def missing_key(model: str) -> str | None:
    """The variable that this model needs and that is not set."""
    variable = KEYS.get(model.partition(":")[0])
    return variable if variable is not None and not os.environ.get(variable) else None


def unused_keys() -> list[str]:
    return [
        f"{variable} is set but not used, and nothing is spent: set MIXUS_MODEL={provider}:NAME to use it."
        for provider, variable in KEYS.items()
        if os.environ.get(variable)
    ]
