"""One leg of an execution: from a start or a decision to the next checkpoint or the end."""

import logging
from collections.abc import Sequence

from opentelemetry.trace import get_current_span

from mixus.agents import planning
from mixus.agents.conversation import StateUnreadable
from mixus.agents.gate import AskModel, AskReviewer, Finish, NextMove, RunCall, TakeResult, next_move
from mixus.agents.planning import TakePlan
from mixus.core.database import Row
from mixus.evals import progress
from mixus.evals.lifecycle import Failure, Source
from mixus.evals.progress import Leg, LostSegment
from mixus.worker import acting, asking, finishing, parking, telemetry, thinking
from mixus.worker.bench import Bench, Failed
from mixus.worker.parking import ProviderDown
from mixus.worker.state import State, read_state

logger = logging.getLogger(__name__)


async def run_segment(bench: Bench, leg: Leg) -> None:
    """Run the leg, if it is still the one to run. It holds nothing in memory that is not in rows."""
    try:
        row = await bench.write(progress.claim, leg)
        if row is not None:
            with telemetry.segment(bench.tracer, row):
                await _carry_on(bench, leg)
    except LostSegment:
        logger.info("segment %s:%s was ended by somebody else", leg.execution_id, leg.seq)


async def _carry_on(bench: Bench, leg: Leg) -> None:
    try:
        journal: Sequence[Row] = ()
        is_over = False
        while not is_over:
            state = await bench.read(read_state, leg, bench.catalog, journal)
            journal = state.journal
            is_over = await _make_move(bench, leg, state)
    except Failed as failed:
        telemetry.failed(get_current_span(), failed.code.value)
        await bench.write(progress.fail, leg, failed.code, failed.message)
    except ProviderDown as down:
        await bench.write(parking.park, leg, down)
    except StateUnreadable as unreadable:
        await bench.write(progress.fail, leg, Failure.STATE_UNREADABLE, str(unreadable))


async def _make_move(bench: Bench, leg: Leg, state: State) -> bool:
    """One act, journalled; whether the segment is over."""
    move = _next_move(state)
    if state.seconds_left(bench.now()) <= 0 and not _is_uncertain(move):
        raise Failed(Failure.TIME_LIMIT, f"It used its {state.row['timeout_ms']} ms of agent time.")
    match move:
        case TakePlan(call):
            await thinking.take_plan(bench, leg, state, call)
        case AskModel():
            await thinking.ask_model(bench, leg, state)
        case RunCall(call):
            await acting.run_call(bench, leg, state, call)
        case TakeResult(call):
            await acting.take_result(bench, leg, state, call)
        case AskReviewer():
            return await asking.ask(bench, leg, state, move)
        case Finish(answer):
            await finishing.finish(bench, leg, state, answer)
            return True
    return False


def _next_move(state: State) -> TakePlan | NextMove:
    if state.is_planning:
        return planning.next_move(state.calls)
    return next_move(state.board, state.calls, state.conversation.answer)


def _is_uncertain(move: TakePlan | NextMove) -> bool:
    """What may have happened is asked about however late it is: nobody else would."""
    return isinstance(move, AskReviewer) and move.source is Source.UNCERTAIN and move.checkpoint_id is None
