"""How many executions a person may have queued and waiting, counted in rows: no place can leak."""

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from mixus.accounts import service as accounts_service
from mixus.core.database import Transaction
from mixus.evals.errors import QueueFull, WaitingFull
from mixus.evals.external_rules import IS_EXTERNAL
from mixus.evals.lifecycle import LIVE, Status
from mixus.evals.tables import executions


@dataclass(frozen=True)
class Capacity:
    """Of one account. How many run at once is the engine's to keep."""

    queued: int = 100
    waiting: int = 1000


CAPACITY = Capacity()


def require_queue(tx: Transaction, user_id: str, capacity: Capacity) -> None:
    """Room for one more in the queue. Rivals of the same person wait here, one after another."""
    accounts_service.locked(tx, user_id)
    if _count(tx, user_id, Status.QUEUED) >= capacity.queued:
        raise QueueFull(
            f"{capacity.queued} executions are queued, which is the most; try again when some have started."
        )


def require_waiting_room(tx: Transaction, user_id: str, capacity: Capacity) -> None:
    """Fewer waiting for a human than may. Those that already run may all come to wait beyond it."""
    if _count(tx, user_id, Status.AWAITING) >= capacity.waiting:
        raise WaitingFull(
            f"{capacity.waiting} executions wait for a human, which is the most; have some decided first."
        )


def require_room_outside(tx: Transaction, user_id: str, capacity: Capacity) -> None:
    """They take no place of a worker; each of them may come to wait for a human, so they count there."""
    accounts_service.locked(tx, user_id)
    at_work = IS_EXTERNAL & executions.c.status.in_([Status.RUNNING, Status.QUEUED])
    waiting = executions.c.status == Status.AWAITING
    statement = select(func.count()).where(executions.c.user_id == user_id, or_(waiting, at_work))
    if int(tx.execute(statement).scalar_one()) >= capacity.waiting:
        raise WaitingFull(
            f"{capacity.waiting} executions wait for a human or run outside, which is the most; "
            "have some decided, or end some."
        )


def count_live(tx: Transaction, user_id: str) -> dict[Status, int]:
    """Executions of this person that have not ended; a status that none is in is missing.

    Those that run outside take none of the places that are counted as running.
    """
    is_outside = IS_EXTERNAL & (executions.c.status == Status.RUNNING)
    statement = (
        select(executions.c.status, func.count().label("number"))
        .where(executions.c.user_id == user_id, executions.c.status.in_(LIVE), ~is_outside)
        .group_by(executions.c.status)
    )
    return {row.status: int(row.number) for row in tx.execute(statement)}


def _count(tx: Transaction, user_id: str, status: Status) -> int:
    statement = select(func.count()).where(executions.c.user_id == user_id, executions.c.status == status)
    return int(tx.execute(statement).scalar_one())
