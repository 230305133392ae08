"""What reviewers are told, as far as it is still so: what was decided or handed on is no news."""

from collections.abc import Collection, Sequence

from sqlalchemy import select

from mixus.accounts.tables import accounts
from mixus.core.database import Row, Transaction
from mixus.core.events import events
from mixus.evals import asks
from mixus.evals.lifecycle import CheckpointStatus
from mixus.evals.tables import checkpoints, executions

KINDS = frozenset({asks.AWAITING, asks.ESCALATED, asks.REASSIGNED})

_execution = [
    executions.c[name]
    for name in (
        *("task_name", "environment", "assigned_reviewer"),
        *("review_timeout_ms", "escalate_to", "escalated_at", "on_review_timeout"),
    )
]
_event = [events.c.id.label("event_id"), events.c.kind, events.c.at, events.c.data]


def outstanding(tx: Transaction, event_ids: Collection[str], recipient: str) -> Sequence[Row]:
    """Checkpoints with their executions and events, in the order of asking: those that are his to decide now.

    Of several events about the same the last one speaks, so that nobody is told twice in one breath.
    """
    if _is_disabled(tx, recipient):
        return []
    statement = (
        select(checkpoints, *_execution, *_event)
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .join(events, events.c.subject_id == checkpoints.c.id)
        .where(events.c.id.in_(event_ids), checkpoints.c.status == CheckpointStatus.AWAITING)
        .order_by(checkpoints.c.requested_at, checkpoints.c.id)
    )
    true = [row for row in tx.execute(statement).mappings() if _is_his(row, recipient)]
    last = _last(tx, [row["id"] for row in true], recipient)
    return [row for row in true if last[row["id"], row["attempt"]] == row["event_id"]]


def _is_his(row: Row, recipient: str) -> bool:
    is_same_ask = row["attempt"] == row["data"]["attempt"]
    return bool(is_same_ask and row["assigned_reviewer"] == recipient == row["data"]["after"])


def _last(tx: Transaction, checkpoint_ids: Collection[str], recipient: str) -> dict[tuple[str, int], str]:
    """The last event that told this reviewer of each attempt, by checkpoint and attempt."""
    told = (
        select(events.c.id, events.c.subject_id, events.c.data)
        .where(events.c.subject_id.in_(checkpoint_ids), events.c.kind.in_(KINDS))
        .order_by(events.c.at, events.c.id)
    )
    return {
        (row.subject_id, row.data["attempt"]): row.id
        for row in tx.execute(told)
        if row.data["after"] == recipient
    }


def _is_disabled(tx: Transaction, email: str) -> bool:
    disabled = select(accounts.c.id).where(accounts.c.email == email, accounts.c.disabled_at.is_not(None))
    return tx.execute(disabled).first() is not None
