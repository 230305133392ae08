"""What metrics and the lines of an export look like, for the reference; tests hold the documents to it."""

from typing import Literal

from pydantic import Field, JsonValue

from mixus.evals.lifecycle import Status, TestMode
from mixus.server.api.schemas import Answered, StatusDocument, Succeeded
from mixus.server.wire import Timestamp


class Spread(Answered):
    """By nearest rank: median and p90 are values that were there, and null where there are none."""

    sum: int
    median: int | None
    p90: int | None


class Durations(Answered):
    """Of finished executions."""

    duration_ms: Spread
    agent_ms: Spread
    queued_ms: Spread
    waiting_ms: Spread


class TokenTotals(Answered):
    """Sums over the executions of which tokens are known; null where none is."""

    input_tokens: int | None
    output_tokens: int | None
    tokens_known: int
    tokens_unknown: int


class CostTotals(Answered):
    """The sum over the executions of which the cost is known; null where none is."""

    cost_usd: float | None
    cost_known: int
    cost_unknown: int


class HumanTotals(Answered):
    requested: int
    approved: int
    edited: int
    rejected: int
    hints: int
    by_key: int
    median_response_ms: int | None
    active_review_ms: int | None
    waiting_ms: int


class Totals(Answered):
    executions: int
    by_status: dict[Status, int]
    finished: int
    scored: int
    passed: int
    failed_score: int
    unscored: int
    success_rate: float | None
    error_rate: float | None
    durations: Durations
    tokens: TokenTotals
    cost: CostTotals
    human: HumanTotals


class GroupTotals(Totals):
    test_mode: TestMode
    model: str
    rehearsal: bool


class MetricsReport(Succeeded):
    from_: Timestamp = Field(alias="from")
    to: Timestamp
    test_mode: TestMode | None
    model: str | None
    template: str | None
    include_rehearsal: bool
    totals: Totals
    groups: list[GroupTotals]


class ExportedExecution(StatusDocument):
    """The status, and the task that it is the status of."""

    task_description: str
    template: str | None
    parameters: dict[str, JsonValue] | None
    expected_outcome: dict[str, JsonValue] | None
    metadata: dict[str, JsonValue]
    assigned_reviewer: str
    retry_of: str | None


class ExportEnd(Answered):
    """The last line of an export in JSON; `code` says why it is not complete."""

    complete: bool
    count: int
    code: str | None


ExportLine = ExportedExecution | ExportEnd
Form = Literal["jsonl", "csv"]
