"""What a deployment allows, on pages that only show it: limits, models, tools, what may be real."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import mcp_server
import pytest
from factories import PEPPER
from fastapi import FastAPI
from pydantic import SecretStr
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.agents.catalog import Catalog, Live, ModelRules
from mixus.agents.prices import Price, Prices
from mixus.agents.provider_keys import VARIABLES
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.mcp import mcp_servers
from mixus.agents.tools.toolbox import Toolbox
from mixus.core.database import Database
from mixus.core.settings import ReviewLinks, Settings
from mixus.server.app import create_app

SECRET = "sk-of-nobody-but-secret"
PASSWORD = "pass-of-the-mail-server"
PRICE = Price.model_validate({"inputPerMillionUsd": 1.5, "outputPerMillionUsd": 3.0})
HOSTILE = "<script>alert(1)</script>"
MARK = re.compile(r"<[^>]*>")


@pytest.fixture
def settings() -> Settings:
    return Settings(
        requests_per_minute=10_000,
        queued_per_user=7,
        review_links=ReviewLinks.VIEW,
        smtp_url=SecretStr(f"smtp://ann:{PASSWORD}@mail.example.org"),
        mail_from="mixus@example.org",
        mcp_file=Path("servers.json"),
    )


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Toolbox]:
    offered = mcp_server.Book()
    offered.add("pay", str, description=HOSTILE)
    with mcp_server.hosted(offered) as host:
        entries = {"erp": {"url": host.url}, "away": {"url": "http://127.0.0.1:9/mcp"}}
        path = tmp_path / "servers.json"
        path.write_text(json.dumps({"servers": entries}))
        with mcp_servers(path, {}, frozenset(BUILT_IN)) as servers:
            yield Toolbox(BUILT_IN, servers)


@pytest.fixture
def catalog(tools: Toolbox, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    rules = ModelRules(
        allowed=frozenset({"openai:gpt-5-mini", "openai:gpt-of-tomorrow", "anthropic:claude-x", "groq:*"}),
        prices=Prices({"ollama:own": PRICE}),
        judge="openai:gpt-5-mini",
    )
    live = Live(frozenset({"send_email", "no_such_tool"}), without_verification=True)
    return Catalog("rehearsal", tools, may_spend=True, live=live, rules=rules)


@pytest.fixture
def app(settings: Settings, database: Database, catalog: Catalog) -> FastAPI:
    return create_app(settings, database, PEPPER, catalog)


@pytest.fixture
def admin(house: House) -> Window:
    return house.signed_in("admin@example.org", Role.ADMIN)


def rows(text: str) -> dict[str, str]:
    """The rows of all tables, without marks, by their first word."""
    plain = (" ".join(MARK.sub(" ", row.partition("</tr>")[0]).split()) for row in text.split("<tr>")[1:])
    return {row.partition(" ")[0]: row for row in plain}


def test_every_limit_is_shown_with_its_variable_its_default_and_what_holds(admin: Window) -> None:
    text = admin.get("/admin/limits").text
    numbers = [name for name, field in Settings.model_fields.items() if field.annotation in {int, float}]
    assert {"keys_per_user", "requests_per_minute", "waiting_per_user"} <= set(numbers)
    for name in (*numbers, "endless_keys"):
        assert f"<code>MIXUS_{name.upper()}</code>" in text, name
        assert str(Settings.model_fields[name].description) in text
    row = next(row for row in text.split("<tr>") if "MIXUS_QUEUED_PER_USER" in row)
    assert "<b>7</b>" in row
    assert "changed" in row
    assert ">100<" in row
    assert "1 to 100,000" in row
    assert "above 0 to 3,600" in text


def test_a_provider_says_which_variable_is_missing_and_none_says_its_value(admin: Window) -> None:
    text = admin.get("/admin/models").text
    found = rows(text)
    assert "OPENAI_API_KEY is set" in found["openai"]
    assert "ready" in found["openai"]
    assert "ANTHROPIC_API_KEY is missing" in found["anthropic"]
    assert SECRET not in text


def test_a_named_model_says_what_it_is_for_and_whether_it_can_be_used(admin: Window) -> None:
    found = rows(admin.get("/admin/models").text)
    assert found["rehearsal"] == "rehearsal default usable costs nothing"
    assert found["openai:gpt-5-mini"] == "openai:gpt-5-mini judge, allowed usable known"
    assert "not known" in found["openai:gpt-of-tomorrow"]
    assert "anthropic is not configured: set ANTHROPIC_API_KEY" in found["anthropic:claude-x"]
    assert found["ollama:own"] == "ollama:own $1.50 $1.50 $3.00"


def test_a_tool_says_its_effect_its_source_and_whether_it_may_be_real(admin: Window) -> None:
    text = admin.get("/admin/tools").text
    found = rows(text)
    assert "send mixus may be real any task" in found["send_email"]
    assert "read mixus reads only" in found["calculate"]
    assert "other MCP erp sandbox only" in found["erp_pay"]
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_a_server_that_is_away_and_a_template_that_lacks_a_tool_are_said(admin: Window) -> None:
    text = admin.get("/admin/tools").text
    found = rows(text)
    assert found["erp"] == "erp answers 1"
    assert "does not answer" in found["away"]
    assert "cannot be used: it needs" in text


def test_what_may_be_real_is_on_one_page(admin: Window) -> None:
    text = admin.get("/admin/live").text
    assert "LIVE: 1 tool may have real effects." in text
    assert "no such tool now" in text
    assert '<span class="chip mark-live">allowed</span> nobody is asked' in text
    assert "MIXUS_PUBLIC_URL not set" in text
    assert "to decide, its reader signs in" in text
    for page in ("live", "limits", "tools"):
        assert PASSWORD not in admin.get(f"/admin/{page}").text
