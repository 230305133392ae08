"""GET /api/eval/metrics: how executions went, over a time and by test mode and model."""

from typing import Annotated, Final

from fastapi import APIRouter
from fastapi import Query as QueryOf
from pydantic import BeforeValidator, Field
from pydantic.alias_generators import to_camel

from mixus.core.clock import shown
from mixus.evals import totals
from mixus.evals.human import Human, Milliseconds, spread
from mixus.evals.lifecycle import FINAL, REHEARSAL, Status, TestMode
from mixus.evals.totals import Measured, Selection
from mixus.server.answers import Document, Json, success
from mixus.server.api.metric_schemas import MetricsReport
from mixus.server.deps import Reading
from mixus.server.openapi import refusals
from mixus.server.wire import Moment, Query, text

# Beyond a billionth of a dollar stands only what adding binary fractions leaves over.
COST_DIGITS: Final = 9
RATE_DIGITS: Final = 6

router = APIRouter(prefix="/api/eval", tags=["metrics"])


def _true_or_false(value: object) -> object:
    """The framework would also take `on`, `Y` and `1`."""
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("Input should be true or false.")
    return value


IncludeRehearsal = Annotated[
    bool, Field(description="Count runs of the model `rehearsal` too."), BeforeValidator(_true_or_false)
]


class MetricsQuery(Query):
    from_: (
        Annotated[Moment, Field(description="Created at or after; 30 days before `to` if left out.")] | None
    ) = Field(None, alias="from")
    to: Annotated[Moment, Field(description="Created before; now if left out.")] | None = None
    test_mode: TestMode | None = None
    model: Annotated[str, text(200)] | None = None
    template: Annotated[str, text(64)] | None = None
    include_rehearsal: IncludeRehearsal = False


@router.get("/metrics", response_model=MetricsReport, responses=refusals(), summary="Totals over a time")
def show_metrics(call: Reading, query: Annotated[MetricsQuery, QueryOf()]) -> Json:
    """Over the executions that you own or review; admins count all. A range is at most 366 days long."""
    start, end = totals.range_of(query.from_, query.to, call.now)
    chosen = Selection(start, end, query.test_mode, query.model, query.template, query.include_rehearsal)
    groups = totals.measure(call.tx, call.principal, chosen, call.now)
    return success(
        {
            "from": shown(start),
            "to": shown(end),
            "testMode": query.test_mode,
            "model": query.model,
            "template": query.template,
            "includeRehearsal": query.include_rehearsal,
            "totals": totals_document(totals.together(groups.values())),
            "groups": [_group(*group, measured) for group, measured in groups.items()],
        }
    )


def totals_document(measured: Measured) -> Document:
    counts = measured.counts
    finished = sum(counts[status.value] for status in FINAL)
    return {
        "executions": counts["executions"],
        "byStatus": {status.value: counts[status.value] for status in Status},
        "finished": finished,
        "scored": counts["scored"],
        "passed": counts["passed"],
        "failedScore": counts["scored"] - counts["passed"],
        "unscored": counts["executions"] - counts["scored"],
        "successRate": _rate(counts["passed"], counts["scored"]),
        "errorRate": _rate(counts[Status.FAILED], finished),
        "durations": {to_camel(name): _spread(values) for name, values in measured.times.items()},
        "tokens": _tokens(measured),
        "cost": _cost(measured),
        "human": _human(measured.human, counts["waited_ms"]),
    }


def _group(test_mode: str, model: str, measured: Measured) -> Document:
    return {
        "testMode": test_mode,
        "model": model,
        "rehearsal": model == REHEARSAL,
        **totals_document(measured),
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, RATE_DIGITS) if whole else None


def _spread(values: Milliseconds) -> Document:
    found = spread(values)
    return {"sum": found.total, "median": found.median, "p90": found.p90}


def _tokens(measured: Measured) -> Document:
    counts = measured.counts
    known = counts["tokens_known"]
    return {
        "inputTokens": counts["input_tokens"] if known else None,
        "outputTokens": counts["output_tokens"] if known else None,
        "tokensKnown": known,
        "tokensUnknown": counts["executions"] - known,
    }


def _cost(measured: Measured) -> Document:
    counts = measured.counts
    known = counts["cost_known"]
    return {
        "costUsd": round(counts["cost_usd"], COST_DIGITS) if known else None,
        "costKnown": known,
        "costUnknown": counts["executions"] - known,
    }


def _human(human: Human, waited_ms: int) -> Document:
    return {
        "requested": human.requested,
        "approved": human.approved,
        "edited": human.edited,
        "rejected": human.rejected,
        "hints": human.hints,
        "byKey": human.by_key,
        "medianResponseMs": spread(human.responses_ms).median,
        "activeReviewMs": human.active_review_ms,
        "waitingMs": waited_ms,
    }
