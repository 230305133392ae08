"""Metrics over many executions, as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime

from mixus.client.wire import Json


@dataclass(frozen=True, kw_only=True)
class Spread:
    """In milliseconds; None where nothing has ended yet."""

    sum: int = 0
    median: int | None = None
    p90: int | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Of finished executions."""

    duration_ms: Spread = Spread()
    agent_ms: Spread = Spread()
    queued_ms: Spread = Spread()
    waiting_ms: Spread = Spread()
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class TokenTotals:
    """Over the executions of which tokens are known; None where there are none."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens_known: int = 0
    tokens_unknown: int = 0
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class CostTotals:
    """Over the executions of which the cost is known; None where there are none."""

    cost_usd: float | None = None
    cost_known: int = 0
    cost_unknown: int = 0
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class HumanTotals:
    requested: int = 0
    approved: int = 0
    edited: int = 0
    rejected: int = 0
    hints: int = 0
    by_key: int = 0
    median_response_ms: int | None = None
    active_review_ms: int | None = None
    waiting_ms: int = 0
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Rates are None where nothing was scored, or nothing has finished."""

    executions: int
    by_status: Json = field(default_factory=dict)
    finished: int = 0
    scored: int = 0
    passed: int = 0
    failed_score: int = 0
    unscored: int = 0
    success_rate: float | None = None
    error_rate: float | None = None
    durations: Durations = Durations()
    tokens: TokenTotals = TokenTotals()
    cost: CostTotals = CostTotals()
    human: HumanTotals = HumanTotals()
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class GroupTotals(Totals):
    test_mode: str
    model: str
    rehearsal: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricsReport:
    from_time: datetime = field(metadata={"wire": "from"})
    to_time: datetime = field(metadata={"wire": "to"})
    totals: Totals
    groups: tuple[GroupTotals, ...] = ()
    raw: Json = field(default_factory=dict, repr=False)
