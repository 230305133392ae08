"""Another process goes on with an execution whose agent runs outside."""

from datetime import datetime
from typing import Any

from mixus.accounts.principal import Principal, Scope
from mixus.core.database import Row, Transaction
from mixus.core.ids import new_id
from mixus.evals import access, external, external_asking, external_effects, service
from mixus.evals.lifecycle import Status
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry, Move, apply


def attach(tx: Transaction, principal: Principal, execution_id: str, now: datetime) -> Row:
    """Let the calling process go on from here. What the one before began and did not finish is uncertain.

    The one before writes nothing more, save results of what it began.
    """
    principal.require(Scope.CREATE)
    row = external.unfinished(external.require_external(access.owned(tx, principal, execution_id)))
    service.require_live(principal, row["environment"])
    row = _given_over(tx, principal, row, now)
    if row["status"] is Status.AWAITING:
        return row
    row = external.resumed(tx, row, now)
    actions = external_effects.open_actions(tx, execution_id)
    if not actions:
        return row
    external_asking.ask_uncertain(tx, row, actions, now)
    return external.read(tx, execution_id)


def _given_over(tx: Transaction, principal: Principal, row: Row, now: datetime) -> Row:
    """A running one goes through the queue, so that the time since the last sign of life counts as queued."""
    entry = Entry("attached", {"by": principal.email})
    values: dict[str, Any] = {"worker_id": new_id("wrk")}
    move = Move(row["id"], [entry], values=values)
    if row["status"] is Status.RUNNING:
        values |= {"seq": executions.c.seq + 1}
        move = Move(row["id"], [entry], to=Status.QUEUED, values=values, is_takeover=True)
    after = apply(tx, move, now)
    if after is None:
        raise RuntimeError("an execution that is held was changed by somebody else")
    return after
