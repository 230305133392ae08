"""Spans for a collector of the admin's, by the GenAI conventions of OpenTelemetry; without texts.

One execution is one trace, whichever processes run its segments: its id is derived from the execution's.
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from mixus.core.database import Row
from mixus.core.errors import Misconfigured

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

# The conventions' words for providers where they are not ours.
PROVIDERS: Final = {
    "openai-chat": "openai",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-compatible": "openai",
}


def provider_of(endpoint: str) -> "TracerProvider":
    """What sends spans to this collector in the background; its `shutdown` sends the last ones."""
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415 - it may lack
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above
    except ImportError as lacking:
        raise Misconfigured(
            "MIXUS_OTLP_ENDPOINT is set and its library is not there: install mixus[otel]."
        ) from lacking
    provider = TracerProvider(resource=Resource({"service.name": "mixus"}), shutdown_on_exit=False)
    exporter = trace_exporter.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


@contextmanager
def segment(tracer: Tracer, row: Row) -> Iterator[Span]:
    """The leg that is run of this execution."""
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "mixus",
        "gen_ai.conversation.id": row["id"],
        "gen_ai.request.model": row["model"],
        "mixus.segment": row["seq"],
    }
    with _started(
        tracer, "invoke_agent mixus", SpanKind.INTERNAL, attributes, context=_parent(row["id"])
    ) as span:
        yield span


@contextmanager
def model_call(tracer: Tracer, row: Row) -> Iterator[Span]:
    provider, _, name = row["model"].rpartition(":")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(provider, provider or "mixus"),
        "gen_ai.request.model": name,
        "gen_ai.conversation.id": row["id"],
    }
    with _started(tracer, f"chat {name}", SpanKind.CLIENT, attributes) as span:
        yield span


@contextmanager
def tool_call(tracer: Tracer, name: str, action_id: str) -> Iterator[Span]:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": action_id,
        "gen_ai.tool.type": "function",
    }
    with _started(tracer, f"execute_tool {name}", SpanKind.INTERNAL, attributes) as span:
        yield span


def used(span: Span, input_tokens: int | None, output_tokens: int | None) -> None:
    """What is unknown is left out."""
    if input_tokens is not None:
        span.set_attribute("gen_ai.usage.input_tokens", input_tokens)
    if output_tokens is not None:
        span.set_attribute("gen_ai.usage.output_tokens", output_tokens)


def failed(span: Span, code: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _started(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    *,
    context: Context | None = None,
) -> Iterator[Span]:
    """Of an error no more than its name is told: its words may quote a row, an argument or a secret."""
    with tracer.start_as_current_span(
        name,
        context,
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            failed(span, type(error).__name__)
            raise


def _parent(execution_id: str) -> Context:
    digest = hashlib.sha256(execution_id.encode()).digest()
    parent = SpanContext(
        trace_id=int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())
