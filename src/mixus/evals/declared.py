"""What the task of an execution said beforehand, for running it again."""

from typing import Any

from sqlalchemy import select

from mixus.core.database import Transaction
from mixus.evals.lifecycle import Source
from mixus.evals.tables import checkpoints, trace
from mixus.evals.tasks import NewCheckpoint


def plan_of(tx: Transaction, execution_id: str) -> list[Any]:
    """As it was before the agent said anything: it makes its own plan anew."""
    statement = select(trace.c.data).where(trace.c.execution_id == execution_id, trace.c.kind == "created")
    data = tx.execute(statement).scalar_one_or_none() or {}
    return list(data.get("plan", ()))


def checkpoints_of(tx: Transaction, execution_id: str) -> list[NewCheckpoint]:
    found = tx.execute(
        select(checkpoints.c.stage, checkpoints.c.description, checkpoints.c.verification_question)
        .where(checkpoints.c.execution_id == execution_id, checkpoints.c.source == Source.MANUAL)
        .order_by(checkpoints.c.position)
    )
    return [NewCheckpoint(row.stage, row.description, row.verification_question) for row in found]
