"""Which call needs a checkpoint: the pure rule that decides what an execution does next.

The promises it keeps are the contract's: with auto-detection no call with an effect runs unless a
checkpoint that shows exactly that call was approved; with manual checkpoints none runs while one is
undecided, save those shown by an approved one; when one call of a batch must wait, all wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixus.agents.calls import BadCall, Call
from mixus.evals import board
from mixus.evals.lifecycle import Source


@dataclass(frozen=True)
class AskModel:
    """Nothing is open: the model says what comes next."""


@dataclass(frozen=True)
class RunCall:
    """This call may run now."""

    call: Call | BadCall


@dataclass(frozen=True)
class AskReviewer:
    """Raise a checkpoint: the one of this id, or a new one where it is None."""

    checkpoint_id: str | None
    source: Source
    held: tuple[Call, ...] = ()
    asking: Call | None = None


@dataclass(frozen=True)
class Finish:
    answer: str


@dataclass(frozen=True)
class TakeResult:
    """The effect of this call is settled; its result only has to be told to the model."""

    call: Call


NextMove = AskModel | RunCall | AskReviewer | Finish | TakeResult


@dataclass(frozen=True)
class Board(board.Board):
    """What the gate looks at. `effects` maps the id of every intended call to whether it is settled."""

    effects: Mapping[str, bool]

    def has_released(self, call: Call) -> bool:
        """Whether a checkpoint that showed exactly this call let it through."""
        return any(row["digests"].get(call.action_id) == call.digest for row in self.passed())


def next_move(board: Board, open_calls: Sequence[Call | BadCall], answer: str | None) -> NextMove:
    if open_calls:
        return _for_calls(board, open_calls)
    if answer is not None:
        return _for_answer(board, answer)
    return AskModel()


def _for_calls(board: Board, open_calls: Sequence[Call | BadCall]) -> NextMove:
    calls = [call for call in open_calls if isinstance(call, Call)]
    for call in calls:
        if call.action_id in board.effects:
            return TakeResult(call) if board.effects[call.action_id] else _uncertain(call)
    return _pause(board, calls) or RunCall(open_calls[0])


def _uncertain(call: Call) -> AskReviewer:
    """It was about to happen when its process died: it is never run again by itself."""
    return AskReviewer(None, Source.UNCERTAIN, held=(call,))


def _pause(board: Board, calls: Sequence[Call]) -> AskReviewer | None:
    waiting = [call for call in calls if not board.has_released(call)]
    held = tuple(call for call in waiting if call.has_effect)
    asking = next((call for call in waiting if call.asks), None)
    if not held and asking is None:
        return None
    undecided = board.undecided(is_result=False)
    if undecided is not None:
        return AskReviewer(undecided["id"], undecided["source"], held, asking)
    if board.is_auto or (held and board.is_result_hinted):
        return AskReviewer(None, Source.AUTO, held, asking)
    return None


def _for_answer(board: Board, answer: str) -> AskReviewer | Finish:
    row = board.undecided(is_result=False) or board.undecided(is_result=True)
    if row is not None:
        return AskReviewer(row["id"], row["source"])
    return Finish(answer)
