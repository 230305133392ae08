import logging
import subprocess
import sys
import traceback
from operator import methodcaller
from typing import TYPE_CHECKING

import pytest

from mixus import AsyncClient, Client
from mixus.client import MixusError, Unauthorized, Unreachable

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer


def test_the_key_and_the_address_come_from_the_environment(
    server: "ScriptedServer", reply: "type[Reply]", key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXUS_API_KEY", f"{key}\n")
    monkeypatch.setenv("MIXUS_URL", f"{server.url}/")
    server.on("GET", "/api/keys/self", reply(body={"id": "key_1"}))
    with Client() as client:
        client.key()
    assert server.received[0].headers["authorization"] == f"Bearer {key}"
    assert server.received[0].path == "/api/keys/self"


def test_the_key_is_in_no_repr_log_or_exception(
    caller: "Caller",
    server: "ScriptedServer",
    reply: "type[Reply]",
    key: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"code": "key-unknown", "detail": f"{key} is unknown", "key": key}
    server.on("GET", "/api/keys/self", reply(401, echo))
    with pytest.raises(Unauthorized) as caught:
        caller.do(lambda client: client.key())
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if "/mixus/client/" in frame.filename]
    )
    assert told.stack
    rendered = "".join(told.format())
    assert server.received[0].headers["authorization"] == f"Bearer {key}"
    for text in (rendered, repr(caught.value), str(caught.value), str(caught.value.problem), caplog.text):
        assert key not in text
    with Client(key, server.url) as client:
        assert key not in repr(client)
        assert key not in repr(vars(client))
        assert key not in repr(vars(client._http))


@pytest.mark.parametrize(
    ("key_given", "code"), [("", "key-missing"), ("mxs eval", "key-malformed"), ("é", "key-malformed")]
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(
    key_given: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIXUS_API_KEY", raising=False)
    with pytest.raises(Unauthorized) as caught:
        Client(key_given)
    assert caught.value.code == code
    assert not key_given or key_given not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://example.org", "http://10.0.0.1:8000", "http://localhost.example.org"]
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_is_not_sent_over_plain_http_to_another_host(kind: type[Client], url: str, key: str) -> None:
    with pytest.raises(MixusError) as caught:
        kind(key, url)
    assert caught.value.code == "insecure-url"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9", "https://example.org/mixus"]
)
def test_loopback_and_https_are_allowed(url: str, key: str) -> None:
    Client(key, url).close()


def test_plain_http_is_allowed_when_asked_for(key: str) -> None:
    Client(key, "http://example.org", allow_insecure=True).close()


@pytest.mark.parametrize(
    "url",
    [
        "example.org",
        "ftp://example.org",
        "https://a:b@example.org",
        "https://example.org/?x=1",
        "http://",
        "http://[::",
    ],
)
def test_an_address_that_is_none_is_refused(url: str, key: str) -> None:
    with pytest.raises(MixusError) as caught:
        Client(key, url)
    assert caught.value.code == "invalid-url"


def test_a_redirect_is_not_followed(caller: "Caller", server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("GET", "/api/keys/self", reply(307, {}, {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(Unreachable) as caught:
        caller.do(lambda client: client.key())
    assert caught.value.code == "redirected"
    assert server.paths() == ["GET /api/keys/self"]


def test_a_proxy_of_the_environment_does_not_see_the_key_over_plain_http(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("GET", "/api/keys/self", reply(body={"id": "key_1"}))
    assert caller.do(lambda client: client.key()).id == "key_1"


def test_an_id_cannot_lead_to_another_route(caller: "Caller", server: "ScriptedServer") -> None:
    for identifier in ("../executions", "..", "a?b=c", "a/b#c"):
        with pytest.raises(MixusError):
            caller.do(methodcaller("status", identifier))
    assert all(received.path.count("/") == 4 for received in server.received)
    assert all(received.path.startswith("/api/eval/status/") for received in server.received)
    assert not any(received.query for received in server.received)


def test_importing_mixus_imports_no_http_library() -> None:
    script = "import sys, mixus, mixus.cli.eval; assert not {'httpx2', 'rich.table'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True)
