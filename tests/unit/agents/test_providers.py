"""Which models a deployment can call, and what it says where something is missing."""

import sys

import pytest
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

from mixus.agents import provider_keys
from mixus.agents.catalog import Catalog, ModelRules
from mixus.agents.provider_keys import VARIABLES
from mixus.agents.providers import EXTRAS, Clients
from mixus.core.errors import Invalid
from mixus.evals.tasks import NewTask

LOOPBACK = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in {*VARIABLES.values(), provider_keys.COMPATIBLE_KEY, "OPENAI_BASE_URL"}:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("provider", VARIABLES)
def test_a_provider_without_its_variable_is_refused_with_its_name(provider: str) -> None:
    with pytest.raises(Invalid, match=f"set {VARIABLES[provider]} where the server runs") as refused:
        Clients().model(f"{provider}:m")
    assert refused.value.members["errors"][0]["field"] == "model"


@pytest.mark.parametrize("provider", EXTRAS)
def test_a_missing_library_is_said_with_the_extra_that_brings_it(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLES[provider], "made-up")
    # As the interpreter has it where a module cannot be found, whatever is installed here.
    monkeypatch.setitem(sys.modules, f"pydantic_ai.providers.{provider}", None)
    with pytest.raises(Invalid) as refused:
        Clients().model(f"{provider}:m")
    said = f"The server lacks the library of {provider}: install mixus[{provider}] where the server runs."
    assert refused.value.detail == said


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai:gpt-4o", OpenAIResponsesModel),
        ("openai-chat:gpt-4o", OpenAIChatModel),
        ("openrouter:openai/gpt-4o", OpenAIChatModel),
        ("ollama:llama3.2:3b", OpenAIChatModel),
        ("openai-compatible:org/model:7b", OpenAIChatModel),
    ],
)
def test_a_configured_provider_has_a_client_of_the_name_after_the_first_colon(
    name: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = VARIABLES[name.partition(":")[0]]
    monkeypatch.setenv(variable, LOOPBACK if variable.endswith("URL") else "made-up")
    model = Clients().model(name)
    assert isinstance(model, kind)
    assert model.model_name == name.partition(":")[2]


@pytest.mark.parametrize("name", ["gpt-4o", "nobody:gpt-4o", "openai:", ":m", "", "gateway/openai:gpt-4o"])
def test_a_name_of_no_provider_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    with pytest.raises(Invalid, match="provider:name"):
        Clients().model(name)


def test_a_name_that_the_provider_cannot_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "made-up")
    with pytest.raises(Invalid, match="correct its name"):
        Clients().model("openrouter:gpt-4o")


def test_the_key_of_one_provider_is_not_sent_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-key-of-openai")
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", LOOPBACK)
    model = Clients().model("openai-compatible:m")
    assert isinstance(model, OpenAIChatModel)
    assert model.client.api_key != "the-key-of-openai"
    assert str(model.client.base_url) == f"{LOOPBACK}/"


def test_models_of_one_provider_share_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    clients = Clients()
    one, other = clients.model("openai-chat:a"), clients.model("openai-chat:b")
    assert isinstance(one, OpenAIChatModel)
    assert isinstance(other, OpenAIChatModel)
    assert one.client is other.client


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        (None, "openai:gpt-4o"),
        ({"openai:gpt-*"}, "openai:gpt-4o"),
        ({"ollama:*", "openai:gpt-*"}, "ollama:llama3"),
        (set(), "rehearsal"),
        (set(), "script"),
    ],
)
def test_a_model_that_a_pattern_fits_is_allowed_and_those_of_ours_always(
    allowed: set[str] | None, name: str
) -> None:
    catalog_that_allows(allowed).require_allowed(name)


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ({"openai:gpt-*"}, "openai:GPT-4o"),
        ({"openai:gpt-*"}, "openai-chat:gpt-4o"),
        (set(), "openai:gpt-4o"),
    ],
)
def test_a_model_that_no_pattern_fits_is_refused(allowed: set[str], name: str) -> None:
    with pytest.raises(Invalid, match="not allowed here"):
        catalog_that_allows(allowed).prepare(NewTask("Add 2 and 3.", "Sum", name))


def catalog_that_allows(allowed: set[str] | None) -> Catalog:
    rules = ModelRules(allowed=None if allowed is None else frozenset(allowed))
    return Catalog("rehearsal", may_spend=True, rules=rules)


def test_a_variable_that_is_set_and_not_used_is_said_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", "http://secret.example.org")
    (line,) = provider_keys.unused_keys()
    assert "MIXUS_MODEL=openai-compatible:NAME" in line
    assert "secret" not in line
