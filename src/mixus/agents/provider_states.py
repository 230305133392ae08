"""How each model provider stands here: whether a task may name a model of it, or what it lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import Final

from mixus.agents.catalog import Catalog
from mixus.agents.provider_keys import VARIABLES, missing_key
from mixus.agents.providers import EXTRAS

# What is imported of each provider's library; the others speak through OpenAI's.
LIBRARIES: Final = {
    "anthropic": "anthropic",
    "google": "google.genai",
    "mistral": "mistralai",
    "groq": "groq",
}
OTHERS: Final = "openai"


class ProviderState(StrEnum):
    READY = "ready"
    # Its key is there, and the admin named no model: nothing is spent.
    UNUSED = "not used"
    NOT_ALLOWED = "not allowed"
    NO_LIBRARY = "library missing"
    NOT_SET_UP = "not set up"


@dataclass(frozen=True)
class Provider:
    """`variable` is what configures it; `allowed` are the patterns of its models, None for all."""

    name: str
    variable: str
    state: ProviderState
    allowed: Sequence[str] | None

    @property
    def extra(self) -> str:
        """Which of our extras brings its library."""
        return EXTRAS.get(self.name, "server")


def providers_of(catalog: Catalog) -> Sequence[Provider]:
    return [
        Provider(name, variable, _state(catalog, name), _allowed(catalog, name))
        for name, variable in VARIABLES.items()
    ]


def _state(catalog: Catalog, name: str) -> ProviderState:
    if missing_key(name) is not None:
        return ProviderState.NOT_SET_UP
    if not is_installed(LIBRARIES.get(name, OTHERS)):
        return ProviderState.NO_LIBRARY
    if not catalog.may_spend:
        return ProviderState.UNUSED
    return ProviderState.NOT_ALLOWED if _allowed(catalog, name) == [] else ProviderState.READY


def _allowed(catalog: Catalog, name: str) -> Sequence[str] | None:
    """Patterns that may fit a model of this provider."""
    if catalog.rules.allowed is None:
        return None
    return sorted(
        pattern for pattern in catalog.rules.allowed if pattern.startswith((f"{name}:", "*", f"{name}*"))
    )


@cache
def is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
