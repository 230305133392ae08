"""The gate of agents outside holds what the gate of our own agents holds, whatever the checkpoints are."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mixus.agents import gate
from mixus.agents.calls import Call
from mixus.agents.gate import AskReviewer, Finish, RunCall
from mixus.agents.tools.registry import Arguments, Context, Tool
from mixus.evals import external_gate
from mixus.evals.board import Board
from mixus.evals.external_gate import Raise
from mixus.evals.lifecycle import CheckpointStatus, Effect, Source, TestMode


class Nothing(Arguments):
    pass


async def run(_arguments: Nothing, _context: Context) -> None:
    return None


CALL = Call("act_new", Tool("refund", "Refund.", Effect.PURCHASE, Nothing, run), Nothing())

# What can stand in a row while an execution runs: nothing is awaited.
ROWS = st.builds(
    lambda status, source, attempt, is_requested: {
        "status": status,
        "source": source,
        "attempt": attempt,
        "requested_at": 1 if is_requested else None,
        "digests": {},
    },
    st.sampled_from([CheckpointStatus.PENDING, CheckpointStatus.APPROVED, CheckpointStatus.SKIPPED]),
    st.sampled_from(Source),
    st.integers(1, 6),
    st.booleans(),
)


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"id": f"chk_{number}"} for number, row in enumerate(rows)]


def boards(rows: list[dict[str, Any]], mode: TestMode, *, is_auto: bool) -> tuple[gate.Board, Board]:
    checkpoints = numbered(rows)
    return gate.Board(mode, is_auto, checkpoints, {}), Board(mode, is_auto, checkpoints)


def raised(found: Raise | None) -> str | None:
    """The checkpoint that is raised, `new` for another one, None where it goes on."""
    if found is None:
        return None
    return "new" if found.row is None else str(found.row["id"])


@given(rows=st.lists(ROWS, max_size=5), mode=st.sampled_from(TestMode), is_auto=st.booleans())
def test_an_effect_waits_for_the_same_checkpoint(
    *, rows: list[dict[str, Any]], mode: TestMode, is_auto: bool
) -> None:
    ours, outside = boards(rows, mode, is_auto=is_auto)
    move = gate.next_move(ours, [CALL], None)
    expected = (move.checkpoint_id or "new") if isinstance(move, AskReviewer) else None
    assert isinstance(move, AskReviewer | RunCall)
    assert raised(external_gate.before_effect(outside)) == expected


@given(rows=st.lists(ROWS, max_size=5), mode=st.sampled_from(TestMode), is_auto=st.booleans())
def test_an_answer_waits_for_the_same_checkpoint(
    *, rows: list[dict[str, Any]], mode: TestMode, is_auto: bool
) -> None:
    ours, outside = boards(rows, mode, is_auto=is_auto)
    move = gate.next_move(ours, [], "done")
    assert isinstance(move, AskReviewer | Finish)
    expected = move.checkpoint_id if isinstance(move, AskReviewer) else None
    assert raised(external_gate.before_end(outside)) == expected
