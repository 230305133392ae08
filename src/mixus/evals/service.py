"""What people can do with evaluations: create, change, cancel, retry and delete an execution."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import insert

from mixus.accounts.principal import Principal, Scope
from mixus.core import dispatch, events
from mixus.core.database import Row, Transaction
from mixus.core.errors import Invalid, MixusError
from mixus.core.ids import new_id
from mixus.evals import access, asks, declared, external_rules, started, timeouts, workspace
from mixus.evals.capacity import CAPACITY, Capacity, require_queue, require_waiting_room
from mixus.evals.errors import ExecutionFinished, ExecutionUnfinished, ExternalExecution, LiveForbidden
from mixus.evals.lifecycle import (
    FINAL,
    LIVE,
    STATE_FORMAT,
    CheckpointStatus,
    Environment,
    Source,
    Status,
    TestMode,
)
from mixus.evals.tables import checkpoints, executions
from mixus.evals.tasks import NewCheckpoint, NewTask, Place, PlannedStep, TaskChange
from mixus.evals.transitions import Entry, Move, apply

LIVE_FORBIDDEN = "Only a key made with `allowLive` may start executions in `live`."
TASK_COLUMNS = (
    "assigned_reviewer",
    "task_name",
    "task_description",
    "test_mode",
    "auto_detect",
    "review_result",
    "model",
    "environment",
    "template",
    "parameters",
    "expected_outcome",
    "script",
    "tools",
    "plan",
    "max_steps",
    "max_cost_usd",
    "max_tokens",
    "timeout_ms",
    "review_timeout_ms",
    "escalate_to",
    "on_review_timeout",
    "metadata",
)


def create_task(
    tx: Transaction, principal: Principal, task: NewTask, now: datetime, capacity: Capacity = CAPACITY
) -> Row:
    """Make an execution of the task and start it: it is queued when this transaction stands."""
    principal.require(Scope.CREATE)
    require_live(principal, task.environment)
    require_queue(tx, principal.user_id, capacity)
    require_waiting_room(tx, principal.user_id, capacity)
    row = _start(tx, principal, _task_columns(principal, task), task.checkpoints, now)
    workspace.change(tx, row["id"], task.seeds)
    return row


def update(
    tx: Transaction, principal: Principal, execution_id: str, change: TaskChange, now: datetime
) -> Row:
    principal.require(Scope.MANAGE)
    before = access.owned(tx, principal, execution_id)
    named = {
        ("task_name", "taskName"): change.name,
        ("metadata", "metadata"): change.metadata,
        ("assigned_reviewer", "assignedReviewer"): change.assigned_reviewer
        and change.assigned_reviewer.lower(),
    }
    changed = {names: value for names, value in named.items() if value is not None}
    values = {column: value for (column, _), value in changed.items()}
    entry = Entry("updated", {"fields": sorted(name for _, name in changed), "by": principal.email})
    row = apply(tx, Move(execution_id, [entry], values=values, is_seen=True), now)
    data = {name: {"before": before[name], "after": value} for name, value in values.items()}
    events.record(tx, "execution.updated", execution_id, principal.actor, now, **data)
    asks.hand_over(tx, before, row or before, principal.actor, now)
    return row or before


def cancel(tx: Transaction, principal: Principal, execution_id: str, now: datetime) -> Row:
    """Cancel at once; a call in flight is ended after the commit."""
    principal.require(Scope.MANAGE)
    before = access.owned(tx, principal, execution_id)
    row = started.cancel(tx, execution_id, principal.email, principal.actor, now)
    if row is None:
        raise ExecutionFinished(f"This execution is already {before['status']} and cannot be cancelled.")
    return row


def retry(
    tx: Transaction,
    principal: Principal,
    execution_id: str,
    now: datetime,
    capacity: Capacity = CAPACITY,
    seeds_of: Callable[[Row], Mapping[Place, bytes]] = lambda _row: {},
) -> Row:
    """Run the same task again, as a new execution that names this one and begins with the same copy."""
    principal.require(Scope.MANAGE)
    before = access.owned(tx, principal, execution_id)
    forbidden = why_no_retry(principal, before)
    if forbidden is not None:
        raise forbidden
    require_queue(tx, before["user_id"], capacity)
    columns = {name: before[name] for name in TASK_COLUMNS}
    columns |= {"user_id": before["user_id"], "retry_of": execution_id}
    columns |= {"plan": declared.plan_of(tx, execution_id)}
    columns |= {"assigned_reviewer": timeouts.first_reviewer(tx, before)}
    row = _start(tx, principal, columns, declared.checkpoints_of(tx, execution_id), now)
    workspace.change(tx, row["id"], seeds_of(before))
    return row


def why_no_retry(principal: Principal, execution: Row) -> MixusError | None:
    """What forbids to run this task again, if anything does; a page asks before it offers it."""
    if external_rules.is_external(execution):
        return ExternalExecution("Its agent runs in a process of yours; start it there again.")
    if execution["environment"] is Environment.LIVE and not principal.may_go_live:
        return LiveForbidden(LIVE_FORBIDDEN)
    if execution["status"] not in FINAL:
        return ExecutionUnfinished(
            f"This execution is {execution['status']}; cancel it first or wait until it has ended."
        )
    return None


def delete(tx: Transaction, principal: Principal, execution_id: str, now: datetime) -> None:
    """Remove the execution and all its rows; the audit keeps that it was there."""
    principal.require(Scope.MANAGE)
    row = access.owned(tx, principal, execution_id)
    tx.execute(delete_from(executions).where(executions.c.id == execution_id))
    if row["status"] in LIVE:
        tx.after_commit(lambda: tx.dispatch.cancel([dispatch.workflow_id(execution_id, row["seq"])]))
    events.record(tx, "execution.deleted", execution_id, principal.actor, now, status=row["status"])


def require_live(principal: Principal, environment: Environment) -> None:
    if environment is Environment.LIVE and not principal.may_go_live:
        raise LiveForbidden(LIVE_FORBIDDEN)


def require_verified(test_mode: TestMode, *, may_go_unverified: bool) -> None:
    """For what is live: nothing is in the baseline, unless the admin says so."""
    if test_mode is TestMode.WITHOUT_VERIFICATION and not may_go_unverified:
        raise Invalid("This server does nothing live without verification.", field="testMode")


def _task_columns(principal: Principal, task: NewTask) -> dict[str, Any]:
    reviewer = (task.assigned_reviewer or principal.email).lower()
    return {
        "user_id": principal.user_id,
        "assigned_reviewer": reviewer,
        **timeouts.columns(task, reviewer),
        "task_name": task.name,
        "task_description": task.description,
        "test_mode": task.test_mode,
        "auto_detect": task.auto_detect,
        "review_result": task.review_result,
        "model": task.model,
        "environment": task.environment,
        "template": task.template,
        "parameters": task.parameters,
        "expected_outcome": task.expected_outcome,
        "script": task.script,
        "tools": list(task.tools or ()),
        "plan": [_plan_step(number, step) for number, step in enumerate(task.plan, start=1)],
        "max_steps": task.max_steps,
        "max_cost_usd": task.max_cost_usd,
        "max_tokens": task.max_tokens,
        "timeout_ms": task.timeout_ms,
        "metadata": task.metadata,
    }


def _plan_step(number: int, step: PlannedStep) -> dict[str, Any]:
    return {"step": number, **asdict(step)}


def write_down(tx: Transaction, principal: Principal, task: NewTask, now: datetime) -> Row:
    """Make the rows of an execution that no worker of ours will run."""
    return _insert(tx, principal, _task_columns(principal, task), task.checkpoints, now)


def _start(
    tx: Transaction,
    principal: Principal,
    columns: dict[str, Any],
    manual: Sequence[NewCheckpoint],
    now: datetime,
) -> Row:
    row = _insert(tx, principal, columns, manual, now)
    dispatch_segment(tx, row, dispatch.FIRST)
    return row


def _insert(
    tx: Transaction,
    principal: Principal,
    columns: dict[str, Any],
    manual: Sequence[NewCheckpoint],
    now: datetime,
) -> Row:
    execution_id = new_id("exe")
    tx.execute(
        insert(executions).values(
            id=execution_id,
            credential_id=principal.credential_id,
            status=Status.QUEUED,
            state_format=STATE_FORMAT,
            created_at=now,
            since=now,
            **_zeros("seq", "version", "trace_count", "queued_ms", "agent_ms", "waiting_ms"),
            **_zeros("steps", "tool_calls", "errors", "retries", "takeovers", "parks"),
            **columns,
        )
    )
    _add_checkpoints(tx, execution_id, _declared(columns, manual))
    entry = Entry("created", {"by": principal.email, "plan": columns["plan"]})
    row = apply(tx, Move(execution_id, [entry], values={"seq": 1}, is_seen=True), now)
    if row is None:
        raise RuntimeError("an execution vanished in the transaction that made it")
    events.record(tx, "execution.created", execution_id, principal.actor, now, model=row["model"])
    return row


def dispatch_segment(tx: Transaction, row: Row, priority: int, delay_seconds: float | None = None) -> None:
    """Enqueue the leg that the row's `seq` names."""
    segment = dispatch.Segment(row["id"], row["seq"], row["user_id"], priority, delay_seconds)
    tx.dispatch.enqueue(tx.connection, segment)


def _zeros(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 0)


def _declared(columns: dict[str, Any], manual: Sequence[NewCheckpoint]) -> list[dict[str, Any]]:
    """The checkpoints that are known beforehand; in the baseline they are kept as skipped."""
    is_baseline = columns["test_mode"] is TestMode.WITHOUT_VERIFICATION
    status = CheckpointStatus.SKIPPED if is_baseline else CheckpointStatus.PENDING
    rows = [checkpoint_row(spec, Source.MANUAL, status) for spec in manual]
    if columns["review_result"]:
        rows.append(checkpoint_row(RESULT_CHECKPOINT, Source.RESULT, status))
    return rows


RESULT_CHECKPOINT = NewCheckpoint(
    stage="result",
    description="The agent's final answer, before the execution is completed.",
    verification_question="Is the result right?",
)


def checkpoint_row(spec: NewCheckpoint, source: Source, status: CheckpointStatus) -> dict[str, Any]:
    return {
        "id": new_id("chk"),
        **asdict(spec),
        "source": source,
        "status": status,
        "attempt": 1,
        "proposed_actions": [],
        "effective_actions": [],
        "digests": {},
        "hints": [],
    }


def _add_checkpoints(tx: Transaction, execution_id: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        positioned = [
            {**row, "execution_id": execution_id, "position": position}
            for position, row in enumerate(rows, start=1)
        ]
        tx.execute(insert(checkpoints), positioned)
