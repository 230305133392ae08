"""Metrics and exports as the clients read them."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mixus import Client
from mixus.client import AccessDenied, Invalid, ServerError, Unauthorized, Unreachable

if TYPE_CHECKING:
    from unit.client.conftest import Caller
    from unit.conftest import Reply, ScriptedServer

METRICS = "/api/eval/metrics"
EXPORT = "/api/eval/export"
JSONL = {"Content-Type": "application/jsonl"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
TOTALS = {"executions": 2, "byStatus": {"failed": 1}, "successRate": 0.5, "cost": {"costUsd": None}}
REPORT = {
    "success": True,
    "from": "2026-10-01T00:00:00.000Z",
    "to": "2026-11-01T00:00:00.000Z",
    "totals": TOTALS | {"durations": {"durationMs": {"sum": 5, "median": 2, "p90": 3}}},
    "groups": [TOTALS | {"testMode": "with-verification", "model": "a:x", "human": {"byKey": 7}}],
}


def document(number: int) -> bytes:
    return (
        json.dumps({"executionId": f"exe_{number}", "result": "ä\u2028\x85b"}, ensure_ascii=False).encode()
        + b"\n"
    )


def end(count: int, code: str | None = None) -> bytes:
    return json.dumps({"complete": code is None, "count": count, "code": code}).encode() + b"\n"


def test_metrics_are_asked_and_read(caller: "Caller", server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("GET", METRICS, reply(body=REPORT))
    report = caller.do(
        lambda client: client.metrics(
            from_time=datetime(2026, 10, 1, tzinfo=UTC), model="a:x", include_rehearsal=True
        )
    )
    assert server.received[0].query == {
        "from": "2026-10-01T00:00:00.000Z",
        "model": "a:x",
        "includeRehearsal": "true",
    }
    assert report.from_time == datetime(2026, 10, 1, tzinfo=UTC)
    assert (report.totals.success_rate, report.totals.durations.duration_ms.p90) == (0.5, 3)
    assert report.totals.cost.cost_usd is None
    (group,) = report.groups
    assert (group.test_mode, group.model, group.human.by_key) == ("with-verification", "a:x", 7)
    assert report.raw == REPORT


def test_an_export_is_its_documents_without_the_last_line(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EXPORT, reply(503), reply(body=document(1) + document(2) + end(2), headers=JSONL))
    found = caller.do(lambda client: client.export(status="completed", q="a b"))
    assert [each["executionId"] for each in found] == ["exe_1", "exe_2"]
    assert found[0]["result"] == "ä\u2028\x85b"
    assert server.received[1].query == {"format": "jsonl", "status": "completed", "q": "a b"}


def test_a_table_comes_as_it_is(caller: "Caller", server: "ScriptedServer", reply: "type[Reply]") -> None:
    body = 'executionId,result\r\nexe_1,"a\r\nä"\r\n'.encode()
    server.on("GET", EXPORT, reply(body=body, headers=CSV))
    found = caller.do(lambda client: client.export_csv(include_rehearsal=True))
    assert b"".join(found) == body
    assert server.received[0].query == {"format": "csv", "includeRehearsal": "true"}


@pytest.mark.parametrize("form", ["export", "export_csv"])
def test_an_export_that_breaks_off_is_an_error_and_is_not_begun_again(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", form: str
) -> None:
    headers = JSONL if form == "export" else CSV
    server.on("GET", EXPORT, reply(body=document(1), headers=headers, is_cut=True))
    with pytest.raises(Unreachable, match="broke off"):
        caller.do(lambda client: getattr(client, form)())
    assert len(server.received) == 1


def test_an_export_without_its_last_line_is_not_whole(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EXPORT, reply(body=document(1), headers=JSONL))
    with pytest.raises(Unreachable, match="broke off"):
        caller.do(lambda client: client.export())


@pytest.mark.parametrize(
    ("code", "error"), [("key-revoked", Unauthorized), ("insufficient-scope", AccessDenied)]
)
@pytest.mark.parametrize("is_cut", [True, False])
def test_an_export_that_the_server_ended_says_why(
    caller: "Caller",
    server: "ScriptedServer",
    reply: "type[Reply]",
    code: str,
    error: type[Exception],
    *,
    is_cut: bool,
) -> None:
    body = document(1) + end(1, code)
    server.on("GET", EXPORT, reply(body=body, headers=JSONL, is_cut=is_cut))
    with pytest.raises(error) as raised:
        caller.do(lambda client: client.export())
    assert getattr(raised.value, "code", None) == code


def test_documents_come_before_the_export_is_over(
    server: "ScriptedServer", reply: "type[Reply]", key: str
) -> None:
    server.on("GET", EXPORT, reply(body=document(1) * 5, headers=JSONL, is_cut=True))
    with Client(key, server.url) as client:
        assert next(client.export())["executionId"] == "exe_1"


def test_a_refused_export_is_an_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    errors = [{"field": "status", "message": "No."}]
    server.on("GET", EXPORT, reply(422, {"code": "invalid", "detail": "No.", "errors": errors}))
    with pytest.raises(Invalid) as raised:
        caller.do(lambda client: client.export(status="done"))
    assert raised.value.errors[0].field == "status"


@pytest.mark.parametrize(
    ("body", "headers"), [(b"<html>", {"Content-Type": "text/html"}), (b"[1]\n", JSONL), (b"{\n", JSONL)]
)
def test_what_is_no_export_is_an_error(
    caller: "Caller", server: "ScriptedServer", reply: "type[Reply]", body: bytes, headers: dict[str, str]
) -> None:
    server.on("GET", EXPORT, reply(body=body, headers=headers))
    with pytest.raises(ServerError):
        caller.do(lambda client: client.export())


def test_a_filter_that_does_not_exist_or_has_no_zone_is_a_mistake_in_the_call(key: str) -> None:
    filters: Any = {"state": "completed"}
    with Client(key) as client:
        with pytest.raises(TypeError, match="state"):
            client.export(**filters)
        with pytest.raises(ValueError, match="time zone"):
            client.export_csv(from_time=datetime(2026, 11, 1))  # noqa: DTZ001 - that is the mistake
        with pytest.raises(ValueError, match="time zone"):
            client.metrics(to_time=datetime(2026, 11, 1))  # noqa: DTZ001 - that is the mistake
