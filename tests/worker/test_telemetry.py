"""Spans at a real collector: what is sent to it, and what is not."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from worker.house import House, line

from mixus.evals.lifecycle import Decision
from mixus.worker import telemetry
from mixus.worker.bench import Bench


class Collector:
    """Takes OTLP over HTTP, as protobuf."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"collector": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def spans(self) -> list[Any]:
        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found.extend(scope.spans)
        return found

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        self.collector.paths.append(self.path)
        self.collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def traced(house: House, collector: Collector) -> tuple[Bench, Any]:
    provider = telemetry.provider_of(collector.endpoint)
    return replace(house.bench, tracer=provider.get_tracer("mixus")), provider


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_segments_model_calls_and_tool_calls_are_spans_of_one_trace(
    house: House, collector: Collector
) -> None:
    execution = house.create([line("a secret of the customer")], "done")
    # Two segments, as if two processes ran them.
    first, provider = traced(house, collector)
    house.run(execution, first)
    provider.shutdown()
    house.decide(execution, Decision.APPROVE)
    second, provider = traced(house, collector)
    house.run(execution, second)
    provider.shutdown()
    names = sorted(span.name for span in collector.spans)
    assert names == [
        "chat 0",
        "chat 0",
        "execute_tool write_line",
        "invoke_agent mixus",
        "invoke_agent mixus",
    ]
    assert len({span.trace_id for span in collector.spans}) == 1
    assert all(path == "/v1/traces" for path in collector.paths)
    tool = next(span for span in collector.spans if span.name.startswith("execute_tool"))
    segments = {span.span_id for span in collector.spans if span.name.startswith("invoke_agent")}
    assert tool.parent_span_id in segments
    assert attributes(tool)["gen_ai.tool.name"] == "write_line"
    for span in collector.spans:
        if span.name.startswith("invoke_agent"):
            assert attributes(span)["gen_ai.conversation.id"] == execution


def test_no_text_is_sent(house: House, collector: Collector) -> None:
    execution = house.create([line("a secret of the customer")], "the answer of the agent", auto_detect=False)
    bench, provider = traced(house, collector)
    house.run(execution, bench)
    provider.shutdown()
    sent = b"".join(collector.bodies)
    assert b"write_line" in sent
    for text in (b"a secret of the customer", b"the answer of the agent", b"Do it."):
        assert text not in sent


def test_a_failure_is_marked_with_its_code_and_without_its_sentence(
    house: House, collector: Collector
) -> None:
    def fault(_text: str) -> None:
        raise RuntimeError("told to nobody")

    house.outside.fault = fault
    execution = house.create([line("a")], "done", max_steps=1, auto_detect=False)
    bench, provider = traced(house, collector)
    house.run(execution, bench)
    provider.shutdown()
    tool = next(span for span in collector.spans if span.name.startswith("execute_tool"))
    assert tool.status.code == 2
    assert attributes(tool)["error.type"] == "tool-error"
    assert b"told to nobody" not in b"".join(collector.bodies)


def test_a_collector_that_is_down_holds_nothing_up(house: House, collector: Collector) -> None:
    bench, provider = traced(house, collector)
    collector.close()
    execution = house.create("done")
    assert house.run(execution, bench)["result"] == "done"
    provider.shutdown()


def test_of_an_error_of_ours_no_more_than_its_name_is_sent(house: House, collector: Collector) -> None:
    """A database's own words quote the row that it refused."""
    bench, provider = traced(house, collector)
    error = ValueError("the row of a customer")
    with pytest.raises(ValueError, match="customer"), telemetry.tool_call(bench.tracer, "t", "act"):
        raise error
    provider.shutdown()
    assert [attributes(span)["error.type"] for span in collector.spans] == ["ValueError"]
    assert [span.status.code for span in collector.spans] == [2]
    assert b"customer" not in b"".join(collector.bodies)
