"""What people were asked and what they said, over many executions, by test mode and model."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, ColumnElement, Select, String, Text, or_, select, type_coerce

from mixus.core.clock import to_ms
from mixus.core.database import Transaction
from mixus.evals.lifecycle import Decision, TestMode
from mixus.evals.tables import checkpoints, executions

ROWS_AT_ONCE: Final = 10_000
BY_KEY: Final = "key"
NO_HINTS: Final = "[]"
DECIDED: Final = frozenset({Decision.APPROVE.value, Decision.REJECT.value})
# What executions are counted together by; the word as it is stored, which is half of the time.
GROUP: Final = (type_coerce(executions.c.test_mode, String).label("test_mode"), executions.c.model)

Group = tuple[str, str]
Milliseconds = MutableSequence[int]


def milliseconds() -> Milliseconds:
    """Room for any number of times, at eight bytes each."""
    return array("q")


@dataclass(frozen=True)
class Spread:
    """By nearest rank, so that median and p90 are values that were there; None of no values."""

    total: int
    median: int | None
    p90: int | None


@dataclass
class Human:
    requested: int = 0
    approved: int = 0
    edited: int = 0
    rejected: int = 0
    hints: int = 0
    by_key: int = 0
    # At the pages, where one measured it.
    active_review_ms: int | None = None
    # How long each answer took.
    responses_ms: Milliseconds = field(default_factory=milliseconds)

    def add(self, other: "Human") -> None:
        self.requested += other.requested
        self.approved += other.approved
        self.edited += other.edited
        self.rejected += other.rejected
        self.hints += other.hints
        self.by_key += other.by_key
        self._work(other.active_review_ms)
        self.responses_ms.extend(other.responses_ms)

    def count(self, checkpoint: Any) -> None:
        """A row of `asked`."""
        self.requested += checkpoint.requested_at is not None
        self._work(checkpoint.active_review_ms)
        if checkpoint.decision in DECIDED:
            is_approved = checkpoint.decision == Decision.APPROVE
            self.approved += is_approved
            self.rejected += not is_approved
            self.edited += is_approved and checkpoint.is_edited
            self.by_key += checkpoint.decided_via == BY_KEY
            self.responses_ms.append(checkpoint.response_ms)
        if checkpoint.hints != NO_HINTS:
            for hint in orjson.loads(checkpoint.hints):
                self._count_hint(hint)

    def _count_hint(self, hint: Mapping[str, Any]) -> None:
        """Whoever gave one was asked; the checkpoint itself keeps when it was asked last."""
        self.requested += 1
        self.hints += 1
        self.by_key += hint["via"] == BY_KEY
        self._work(hint.get("activeReviewMs"))
        requested, given = (datetime.fromisoformat(hint[name]) for name in ("requestedAt", "at"))
        self.responses_ms.append(to_ms(given) - to_ms(requested))

    def _work(self, milliseconds: int | None) -> None:
        if milliseconds is not None:
            self.active_review_ms = (self.active_review_ms or 0) + milliseconds


def asked(chosen: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The checkpoints of which somebody was told. In the baseline nobody is: there they are a record."""
    requested, decided = (
        type_coerce(moment, BigInteger) for moment in (checkpoints.c.requested_at, checkpoints.c.decided_at)
    )
    proposed, effective = (
        type_coerce(actions, Text)
        for actions in (checkpoints.c.proposed_actions, checkpoints.c.effective_actions)
    )
    hints = type_coerce(checkpoints.c.hints, Text)
    return (
        select(
            *GROUP,
            requested.label("requested_at"),
            (decided - requested).label("response_ms"),
            (effective != proposed).label("is_edited"),
            *(checkpoints.c.decision, checkpoints.c.decided_via, checkpoints.c.active_review_ms),
            hints.label("hints"),
        )
        .join_from(checkpoints, executions, executions.c.id == checkpoints.c.execution_id)
        .where(
            *chosen,
            executions.c.test_mode == TestMode.WITH_VERIFICATION,
            or_(checkpoints.c.requested_at.is_not(None), hints != NO_HINTS),
        )
    )


def by_group(tx: Transaction, statement: Select[Any]) -> Iterator[tuple[Group, Any]]:
    """Each row, which begins with the columns of its group, beside it."""
    rows: Iterable[Any] = tx.execute(statement.execution_options(yield_per=ROWS_AT_ONCE))
    for row in rows:
        yield (row[0], row[1]), row


def spread(values: Milliseconds) -> Spread:
    ranked = sorted(values)
    return Spread(sum(ranked), _ranked(ranked, 50), _ranked(ranked, 90))


def _ranked(ranked: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many percent of all values do not exceed."""
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else None
