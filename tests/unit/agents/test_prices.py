"""What a call costs, and a table of prices that an admin wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RequestUsage

from mixus.agents.prices import Price, Prices, read_prices
from mixus.core.errors import Misconfigured

NAME = "openai:gpt-4o"
OWN = {"inputPerMillionUsd": 4, "outputPerMillionUsd": 8.0}


def response(usage: RequestUsage, model_name: str = "gpt-4o") -> ModelResponse:
    return ModelResponse([TextPart("5")], usage=usage, model_name=model_name, provider_name="openai")


def usage(cached: int = 0) -> RequestUsage:
    return RequestUsage(input_tokens=1_000_000, output_tokens=500_000, cache_read_tokens=cached)


def price_of(input_usd: float, output_usd: float, **more: float | None) -> Price:
    table = {"inputPerMillionUsd": input_usd, "outputPerMillionUsd": output_usd}
    return Price.model_validate({**table, **more})


def written(folder: Path, table: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(table if isinstance(table, str) else json.dumps(table))
    return path


def test_more_kept_than_there_was_costs_no_less_than_nothing() -> None:
    price = price_of(4, 8, cachedInputPerMillionUsd=0)
    assert price.cost(usage(cached=9_000_000)) == pytest.approx(4)


def test_the_own_table_comes_before_the_known_prices(tmp_path: Path) -> None:
    prices = read_prices(written(tmp_path, {NAME: OWN}))
    assert prices.cost(NAME, response(usage())) == pytest.approx(4 + 4)
    known = Prices().cost(NAME, response(usage()))
    assert known is not None
    assert known > 0
    assert known != pytest.approx(8)


@pytest.mark.parametrize(("cached", "cost"), [(None, 4.0), (1.0, 1.0), (0.0, 0.0)])
def test_input_that_the_provider_had_kept_has_its_own_price(cached: float | None, cost: float) -> None:
    price = price_of(4, 0, cachedInputPerMillionUsd=cached)
    asked = response(usage(cached=1_000_000))
    assert Prices({NAME: price}).cost(NAME, asked) == pytest.approx(cost)


def test_what_is_free_costs_nothing_which_is_known() -> None:
    free = price_of(0, 0)
    assert Prices({NAME: free}).cost(NAME, response(usage())) == 0


@pytest.mark.parametrize("unknown", [RequestUsage(), RequestUsage(unmeasured_requests=1)])
def test_without_usage_the_cost_is_unknown_even_where_the_price_is_known(unknown: RequestUsage) -> None:
    own = price_of(4, 8)
    assert Prices({NAME: own}).cost(NAME, response(unknown)) is None
    assert Prices().cost(NAME, response(unknown)) is None


def test_without_a_price_the_cost_is_unknown() -> None:
    assert Prices().cost("openai:no-such", response(usage(), "no-such-model")) is None


def test_a_budget_needs_a_price() -> None:
    model = FunctionModel(lambda _messages, _info: response(RequestUsage()))
    assert not Prices().knows("test:m", model)
    assert Prices({"test:m": price_of(1, 1)}).knows("test:m", model)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("{secret", "the whole file: it is no JSON"),
        ([OWN], "the whole file"),
        ({NAME: {"inputPerMillionUsd": 1}}, f"{NAME}.outputPerMillionUsd: this must be given"),
        ({NAME: {**OWN, "perHour": 1}}, f"{NAME}.perHour: there is no such member"),
        ({NAME: {**OWN, "inputPerMillionUsd": -1}}, f"{NAME}.inputPerMillionUsd: it must be a number"),
        ({NAME: {**OWN, "inputPerMillionUsd": "secret"}}, f"{NAME}.inputPerMillionUsd: it must be a number"),
        ('{"openai:a": {"inputPerMillionUsd": NaN, "outputPerMillionUsd": 1}}', "inputPerMillionUsd"),
        ({"gpt-4o": OWN}, "a model is written provider:name"),
    ],
)
def test_a_table_that_is_wrong_is_one_sentence_that_quotes_nothing(
    tmp_path: Path, table: Any, said: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_prices(written(tmp_path, table))
    assert said in refused.value.detail
    assert refused.value.detail.startswith(f"MIXUS_PRICES_FILE={tmp_path}")
    assert "secret" not in refused.value.detail
    assert "\n" not in refused.value.detail


def test_a_table_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_prices(tmp_path / "none.json")


def test_the_table_that_the_reference_shows_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "models.md").read_text()
    shown = page.partition("```json\n")[2].partition("```")[0]
    prices = read_prices(written(tmp_path, shown))
    assert prices.own["ollama:llama3.2"].cost(usage()) == 0
