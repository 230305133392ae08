"""The intents of effects: committed before the act, their result after it, so that none happens twice."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from mixus.core.database import Row, Transaction
from mixus.evals.lifecycle import Decision, Effect
from mixus.evals.tables import effects

ASSUMED = "The reviewer counted this as done; its result is not known."
UNKNOWN = "Unknown: it is not certain whether this happened. It was not tried again."


@dataclass(frozen=True)
class Intent:
    """One approved call, by the id that its approval was bound to."""

    action_id: str
    execution_id: str
    tool: str
    effect: Effect
    digest: str


def intend(tx: Transaction, intent: Intent, now: datetime) -> None:
    """Say that the call is about to happen. The primary key refuses a second time."""
    tx.execute(insert(effects).values(**asdict(intent), intended_at=now))


def finish(tx: Transaction, action_id: str, result: Any, now: datetime, *, is_error: bool) -> None:
    """Write the result, whatever has become of the execution meanwhile."""
    tx.execute(
        update(effects)
        .where(effects.c.action_id == action_id, effects.c.finished_at.is_(None))
        .values(finished_at=now, result=result, is_error=is_error)
    )


def settle(tx: Transaction, actions: Sequence[Mapping[str, Any]], decision: Decision, now: datetime) -> None:
    """What a reviewer says of an uncertain effect: approve counts it as done, a hint leaves it unknown."""
    if decision is Decision.REJECT:
        return
    is_done = decision is Decision.APPROVE
    for action in actions:
        result = ASSUMED if is_done else UNKNOWN
        finish(tx, action["actionId"], result, now, is_error=not is_done)


def of_execution(tx: Transaction, execution_id: str) -> dict[str, Row]:
    found = tx.execute(select(effects).where(effects.c.execution_id == execution_id)).mappings()
    return {row["action_id"]: row for row in found}
