"""What would stay open of somebody who goes: his executions, and the checkpoints that wait for him."""

from dataclasses import dataclass

from sqlalchemy import func, select

from mixus.core.database import Transaction
from mixus.evals.lifecycle import LIVE, Status
from mixus.evals.tables import executions


@dataclass(frozen=True)
class LeftOpen:
    """`checkpoints` are the executions that wait for his decision: each waits at one."""

    executions: int
    checkpoints: int


def left_open(tx: Transaction, user_id: str, email: str) -> LeftOpen:
    own = select(func.count()).where(executions.c.user_id == user_id, executions.c.status.in_(LIVE))
    waiting = select(func.count()).where(
        executions.c.status == Status.AWAITING, executions.c.assigned_reviewer == email
    )
    return LeftOpen(int(tx.execute(own).scalar_one()), int(tx.execute(waiting).scalar_one()))
