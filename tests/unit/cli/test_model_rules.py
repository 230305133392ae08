"""Which models a deployment may use, as its settings say it, checked when it starts."""

import json
from pathlib import Path

import pytest

from mixus.agents.catalog import Catalog
from mixus.agents.tools.builtin import BUILT_IN
from mixus.cli import building
from mixus.cli.secrets import secrets_of
from mixus.core.errors import Misconfigured
from mixus.core.settings import Settings


def test_the_rules_are_those_of_the_settings(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    table = {"openai-compatible:m": {"inputPerMillionUsd": 1, "outputPerMillionUsd": 2}}
    prices.write_text(json.dumps(table))
    settings = Settings(models="openai:gpt-*, ollama:*", prices_file=prices, model_timeout_seconds=7)
    rules = building.model_rules(settings)
    assert rules.allowed == frozenset({"openai:gpt-*", "ollama:*"})
    assert list(rules.prices.own) == ["openai-compatible:m"]
    assert rules.timeout_seconds == 7


def test_a_list_that_names_nothing_is_not_taken_for_no_list() -> None:
    assert building.model_rules(Settings()).allowed is None
    assert building.model_rules(Settings(models=",")).allowed == frozenset()


def test_prices_that_cannot_be_read_let_nothing_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="MIXUS_PRICES_FILE"):
        building.model_rules(Settings(prices_file=tmp_path / "none.json"))


def test_a_default_model_that_is_not_allowed_lets_nothing_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    rules = building.model_rules(Settings(models="ollama:*"))
    with pytest.raises(Misconfigured, match=r"MIXUS_MODEL=openai:gpt-4o cannot be used: .*ollama:\*"):
        building.require_model(Catalog("openai:gpt-4o", may_spend=True, rules=rules))
    building.require_model(Catalog("rehearsal", may_spend=True, rules=rules))


def test_a_key_in_the_environment_alone_is_no_order_to_spend() -> None:
    assert not building.may_spend(Settings())
    assert building.may_spend(Settings(model="rehearsal"))
    assert building.may_spend(Settings(models="openai:*"))


@pytest.mark.parametrize("model", ["rehearsal", "script", "nobody:x"])
def test_a_judge_that_is_no_language_model_lets_nothing_start(model: str) -> None:
    rules = building.model_rules(Settings(judge_model=model))
    with pytest.raises(Misconfigured, match=f"MIXUS_JUDGE_MODEL={model} cannot judge: name a language model"):
        building.require_judge(Catalog("rehearsal", rules=rules))


def test_a_live_tool_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    building.warn_of_live_tools(Settings(live_tools="send_email, send_emial"), BUILT_IN)
    assert caplog.messages == ["MIXUS_LIVE_TOOLS names send_emial, which is no tool here as yet"]


def test_what_an_mcp_server_is_given_from_the_environment_is_a_secret_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mcp.json"
    headers = {"Authorization": "Bearer ${CRM_TOKEN}"}
    file.write_text(json.dumps({"servers": {"crm": {"url": "http://127.0.0.1:1/mcp", "headers": headers}}}))
    monkeypatch.setenv("CRM_TOKEN", "made-up-token")
    assert "made-up-token" in secrets_of(Settings(mcp_file=file))


@pytest.mark.parametrize(
    "address", ["notaurl", "ftp://127.0.0.1", "http://", "http://127.0.0.1:0/v1", "http://[/"]
)
def test_an_address_that_is_none_lets_nothing_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", address)
    with pytest.raises(Misconfigured, match="OPENAI_COMPATIBLE_BASE_URL is no address"):
        building.require_addresses()
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", "http://127.0.0.1:8080/v1")
    building.require_addresses()


def test_a_collector_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="otlp_endpoint"):
        Settings(otlp_endpoint="foo")
    assert Settings(otlp_endpoint="http://127.0.0.1:4318/").otlp_endpoint == "http://127.0.0.1:4318"
