"""Executions by the credential that started them, of which an evaluation knows nothing but the id."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from mixus.core import dispatch, events
from mixus.core.database import Row, Transaction
from mixus.core.events import Actor
from mixus.evals.lifecycle import LIVE, Status
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry, Move, apply


def unfinished(tx: Transaction, credential_id: str) -> Sequence[Row]:
    """Those that have not ended yet, oldest first."""
    statement = (
        select(executions.c.id, executions.c.task_name, executions.c.status)
        .where(executions.c.credential_id == credential_id, executions.c.status.in_(LIVE))
        .order_by(executions.c.created_at, executions.c.id)
    )
    return tx.execute(statement).mappings().all()


def cancel(tx: Transaction, execution_id: str, by: str, actor: Actor, now: datetime) -> Row | None:
    """None when it has ended already; a call in flight is ended after the commit."""
    move = Move(execution_id, [Entry("cancelled", {"by": by})], to=Status.CANCELLED)
    row = apply(tx, move, now)
    if row is None:
        return None
    tx.after_commit(lambda: tx.dispatch.cancel([dispatch.workflow_id(execution_id, row["seq"])]))
    events.record(tx, "execution.cancelled", execution_id, actor, now)
    return row
