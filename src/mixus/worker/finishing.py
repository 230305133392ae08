"""The end of an execution: its answer is scored, where an outcome was expected, and it is completed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_ai.messages import ModelResponse

from mixus.agents import judging
from mixus.agents.catalog import OFFLINE
from mixus.agents.judging import NoVerdict
from mixus.core.database import Row
from mixus.evals import progress, scoring
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg
from mixus.evals.scoring import Score
from mixus.evals.transitions import Entry
from mixus.worker import parking, requesting, spending, telemetry
from mixus.worker.bench import Bench, Failed
from mixus.worker.parking import ProviderDown
from mixus.worker.requesting import Prompt
from mixus.worker.state import State

JUDGE: Final = "judge"
MOST_TRIES: Final = 2
NO_VERDICT: Final = "The judge gave no verdict."
SPENT: Final = "The judge was not asked: the budget is spent, or what was spent is not known."
NO_TIME: Final = "The agent time was over before the judge answered."


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
        # An agent without a provider has spent nothing before its judge.
        is_first = not said and state.row["model"] in OFFLINE
        counts = spending.after_call(state.row, data, is_first=is_first)
        row = await bench.write(progress.note, leg, [Entry(JUDGE, data)], **counts)
        state = replace(state, row=row)
        said.append(data)
    return said[-1]


def _is_settled(said: Sequence[Mapping[str, Any]]) -> bool:
    return bool(said) and (said[-1]["passed"] is not None or len(said) >= MOST_TRIES)


def _require_budget(row: Row) -> None:
    """The judge is paid by the execution; what is spent for its answer is no reason to throw that away."""
    is_spent = spending.is_over(row["cost_usd"], row["max_cost_usd"])
    if is_spent or spending.is_over(spending.tokens(row), row["max_tokens"]):
        raise Unjudged(SPENT)


async def _response(bench: Bench, leg: Leg, state: State, answer: str) -> ModelResponse:
    row = state.row
    judge = replace(state, row={**row, "model": bench.catalog.judge_name(row["model"]), "script": None})
    rubric = row["expected_outcome"]["value"]
    messages = judging.question(bench.redact(row["task_description"]), bench.redact(rubric), answer)
    try:
        with telemetry.model_call(bench.tracer, judge.row) as span:
            response = await requesting.request(bench, leg, judge, Prompt(messages, judging.PARAMETERS))
            usage = spending.usage_of(bench, judge.row["model"], response)
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
    name = bench.catalog.judge_name(row["model"])
    passed, reason = _read(response)
    return {
        "model": name,
        "passed": passed,
        "reason": reason,
        "durationMs": duration_ms,
        **spending.usage_of(bench, name, response),
    }


def _read(response: ModelResponse) -> tuple[bool | None, str]:
    try:
        verdict = judging.read(response)
    except NoVerdict:
        return None, NO_VERDICT
    return verdict.passed, judging.told(verdict)
