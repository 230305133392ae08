"""The end of an execution: its answer is scored, where an outcome was expected, and it is completed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic_ai.messages import ModelResponse

from mixus.agents import judging
from mixus.agents.catalog import OFFLINE
from mixus.agents.judging import NoVerdict
from mixus.core.database import Row, Transaction
from mixus.evals import progress, scoring
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg
from mixus.evals.scoring import Score
from mixus.evals.transitions import Entry
from mixus.worker import parking, requesting, telemetry
from mixus.worker.bench import Bench, Failed
from mixus.worker.parking import ProviderDown
from mixus.worker.requesting import Question
from mixus.worker.state import State

JUDGE: Final = "judge"
MOST_TRIES: Final = 2
NO_VERDICT: Final = "The judge gave no verdict."
SPENT: Final = "The judge was not asked: the budget is spent, or what was spent is not known."
NO_TIME: Final = "The agent time was over before the judge answered."
COUNTED: Final = {"inputTokens": "input_tokens", "outputTokens": "output_tokens", "costUsd": "cost_usd"}


class Unjudged(Exception):
    """Nothing came of asking the judge; `reason` is the sentence of the score."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def finish(bench: Bench, leg: Leg, state: State, answer: str) -> None:
    """Score and complete. What the judge answered is written down before, so that it is asked once."""
    score = await _score(bench, leg, state, answer)
    await bench.write(progress.complete, leg, answer, score=score and score.shown())


async def _score(bench: Bench, leg: Leg, state: State, answer: str) -> Score | None:
    expected = state.row["expected_outcome"]
    if expected is None:
        return None
    if not scoring.is_judged(expected):
        # In a thread: a long answer shall not hold up the other executions of this process.
        return await asyncio.to_thread(scoring.score, expected, answer)
    try:
        verdict = await _verdict(bench, leg, state, answer)
    except Unjudged as unjudged:
        return scoring.judged(expected, passed=None, detail=unjudged.reason)
    return scoring.judged(expected, passed=verdict["passed"], detail=verdict["reason"])


async def _verdict(bench: Bench, leg: Leg, state: State, answer: str) -> Mapping[str, Any]:
    """The judge's, from the journal or by asking; raises Unjudged, or ProviderDown for a while."""
    said: list[Mapping[str, Any]] = [entry["data"] for entry in state.journal if entry["kind"] == JUDGE]
    while not _is_settled(said):
        _require_budget(state.row)
        started = bench.now()
        response = await _response(bench, leg, state, answer)
        elapsed = bench.now() - started
        data = _told(bench, state.row, response, int(elapsed.total_seconds() * 1000))
        counts = _counts(state.row, data, is_first=not said)
        state = replace(state, row=await bench.write(_note, leg, data, counts))
        said.append(data)
    return said[-1]


def _is_settled(said: Sequence[Mapping[str, Any]]) -> bool:
    return bool(said) and (said[-1]["passed"] is not None or len(said) >= MOST_TRIES)


def _require_budget(row: Row) -> None:
    """The judge is paid by the execution; what is spent for its answer is no reason to throw that away."""
    budget, cost = row["max_cost_usd"], row["cost_usd"]
    if budget is not None and (cost is None or cost >= budget):
        raise Unjudged(SPENT)
    limit, given = row["max_tokens"], row["input_tokens"]
    if limit is not None and (given is None or given + row["output_tokens"] >= limit):
        raise Unjudged(SPENT)


async def _response(bench: Bench, leg: Leg, state: State, answer: str) -> ModelResponse:
    row = state.row
    judge = replace(state, row={**row, "model": bench.catalog.judge(row["model"]), "script": None})
    rubric = row["expected_outcome"]["value"]
    messages = judging.question(bench.redact(row["task_description"]), bench.redact(rubric), answer)
    try:
        with telemetry.model_call(bench.tracer, judge.row) as span:
            response = await requesting.request(bench, leg, judge, Question(messages, judging.PARAMETERS))
            usage = _usage(bench, judge.row["model"], response)
            telemetry.used(span, usage["inputTokens"], usage["outputTokens"])
            return response
    except Failed as failed:
        is_late = failed.code is Failure.TIME_LIMIT
        raise Unjudged(NO_TIME if is_late else f"There is no judgement: {failed.message}") from failed
    except ProviderDown as down:
        if await _is_given_up(bench, leg):
            raise Unjudged(f"There is no judgement: {down.reason}.") from down
        raise


async def _is_given_up(bench: Bench, leg: Leg) -> bool:
    """Whether the judge was down for so long that the answer shall not wait for it any more."""
    parked = await bench.read(progress.parked, leg.execution_id)
    return parked.since is not None and bench.now() - parked.since >= parking.PATIENCE


def _told(bench: Bench, row: Row, response: ModelResponse, duration_ms: int) -> dict[str, Any]:
    name = bench.catalog.judge(row["model"])
    passed, reason = _read(response)
    return {
        "model": name,
        "passed": passed,
        "reason": reason,
        "durationMs": duration_ms,
        **_usage(bench, name, response),
    }


def _read(response: ModelResponse) -> tuple[bool | None, str]:
    try:
        verdict = judging.read(response)
    except NoVerdict:
        return None, NO_VERDICT
    return verdict.passed, judging.told(verdict)


def _usage(bench: Bench, name: str, response: ModelResponse) -> dict[str, Any]:
    usage = response.usage
    if usage.unmeasured_requests or not usage.has_values():
        return dict.fromkeys(COUNTED)
    cost = bench.catalog.rules.prices.cost(name, response)
    return {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens, "costUsd": cost}


def _counts(row: Row, data: Mapping[str, Any], *, is_first: bool) -> dict[str, Any]:
    """What is unknown stays unknown; an agent without a provider has spent nothing before its judge."""
    has_spent = row["model"] not in OFFLINE or not is_first
    sums = {column: _sum(row[column] if has_spent else 0, data[name]) for name, column in COUNTED.items()}
    return {"steps": row["steps"] + 1, "parks": 0, **sums}


def _sum(before: float | None, added: float | None) -> float | None:
    return None if before is None or added is None else round(before + added, 12)


def _note(tx: Transaction, leg: Leg, data: dict[str, Any], counts: dict[str, Any], now: datetime) -> Row:
    return progress.note(tx, leg, [Entry(JUDGE, data)], now, **counts)
