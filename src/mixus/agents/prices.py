"""What a call costs: the deployment's own table first, then the known prices. Unknown is None, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from genai_prices import Usage, calc_price
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.usage import RequestUsage

from mixus.agents.provider_keys import COMPATIBLE
from mixus.core.errors import Misconfigured

MILLION: Final = 1_000_000

Money = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False, strict=True)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[^:\s]+:\S+$", max_length=200)]


class Price(BaseModel):
    """In US dollars for a million tokens."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=False, frozen=True, extra="forbid")

    input_per_million_usd: Money
    output_per_million_usd: Money
    # Of what the provider had kept from an earlier call; as the rest of the input when unset.
    cached_input_per_million_usd: Money | None = None

    def cost(self, usage: RequestUsage) -> float:
        cached = usage.cache_read_tokens
        cached_price = self.cached_input_per_million_usd
        if cached_price is None:
            cached_price = self.input_per_million_usd
        whole = (
            max(0, usage.input_tokens - cached) * self.input_per_million_usd
            + cached * cached_price
            + usage.output_tokens * self.output_per_million_usd
        )
        return whole / MILLION


@dataclass(frozen=True)
class Prices:
    own: Mapping[str, Price] = field(default_factory=dict)

    def knows(self, name: str, model: Model) -> bool:
        """Whether a budget can hold for this model."""
        if name in self.own:
            return True
        if _has_no_list_price(name):
            return False
        try:
            calc_price(Usage(input_tokens=1), model.model_name, provider_id=model.system)
        except LookupError:
            return False
        return True

    def cost(self, name: str, response: ModelResponse) -> float | None:
        """In US dollars; None where the usage or the price is not known."""
        usage = response.usage
        if not usage.has_values() or usage.unmeasured_requests:
            return None
        if name in self.own:
            return self.own[name].cost(usage)
        if _has_no_list_price(name):
            return None
        try:
            return float(response.cost().total_price)
        except (LookupError, ValueError):
            return None


def _has_no_list_price(name: str) -> bool:
    """Whoever serves it takes his own price, whatever a model of that name costs elsewhere."""
    return name.partition(":")[0] == COMPATIBLE


TABLE: Final = TypeAdapter(dict[ModelName, Price])


def read_prices(path: Path | None) -> Prices:
    """The table that the file holds; raises Misconfigured, without quoting what stands there."""
    if path is None:
        return Prices()
    try:
        return Prices(TABLE.validate_json(path.read_bytes()))
    except OSError as unreadable:
        raise Misconfigured(
            f"MIXUS_PRICES_FILE={path} cannot be read ({unreadable.strerror}); name a file that can."
        ) from None
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise Misconfigured(
            f"MIXUS_PRICES_FILE={path} is not valid at {place}: {_in_words(first['type'])}."
        ) from None


def _in_words(kind: str) -> str:
    words = {
        "missing": "this must be given",
        "extra_forbidden": "there is no such member",
        "json_invalid": "it is no JSON",
        "string_pattern_mismatch": "a model is written provider:name",
    }
    return words.get(kind, "it must be a number from 0 to 1,000,000")
