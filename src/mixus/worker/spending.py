"""What calls of a model use up: read from an answer, added to the execution, held against its limits."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_ai.messages import ModelResponse

from mixus.agents.catalog import OFFLINE
from mixus.core.database import Row
from mixus.worker.bench import Bench

COLUMNS: Final = {"inputTokens": "input_tokens", "outputTokens": "output_tokens", "costUsd": "cost_usd"}

Usage = Mapping[str, float | None]


def usage_of(bench: Bench, model: str, response: ModelResponse) -> dict[str, Any]:
    """By its names on the wire; all None where the provider told nothing, or there is none."""
    usage = response.usage
    if model in OFFLINE or usage.unmeasured_requests or not usage.has_values():
        return dict.fromkeys(COLUMNS)
    cost = bench.catalog.rules.prices.cost(model, response)
    return {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens, "costUsd": cost}


def after_call(row: Row, usage: Usage, *, is_first: bool) -> dict[str, Any]:
    """The columns after one more call. Once unknown, a sum stays unknown: half a bill is no bill.

    `is_first`: nothing has been spent before, so that unknown does not yet mean untold.
    """
    sums = {column: _sum(0 if is_first else row[column], usage[name]) for name, column in COLUMNS.items()}
    return {"steps": row["steps"] + 1, "parks": 0, **sums}


def tokens(row: Row) -> int | None:
    return None if row["input_tokens"] is None else int(row["input_tokens"] + row["output_tokens"])


def is_over(spent: float | None, limit: float | None) -> bool:
    """What is not known cannot be held to a limit, so it counts as over."""
    return limit is not None and (spent is None or spent >= limit)


def _sum(before: float | None, added: float | None) -> float | None:
    return None if before is None or added is None else round(before + added, 12)
