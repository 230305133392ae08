from typing import TYPE_CHECKING

import pytest

from mixus.client import AccessDenied, ServerError

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

EVENTS = "/api/eval/executions/exe_1/events"
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def event(number: int, kind: str = "step") -> bytes:
    return f'id: {number}\nevent: {kind}\ndata: {{"number": {number}, "kind": "{kind}"}}\n\n'.encode()


def test_events_go_on_after_a_broken_connection_where_they_stopped(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on(
        "GET",
        EVENTS,
        reply(body=b": hello\n\n" + event(1) + event(2), headers=STREAM, is_cut=True),
        reply(is_dropped=True),
        reply(503),
        reply(body=event(3) + event(4, "end") + event(5), headers=STREAM),
    )
    seen = caller.do(lambda client: client.events("exe_1"))
    assert [item.id for item in seen] == ["1", "2", "3", "4"]
    assert [item.is_closing for item in seen] == [False, False, False, True]
    assert seen[0].data == {"number": 1, "kind": "step"}
    asked = [received.headers.get("last-event-id") for received in server.received]
    assert asked == [None, "2", "2", "2"]
    assert all(received.headers["accept"] == "text/event-stream" for received in server.received)


def test_a_half_received_event_is_not_delivered_and_comes_again(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on(
        "GET",
        EVENTS,
        reply(body=event(1) + event(2)[:-1], headers=STREAM, is_cut=True),
        reply(body=event(2) + event(3, "end"), headers=STREAM),
    )
    assert [item.id for item in caller.do(lambda client: client.events("exe_1"))] == ["1", "2", "3"]
    assert server.received[1].headers["last-event-id"] == "1"


def test_a_stream_can_be_taken_up_where_another_program_stopped(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EVENTS, reply(body=event(8, "deleted"), headers=STREAM))
    caller.do(lambda client: client.events("exe_1", last_event_id="7"))
    assert server.received[0].headers["last-event-id"] == "7"


def test_the_server_says_how_soon_to_come_back(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    first = b"retry: 3000\n\n" + event(1)
    server.on("GET", EVENTS, reply(body=first, headers=STREAM), reply(body=event(2, "end"), headers=STREAM))
    caller.do(lambda client: client.events("exe_1"))
    assert caller.sleeps == [3]


def test_streams_that_bring_nothing_end_when_the_execution_has(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EVENTS, reply(body=b": nothing\n\n", headers=STREAM))
    running, completed = ({"executionId": "exe_1", "status": name} for name in ("running", "completed"))
    server.on("GET", "/api/eval/status/exe_1", reply(body=running), reply(body=completed))
    assert caller.do(lambda client: client.events("exe_1")) == []
    assert caller.sleeps == [0.5, 1]


def test_no_content_ends_the_stream(caller: "Caller", server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("GET", EVENTS, reply(204))
    assert caller.do(lambda client: client.events("exe_1")) == []


def test_a_refused_stream_is_an_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EVENTS, reply(403, {"code": "insufficient-scope", "detail": "It needs eval:read."}))
    with pytest.raises(AccessDenied):
        caller.do(lambda client: client.events("exe_1"))


def test_an_answer_that_is_no_stream_is_an_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EVENTS, reply(body=b"<html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(ServerError):
        caller.do(lambda client: client.events("exe_1"))


def test_a_server_that_fails_too_often_is_given_up(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EVENTS, reply(502))
    with pytest.raises(ServerError):
        caller.do(lambda client: client.events("exe_1"))
    assert len(server.received) == 5
