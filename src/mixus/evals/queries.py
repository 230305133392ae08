"""What is read of evaluations: the status, lists, the reviewer's queue and the trace."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Label,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
)

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import from_ms, to_ms
from mixus.core.database import Database, Read, Row, Transaction
from mixus.core.events import events
from mixus.core.members import member_text
from mixus.core.pages import Page, cut, place_of
from mixus.evals import access, asks
from mixus.evals.lifecycle import CheckpointStatus, Status, TestMode
from mixus.evals.tables import checkpoints, executions, trace

# Not in the status: long texts that the client sent himself, and what only the agent needs.
UNSHOWN = {"task_description", "script", "tools"}
# Nor what a waiting client need not be told a hundred times a minute.
UNPOLLED = UNSHOWN | {
    *("credential_id", "retry_of", "auto_detect", "review_result"),
    *("max_steps", "max_cost_usd", "max_tokens", "timeout_ms", "review_timeout_ms"),
    *("metadata", "seq", "state_format", "worker_id", "leased_at", "parks"),
    *("template", "parameters", "expected_outcome", "passed"),
}
CHECKPOINT_PREFIX = "checkpoint_"

_shown = [column for column in executions.c if column.name not in UNSHOWN]
_polled = [column for column in executions.c if column.name not in UNPOLLED]
_checkpoint = [
    column.label(CHECKPOINT_PREFIX + column.name)
    for column in checkpoints.c
    if column.name not in {"execution_id", "position", "digests", "comment"}
]

# One statement, so that status and checkpoints are of one moment.
STATUS = Read(
    select(*_polled, *_checkpoint)
    .outerjoin_from(executions, checkpoints, checkpoints.c.execution_id == executions.c.id)
    .where(executions.c.id == bindparam("execution_id"))
    .order_by(checkpoints.c.position)
)
# A fixed number of places, because the lane is compiled once.
PULSES_AT_ONCE = 64
PULSES = Read(
    select(executions.c.id, executions.c.version, executions.c.trace_count, executions.c.status).where(
        executions.c.id.in_([bindparam(f"id_{place}") for place in range(PULSES_AT_ONCE)])
    )
)
# What changes a list though no execution comes into another state.
CHANGES = ("execution.updated", "execution.deleted", asks.ESCALATED)
# More than the last one is looked at: what is committed later may be dated earlier.
LATEST_AT_ONCE = 20


def _latest(name: str, moment: Column[Any], of: ColumnElement[bool]) -> Label[Any]:
    """The latest moments of these, added: a few steps from the end of an index, however many there are."""
    latest = select(moment.label("at")).where(of).order_by(moment.desc()).limit(LATEST_AT_ONCE).subquery()
    return select(func.sum(type_coerce(latest.c.at, BigInteger))).scalar_subquery().label(name)


MOVES = Read(
    select(
        *(
            _latest(status.name.lower(), executions.c.since, executions.c.status == status)
            for status in Status
        ),
        *(_latest(kind, events.c.at, events.c.kind == kind) for kind in CHANGES),
    )
)
TRACE = Read(
    select(trace.c.number, trace.c.at, trace.c.kind, trace.c.data)
    .where(trace.c.execution_id == bindparam("execution_id"), trace.c.number > bindparam("after"))
    .order_by(trace.c.number)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True)
class Filters:
    """Of the list of executions; None does not filter."""

    status: Status | None = None
    test_mode: TestMode | None = None
    text: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    model: str | None = None
    # The name of a member of its metadata, and the text that its value reads as.
    metadata: tuple[str, str] | None = None


def status_rows(database: Database, principal: Principal, execution_id: str) -> Sequence[Row]:
    """The execution joined with its checkpoints, one row each, at least one."""
    principal.require(Scope.READ)
    rows = database.rows(STATUS, execution_id=execution_id)
    if not rows or not access.is_visible(rows[0], principal):
        raise access.missing(execution_id)
    return rows


def status_within(tx: Transaction, execution_id: str) -> Sequence[Row]:
    """The same rows as this transaction has made them. The caller has been let in by what it changed."""
    return tx.execute(STATUS.statement, {"execution_id": execution_id}).mappings().all()


def pulses(database: Database, execution_ids: Sequence[str]) -> dict[str, Row]:
    """Version, length of the trace and status, by id, which waiting clients are told about. No gone ones."""
    found: dict[str, Row] = {}
    for start in range(0, len(execution_ids), PULSES_AT_ONCE):
        batch = execution_ids[start : start + PULSES_AT_ONCE]
        places = {f"id_{place}": "" for place in range(PULSES_AT_ONCE)}
        places |= {f"id_{place}": execution_id for place, execution_id in enumerate(batch)}
        found |= {row["id"]: row for row in database.rows(PULSES, **places)}
    return found


def latest_moves(database: Database) -> str:
    """Another word than it was whenever an execution of anybody has since changed for those who list them."""
    return _word(database.rows(MOVES)[0])


def moves_within(tx: Transaction) -> str:
    """The same as of what this transaction reads."""
    return _word(tx.execute(MOVES.statement).mappings().one())


def trace_after(database: Database, execution_id: str, after: int, limit: int) -> Sequence[Row]:
    """Entries numbered above `after`. The caller has been let in by `status_rows`."""
    return database.rows(TRACE, execution_id=execution_id, after=after, limit=limit)


def list_executions(
    tx: Transaction, principal: Principal, filters: Filters, limit: int, cursor: str | None
) -> Page[Row]:
    """Newest first: what the caller owns or reviews; admins see all."""
    principal.require(Scope.READ)
    statement = (
        select(*_shown)
        .where(access.visible_to(principal), *conditions(filters))
        .order_by(executions.c.created_at.desc(), executions.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, execution_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), executions.c.created_at.type), literal(execution_id))
        statement = statement.where(tuple_(executions.c.created_at, executions.c.id) < place)
    return _page(tx, statement, limit, "created_at")


def awaiting_checkpoints(tx: Transaction, principal: Principal, limit: int, cursor: str | None) -> Page[Row]:
    """The reviewer's own queue, longest waiting first."""
    principal.require(Scope.READ)
    statement = (
        select(checkpoints, executions.c.task_name, executions.c.model)
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .where(
            checkpoints.c.status == CheckpointStatus.AWAITING,
            access.assigned_to(principal),
        )
        .order_by(checkpoints.c.requested_at, checkpoints.c.id)
        .limit(limit + 1)
    )
    if cursor is not None:
        at, checkpoint_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), checkpoints.c.requested_at.type), literal(checkpoint_id))
        statement = statement.where(tuple_(checkpoints.c.requested_at, checkpoints.c.id) > place)
    return _page(tx, statement, limit, "requested_at")


def count_awaiting(tx: Transaction, principal: Principal, most: int) -> int:
    """How long the reviewer's own queue is, counted no further than `most`."""
    found = (
        select(checkpoints.c.id)
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .where(
            checkpoints.c.status == CheckpointStatus.AWAITING,
            access.assigned_to(principal),
        )
        .limit(most)
    )
    count: int = tx.execute(select(func.count()).select_from(found.subquery())).scalar_one()
    return count


def model_of(tx: Transaction, execution_id: str) -> str:
    """The model of an execution that the caller has been let in to."""
    model: str = tx.execute(select(executions.c.model).where(executions.c.id == execution_id)).scalar_one()
    return model


def checkpoints_of(tx: Transaction, execution_ids: Iterable[str]) -> Sequence[Row]:
    """All checkpoints of these executions, in order."""
    return (
        tx.execute(
            select(checkpoints)
            .where(checkpoints.c.execution_id.in_(list(execution_ids)))
            .order_by(checkpoints.c.execution_id, checkpoints.c.position)
        )
        .mappings()
        .all()
    )


def _page(tx: Transaction, statement: Select[Any], limit: int, order: str) -> Page[Row]:
    rows: Sequence[Row] = tx.execute(statement).mappings().all()
    return cut(rows, limit, lambda row: (to_ms(row[order]), row["id"]))


def _word(moves: Row) -> str:
    return hashlib.sha256(" ".join(map(str, moves.values())).encode()).hexdigest()[:16]


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    wanted = {
        executions.c.status: filters.status,
        executions.c.test_mode: filters.test_mode,
        executions.c.model: filters.model,
    }
    found: list[ColumnElement[bool]] = [
        column == value for column, value in wanted.items() if value is not None
    ]
    if filters.metadata is not None:
        member, value = filters.metadata
        found.append(member_text(executions.c.metadata, member) == value)
    if filters.text:
        text = filters.text.lower()
        name = func.lower(executions.c.task_name).contains(text, autoescape=True)
        description = func.lower(executions.c.task_description).contains(text, autoescape=True)
        found.append(or_(name, description))
    if filters.created_from is not None:
        found.append(executions.c.created_at >= filters.created_from)
    if filters.created_to is not None:
        found.append(executions.c.created_at < filters.created_to)
    return [and_(*found)] if found else []
