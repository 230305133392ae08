"""Executions whose agent runs in a process of the caller's: begin, note, ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from mixus.accounts.principal import Principal, Scope
from mixus.core.database import Row, Transaction
from mixus.core.errors import Invalid
from mixus.core.ids import new_id
from mixus.evals import access, external_asking, external_gate, progress, scoring, service
from mixus.evals.capacity import CAPACITY, Capacity, require_room_outside
from mixus.evals.errors import (
    DecisionAwaited,
    ExecutionFinished,
    NotExternal,
    TakenOver,
)
from mixus.evals.external_asking import Asked, board_of, leg_of
from mixus.evals.external_rules import is_external
from mixus.evals.lifecycle import FINAL, Environment, Status
from mixus.evals.progress import Leg
from mixus.evals.tables import executions
from mixus.evals.tasks import NewCheckpoint, NewTask
from mixus.evals.transitions import Entry, Move, apply

SUMS: Final = ("input_tokens", "output_tokens", "cost_usd")


@dataclass(frozen=True)
class Process:
    """Who says that it is at work on an execution. The id fences: taking over gives a new one."""

    execution_id: str
    worker_id: str


@dataclass(frozen=True)
class Step:
    """What the agent tells of itself. With tokens or cost, None being unknown, it is a call of a model."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    duration_ms: int | None = None
    model_call: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Waiting:
    """`checkpoint_id` is what it waits for; without one it went on, or ended."""

    status: Status
    checkpoint_id: str | None = None
    attempt: int | None = None


def create(
    tx: Transaction,
    principal: Principal,
    task: NewTask,
    now: datetime,
    capacity: Capacity = CAPACITY,
    *,
    may_go_unverified: bool = False,
) -> Row:
    """Make the execution; it runs at once, because its process is the one that calls."""
    principal.require(Scope.CREATE)
    service.require_live(principal, task.environment)
    if task.environment is Environment.LIVE:
        service.require_verified(task.test_mode, may_go_unverified=may_go_unverified)
    _require_scorable(task)
    require_room_outside(tx, principal.user_id, capacity)
    row = service.write_down(tx, principal, task, now)
    return _claim(tx, Leg(row["id"], row["seq"], new_id("wrk")), now)


def note_step(tx: Transaction, principal: Principal, caller: Process, step: Step, now: datetime) -> None:
    """Also a sign of life. It may come while another part of the agent waits for a reviewer."""
    row = _held(tx, principal, caller)
    if row["status"] is Status.QUEUED:
        row = _claim(tx, leg_of(row), now)
    data = {"name": step.name, "data": step.data, "error": step.error, "durationMs": step.duration_ms}
    values: dict[str, Any] = {"leased_at": now}
    if step.error is not None:
        values["errors"] = executions.c.errors + 1
    if step.model_call is not None:
        values |= {"steps": row["steps"] + 1, **_sums(row, step.model_call)}
        data |= {"modelCall": step.model_call}
    apply(tx, Move(row["id"], [Entry("step", data)], values=values), now)


def checkpoint(
    tx: Transaction, principal: Principal, caller: Process, stage: str, work: str, now: datetime
) -> Waiting:
    """The agent asks for a reviewer. Where none is left to ask and nothing is detected, it goes on."""
    row = running(tx, principal, caller, now)
    wanted = external_gate.when_asked(board_of(tx, row))
    if wanted is None:
        return Waiting(Status.RUNNING)
    spec = NewCheckpoint(stage, "The agent asks for its work to be verified.", external_asking.IS_RIGHT)
    checkpoint_id = external_asking.ask(tx, row, wanted, Asked(spec, work), now)
    return waiting(checkpoint_id, wanted.attempt)


def running(tx: Transaction, principal: Principal, caller: Process, now: datetime) -> Row:
    """The execution, held, and running in the calling process."""
    return resumed(tx, _held(tx, principal, caller), now)


def resumed(tx: Transaction, row: Row, now: datetime) -> Row:
    """A decision puts it into the queue; its own process takes it out, as a worker would."""
    if row["status"] is Status.AWAITING:
        raise DecisionAwaited("This execution waits for its reviewer; wait for the decision, then ask again.")
    return _claim(tx, leg_of(row), now) if row["status"] is Status.QUEUED else row


def require_external(row: Row) -> Row:
    if not is_external(row):
        raise NotExternal("A worker of this server runs this execution; a process outside cannot.")
    return row


def unfinished(row: Row) -> Row:
    if row["status"] in FINAL:
        raise ExecutionFinished(
            f"This execution is {row['status']}: nothing more can be done in it.",
            executionStatus=row["status"].value,
        )
    return row


def read(tx: Transaction, execution_id: str) -> Row:
    return tx.execute(select(executions).where(executions.c.id == execution_id)).mappings().one()


def require_held(tx: Transaction, principal: Principal, caller: Process) -> None:
    """Raises TakenOver or ExecutionFinished where it is no longer this process's."""
    _held(tx, principal, caller)


def held_or_ended(tx: Transaction, principal: Principal, caller: Process) -> Row:
    principal.require(Scope.CREATE)
    row = require_external(access.owned(tx, principal, caller.execution_id))
    service.require_live(principal, row["environment"])
    if row["status"] not in FINAL and row["worker_id"] != caller.worker_id:
        raise TakenOver("Another process has taken this execution over; stop here.")
    return row


def waiting(checkpoint_id: str | None, attempt: int) -> Waiting:
    if checkpoint_id is None:
        return Waiting(Status.RUNNING)
    return Waiting(Status.AWAITING, checkpoint_id, attempt)


def _held(tx: Transaction, principal: Principal, caller: Process) -> Row:
    return unfinished(held_or_ended(tx, principal, caller))


def _claim(tx: Transaction, leg: Leg, now: datetime) -> Row:
    after = progress.claim(tx, leg, now)
    if after is None:
        raise RuntimeError("an execution that is held was changed by somebody else")
    return after


def _sums(row: Row, added: Mapping[str, float | None]) -> dict[str, Any]:
    """Once unknown, a sum stays unknown: half a bill is no bill."""
    before = {name: row[name] if row["steps"] else 0 for name in SUMS}
    return {name: _sum(before[name], added.get(name)) for name in SUMS}


def _sum(before: float | None, added: float | None) -> float | None:
    return None if before is None or added is None else round(before + added, 12)


def _require_scorable(task: NewTask) -> None:
    if task.expected_outcome is None:
        return
    scoring.require_scorable(task.expected_outcome)
    if scoring.is_judged(task.expected_outcome):
        raise Invalid("No model judges an agent outside; choose another type.", field="expectedOutcome.type")
