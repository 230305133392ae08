"""What a gate looks at: the checkpoints of an execution, which of them are open, and what they released."""

from collections.abc import Sequence
from dataclasses import dataclass

from mixus.core.database import Row
from mixus.evals.lifecycle import CheckpointStatus, Source, TestMode


@dataclass(frozen=True)
class Board:
    test_mode: TestMode
    is_auto: bool
    checkpoints: Sequence[Row]

    @property
    def is_baseline(self) -> bool:
        return self.test_mode is TestMode.WITHOUT_VERIFICATION

    @property
    def is_result_hinted(self) -> bool:
        """After a hint on the final answer, a new effect may not slip past the person who gave it."""
        row = self.undecided(is_result=True)
        return row is not None and row["attempt"] > 1

    def undecided(self, *, is_result: bool) -> Row | None:
        """The next checkpoint to raise; in the baseline, to record."""
        for row in self.checkpoints:
            if (row["source"] is Source.RESULT) is is_result and self._is_open(row):
                return row
        return None

    def passed(self) -> list[Row]:
        """Those that let through what they showed; in the baseline, those that were recorded."""
        return [
            row
            for row in self.checkpoints
            if row["status"] is CheckpointStatus.APPROVED or (self.is_baseline and row["requested_at"])
        ]

    def _is_open(self, row: Row) -> bool:
        if self.is_baseline:
            return row["status"] is CheckpointStatus.SKIPPED and row["requested_at"] is None
        return row["status"] is CheckpointStatus.PENDING
