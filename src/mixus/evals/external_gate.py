"""Which checkpoint a foreign agent must wait for: the pure rule, on rows.

The promises are those of every execution: with auto-detection no effect runs unless a checkpoint that
showed exactly that call was approved; while a declared checkpoint is undecided none runs, save those shown
by an approved one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mixus.core.database import Row
from mixus.evals.lifecycle import CheckpointStatus, Source, TestMode


@dataclass(frozen=True)
class Raise:
    """A checkpoint that is there, or a new one."""

    row: Row | None


@dataclass(frozen=True)
class Board:
    execution: Row
    checkpoints: Sequence[Row]

    @property
    def is_baseline(self) -> bool:
        return bool(self.execution["test_mode"] is TestMode.WITHOUT_VERIFICATION)

    def before_effect(self) -> Raise | None:
        hinted = self._open(is_result=True)
        is_hinted = hinted is not None and hinted["attempt"] > 1
        return self._before(is_auto=self.execution["auto_detect"] or is_hinted)

    def when_asked(self) -> Raise | None:
        """The agent itself asks for a reviewer."""
        return self._before(is_auto=self.execution["auto_detect"])

    def before_end(self) -> Raise | None:
        row = self._open(is_result=False) or self._open(is_result=True)
        return None if row is None else Raise(row)

    def releasing(self, action_id: str) -> Row | None:
        """The checkpoint that showed this call and let it through."""
        return next((row for row in self.checkpoints if self._releases(row, action_id)), None)

    def _releases(self, row: Row, action_id: str) -> bool:
        is_through = row["status"] is CheckpointStatus.APPROVED or (self.is_baseline and row["requested_at"])
        return bool(is_through and action_id in row["digests"])

    def _before(self, *, is_auto: bool) -> Raise | None:
        row = self._open(is_result=False)
        if row is not None:
            return Raise(row)
        return Raise(None) if is_auto else None

    def _open(self, *, is_result: bool) -> Row | None:
        for row in self.checkpoints:
            if (row["source"] is Source.RESULT) is is_result and self._is_open(row):
                return row
        return None

    def _is_open(self, row: Row) -> bool:
        if self.is_baseline:
            return row["status"] is CheckpointStatus.SKIPPED and row["requested_at"] is None
        return row["status"] is CheckpointStatus.PENDING
