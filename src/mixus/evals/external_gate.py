"""Which checkpoint a foreign agent must wait for: the pure rule.

The promises are those of every execution: with auto-detection no effect runs unless a checkpoint that
showed exactly that call was approved; while a declared checkpoint is undecided none runs, save those shown
by an approved one.
"""

from dataclasses import dataclass

from mixus.core.database import Row
from mixus.evals.board import Board


@dataclass(frozen=True)
class Raise:
    """A checkpoint that is there, or a new one."""

    row: Row | None

    @property
    def attempt(self) -> int:
        return 1 if self.row is None else int(self.row["attempt"])


def before_effect(board: Board) -> Raise | None:
    return _before(board, is_auto=board.is_auto or board.is_result_hinted)


def when_asked(board: Board) -> Raise | None:
    """The agent itself asks for a reviewer."""
    return _before(board, is_auto=board.is_auto)


def before_end(board: Board) -> Raise | None:
    row = board.undecided(is_result=False) or board.undecided(is_result=True)
    return None if row is None else Raise(row)


def releasing(board: Board, action_id: str) -> Row | None:
    """The checkpoint that showed this call and let it through."""
    return next((row for row in board.passed() if action_id in row["digests"]), None)


def _before(board: Board, *, is_auto: bool) -> Raise | None:
    row = board.undecided(is_result=False)
    if row is not None:
        return Raise(row)
    return Raise(None) if is_auto else None
