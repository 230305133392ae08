"""`http_request`: what is sent and when, what comes back, and what is certain when it fails."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from website import Website, outcome, page, redirect, watched_connections, website

from mixus.agents.tools import http
from mixus.agents.tools.http import NOT_THE_AGENTS, Request
from mixus.agents.tools.outbound import Gateway
from mixus.agents.tools.readable import MAX_CHARACTERS
from mixus.agents.tools.registry import Context, Tool, ToolFailed
from mixus.core.hosts import parse_hosts
from mixus.evals.lifecycle import Effect, Environment

CONTEXT = Context("exe_1", "act_1", Environment.LIVE, None)  # type: ignore[arg-type]  # no workspace is needed


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as made:
        yield made


def tool_for(site: Website) -> Tool:
    return http.http_request(Gateway(parse_hosts(f"127.0.0.1:{site.port}, *.example.org")))


def send(site: Website, method: str = "POST", url: str = "", **arguments: Any) -> Any:
    asked = Request.model_validate({"method": method, "url": url or site.url(), **arguments})
    return outcome(tool_for(site).run(asked, CONTEXT))


def record(site: Website, method: str = "POST", url: str = "", **arguments: Any) -> Any:
    asked = Request.model_validate({"method": method, "url": url or site.url(), **arguments})
    return outcome(tool_for(site).record(asked, CONTEXT))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_whatever_its_method_a_request_is_an_effect_and_sent_once(site: Website, method: str) -> None:
    site.answers["/"] = page(b"" if method == "HEAD" else b"done")
    with watched_connections() as connections:
        result = send(site, method)
    assert tool_for(site).effect is Effect.OTHER
    assert (result["status"], result["body"]) == (200, "" if method == "HEAD" else "done")
    assert [received.method for received in site.received] == [method]
    assert connections == [f"127.0.0.1:{site.port}"]


def test_the_action_is_named_so_that_a_receiver_can_drop_a_second_one(site: Website) -> None:
    site.answers["/"] = page(b"")
    send(site, body='{"a": "ä"}', headers={"X-Order": "7"})
    [received] = site.received
    assert received.body == '{"a": "ä"}'.encode()
    names = ("Idempotency-Key", "X-Order", "Content-Type")
    assert [received.headers[name] for name in names] == ["act_1", "7", "application/json"]


def test_the_sandbox_records_what_would_be_sent_and_connects_to_nobody(site: Website) -> None:
    with watched_connections() as connections:
        result = record(site, "PUT", "http://api.example.org/x", body="plain", headers={"X-Order": "7"})
    assert connections == []
    assert result == {
        "status": "recorded",
        "sandbox": True,
        "request": {
            "method": "PUT",
            "url": "http://api.example.org/x",
            "headers": {
                "X-Order": "7",
                "Idempotency-Key": "act_1",
                "Content-Type": "text/plain; charset=utf-8",
            },
            "body": "plain",
        },
    }


@pytest.mark.parametrize("way", [send, record])
@pytest.mark.parametrize(
    "url", ["http://other.example/", "http://127.0.0.1:1/", "file:///x", "http://u:p@a.example.org/"]
)
def test_a_host_that_is_not_listed_is_refused_in_both_environments(site: Website, way: Any, url: str) -> None:
    with watched_connections() as connections, pytest.raises(ToolFailed):
        way(site, url=url)
    assert connections == []


def test_a_redirect_is_told_and_not_followed(site: Website) -> None:
    site.answers["/"] = redirect("/elsewhere", "307 Temporary Redirect")
    result = send(site, body="x")
    assert (result["status"], result["headers"]["Location"]) == (307, "/elsewhere")
    assert len(site.received) == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error"])
def test_a_refusal_of_the_receiver_is_a_result(site: Website, status: str) -> None:
    site.answers["/"] = page(
        b'{"error": 1}', "Set-Cookie: s=1", "ETag: e", status=status, kind="application/json"
    )
    assert send(site) == {
        "status": int(status[:3]),
        "headers": {"Content-Type": "application/json", "ETag": "e"},
        "body": '{"error": 1}',
    }


def test_a_long_answer_is_clipped_and_one_that_is_no_text_only_counted(site: Website) -> None:
    site.answers |= {"/long": page(b"x" * 30_000), "/image": page(b"\x89PNG", kind="image/png")}
    assert send(site, url=site.url("/long"))["body"] == "x" * MAX_CHARACTERS + "\n[Cut: there is more.]"
    assert send(site, url=site.url("/image"))["body"] == "[4 bytes that are not text]"


def test_where_nobody_listens_it_is_certain_that_nothing_was_sent() -> None:
    with website() as gone:
        pass
    with pytest.raises(ToolFailed, match="No connection"):
        send(gone)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"\x00\r\n\r\n"])
def test_a_connection_that_is_lost_after_sending_is_not_called_certain(site: Website, answer: bytes) -> None:
    site.answers["/"] = answer
    with pytest.raises(httpx2.HTTPError):
        send(site, body="x")
    assert len(site.received) == 1


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": "x"}, {"content-length": "1"}, {"Transfer-Encoding": "chunked"}, {"CONNECTION": "close"}),
        *({"Authorization": "Bearer x"}, {"Proxy-Authorization": "x"}, {"Cookie": "a=b"}, {"Expect": "x"}),
        *(
            {"Idempotency-Key": "mine"},
            {"X": "a\r\nHost: b"},
            {"X": "a\nb"},
            {"X": "a\x00"},
            {"X": ""},
            {"X": " a"},
        ),
        *({"X\r\nY": "a"}, {"X Y": "a"}, {"X:": "a"}, {"": "a"}, {"X": "ä"}, {"X": "a", "x": "b"}),
    ],
)
def test_a_header_that_is_not_the_agents_or_not_one_line_is_refused_before_anybody_is_asked(
    headers: dict[str, str],
) -> None:
    with pytest.raises(ValidationError):
        Request(method="POST", url="http://a.example.org/", headers=headers)


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_header_that_is_let_through_can_become_two(headers: dict[str, str]) -> None:
    try:
        request = Request(method="POST", url="http://a.example.org/", headers=headers)
    except ValidationError:
        return
    for name, value in request.headers.items():
        assert not NOT_THE_AGENTS.fullmatch(name)
        assert not {"\r", "\n", "\0"} & {*name, *value}


@pytest.mark.parametrize("method", ["GET", "HEAD", "TRACE", "CONNECT", "post"])
def test_a_method_that_takes_no_body_or_is_none_is_refused(method: str) -> None:
    with pytest.raises(ValidationError):
        Request.model_validate({"method": method, "url": "http://a.example.org/", "body": "x"})
