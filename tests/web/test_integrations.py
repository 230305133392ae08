"""What the deployment is connected to, as everybody sees it; and the tests that an admin can start."""

import json
from collections.abc import Iterator
from pathlib import Path

import mcp_server
import pytest
import smtp
from factories import PEPPER
from fastapi import FastAPI
from pydantic import SecretStr
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.agents import provider_states
from mixus.agents.catalog import Catalog, ModelRules
from mixus.agents.provider_keys import VARIABLES
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.mcp import mcp_servers
from mixus.agents.tools.toolbox import Toolbox
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

PATH = "/integrations"
MAIL = f"{PATH}/mail/test"
MCP = f"{PATH}/mcp/crm/test"
HOSTS = "*.internal.example.org, api.example.com:8443"


@pytest.fixture
def receiver() -> Iterator[smtp.Receiver]:
    """Refuses connections until a test starts it."""
    receiver = smtp.Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def settings(receiver: smtp.Receiver) -> Settings:
    return Settings(
        smtp_url=SecretStr(receiver.url(user=f"{smtp.NAME}:{smtp.ENCODED}@")),
        mail_from="mixus@example.org",
        public_url="http://testserver",
        web_hosts=HOSTS,
        search_url="http://search.example.org",
        otlp_endpoint="http://collector.example.org:4318",
        requests_per_minute=10_000,
    )


@pytest.fixture
def hosted() -> Iterator[mcp_server.Hosted]:
    hosted = mcp_server.Hosted(mcp_server.book())
    hosted.start()
    yield hosted
    hosted.stop()


@pytest.fixture
def app(
    settings: Settings, database: Database, hosted: mcp_server.Hosted, tmp_path: Path
) -> Iterator[FastAPI]:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"servers": {"crm": {"url": hosted.url}}}))
    with mcp_servers(path, {}, refresh_seconds=3600) as servers:
        yield create_app(settings, database, PEPPER, Catalog("rehearsal", Toolbox(BUILT_IN, servers)))


@pytest.fixture
def admin(house: House) -> Window:
    return house.signed_in("root@example.org", Role.ADMIN)


def pressed(window: Window, action: str) -> str:
    """The page after the button of this form."""
    answer = window.submit(PATH, action)
    assert answer.status_code == 303
    return window.get(answer.headers["location"]).text


def test_members_and_viewers_see_the_state_and_no_address(house: House, hosted: mcp_server.Hosted) -> None:
    for email, role in (("ada@example.org", Role.MEMBER), ("vic@example.org", Role.VIEWER)):
        page = house.signed_in(email, role).get(PATH).text
        for state in ("0 of 10 active", "rehearsal only", "set up", "1 answering", "2 hosts"):
            assert state in page, state
        for address in ("internal.example.org", "search.example.org", "collector.example.org", "127.0.0.1"):
            assert address not in page, address
        assert "/test" not in page


def test_an_admin_sees_addresses_and_no_secret(admin: Window, receiver: smtp.Receiver) -> None:
    page = admin.get(PATH).text
    for address in (
        f"smtp://127.0.0.1:{receiver.port}",
        "*.internal.example.org, api.example.com:8443",
        "http://search.example.org",
        "http://collector.example.org:4318",
    ):
        assert address in page, address
    assert smtp.PASSWORD not in page
    assert smtp.ENCODED not in page


def test_only_admins_test_and_only_by_their_own_form(
    house: House, admin: Window, receiver: smtp.Receiver
) -> None:
    receiver.start()
    member = house.signed_in()
    token = member.form(f"{PATH}/api-keys/new").fields["csrf"]
    for path in (MAIL, MCP):
        assert member.post(path, {"csrf": token}).status_code == 403
        assert admin.post(path, {}).status_code == 403
    assert receiver.received == []


def test_a_test_mail_goes_to_the_admin_himself(admin: Window, receiver: smtp.Receiver) -> None:
    receiver.start()
    assert "took a test mail to you" in pressed(admin, MAIL)
    [mail] = receiver.received
    assert mail.recipients == ("root@example.org",)
    assert "you asked mixus for this mail" in mail.text


def test_why_a_test_mail_was_not_taken_is_said_without_a_secret(
    admin: Window, receiver: smtp.Receiver
) -> None:
    assert "cannot be reached" in pressed(admin, MAIL)
    receiver.start()
    receiver.refused.add("root@example.org")
    page = pressed(admin, MAIL)
    assert "refused your address" in page
    assert smtp.PASSWORD not in page


def test_an_outcome_that_there_is_not_is_not_shown(admin: Window) -> None:
    page = admin.get(f"{PATH}?mail=<script>").text
    assert "Nothing was sent" not in page
    assert "<script>" not in page


def test_an_mcp_server_is_asked_again_and_its_answer_shown(admin: Window, hosted: mcp_server.Hosted) -> None:
    assert "1 answering" in admin.get(PATH).text
    hosted.stop()
    assert "1 of 1 silent" in pressed(admin, MCP)
    hosted.start()
    page = pressed(admin, MCP)
    assert "1 answering" in page
    assert "was asked again" in page


def test_a_server_that_there_is_not_cannot_be_asked(admin: Window) -> None:
    token = admin.form(PATH, MAIL).fields["csrf"]
    assert admin.post(f"{PATH}/mcp/nobody/test", {"csrf": token}).status_code == 404


def test_a_provider_is_ready_only_where_nothing_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "not a key")
    monkeypatch.setenv("MISTRAL_API_KEY", "not a key")

    def states(catalog: Catalog) -> dict[str, str]:
        return {each.name: each.state.value for each in provider_states.providers_of(catalog)}

    unused = states(Catalog("rehearsal"))
    assert unused["openai"] == "not used"
    assert unused["mistral"] == (
        "not used" if provider_states.is_installed("mistralai") else "library missing"
    )
    assert unused["groq"] == "not set up"
    assert states(Catalog("rehearsal", may_spend=True))["openai"] == "ready"
    some = ModelRules(allowed=frozenset({"openai-chat:*"}))
    allowed = states(Catalog("rehearsal", may_spend=True, rules=some))
    assert allowed["openai"] == "not allowed"
    assert allowed["openai-chat"] == "ready"
