"""One execution as its page shows it: what it is, what was asked, who made it, and a piece of its trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select

from mixus.accounts import service as accounts
from mixus.accounts.principal import Principal, Scope
from mixus.core.database import Row, Transaction
from mixus.core.errors import NotFound
from mixus.evals import access, queries
from mixus.evals.tables import executions, trace

# Retries that are named; whoever retries more often finds the rest in the list.
MOST_RETRIES: Final = 5


@dataclass(frozen=True)
class Record:
    """`retries` are ids of executions that ran the same again, newest first."""

    execution: Row
    made_by: str
    checkpoints: Sequence[Row]
    retries: Sequence[str]


def read(tx: Transaction, principal: Principal, execution_id: str) -> Record:
    principal.require(Scope.READ)
    found = select(executions).where(executions.c.id == execution_id)
    execution = tx.execute(found).mappings().one_or_none()
    if execution is None or not access.is_visible(execution, principal):
        raise access.missing(execution_id)
    return Record(
        execution,
        accounts.get(tx, execution["user_id"]).email,
        queries.checkpoints_of(tx, [execution_id]),
        _retries(tx, principal, execution_id),
    )


def changeable(tx: Transaction, principal: Principal, execution_id: str) -> Record:
    """The same for who may change it; raises Forbidden for others who may see it."""
    record = read(tx, principal, execution_id)
    principal.require(Scope.MANAGE)
    access.require_owner(record.execution, principal)
    return record


def may_change(record: Record, principal: Principal) -> bool:
    return principal.may(Scope.MANAGE) and access.is_owner(record.execution, principal)


def may_decide(record: Record, principal: Principal) -> bool:
    return principal.may(Scope.MANAGE) and access.may_decide(record.execution, principal)


def entries(tx: Transaction, record: Record, after: int, limit: int) -> Sequence[Row]:
    """Of the trace, numbered above `after`, in order."""
    statement = _entries(record).where(trace.c.number > after).order_by(trace.c.number).limit(limit)
    return tx.execute(statement).mappings().all()


def entry(tx: Transaction, record: Record, number: int) -> Row:
    found = tx.execute(_entries(record).where(trace.c.number == number)).mappings().one_or_none()
    if found is None:
        raise NotFound(f"The trace of this execution has no entry {number}.")
    return found


def _entries(record: Record) -> Select[tuple[int, object, str, object]]:
    """Without the model's side, which only a worker needs."""
    columns = trace.c.number, trace.c.at, trace.c.kind, trace.c.data
    return select(*columns).where(trace.c.execution_id == record.execution["id"])


def _retries(tx: Transaction, principal: Principal, execution_id: str) -> Sequence[str]:
    statement = (
        select(executions.c.id)
        .where(executions.c.retry_of == execution_id, access.visible_to(principal))
        .order_by(executions.c.created_at.desc(), executions.c.id.desc())
        .limit(MOST_RETRIES)
    )
    return tx.execute(statement).scalars().all()
