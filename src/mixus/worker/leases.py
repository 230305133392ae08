"""Signs of life, and what follows when they stop: a lost segment is enqueued again under a new number."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, tuple_, update

from mixus.core import dispatch, events
from mixus.core.database import Database, Row, Transaction
from mixus.core.dispatch import EngineState
from mixus.evals.lifecycle import Failure, Status
from mixus.evals.progress import WORKER
from mixus.evals.service import dispatch_segment
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry, Move, apply

LEASE = timedelta(seconds=6)
RENEWAL_SECONDS = 1.5
# A segment that was dequeued starts at once; one that is still queued for this long is looked after.
QUEUE_PATIENCE = timedelta(seconds=6)
# After so many takeovers in a row the fault is in the execution, not in its workers.
MAX_TAKEOVERS = 5
LIVE_STATES = frozenset({"ENQUEUED", "DELAYED"})
DEQUEUED = "PENDING"
BATCH = 500
SUSPECT_COLUMNS = (executions.c.id, executions.c.seq, executions.c.status, executions.c.takeovers)


def renew(tx: Transaction, worker_id: str, held: Sequence[tuple[str, int]], now: datetime) -> None:
    """Say that this worker is alive and still runs these segments."""
    if held:
        tx.execute(
            update(executions)
            .where(
                executions.c.status == Status.RUNNING,
                executions.c.worker_id == worker_id,
                tuple_(executions.c.id, executions.c.seq).in_(list(held)),
            )
            .values(leased_at=now)
        )


def release(database: Database, worker_id: str, now: datetime) -> None:
    """An orderly stop: what this worker could not finish goes to the next one at once."""
    mine = (executions.c.status == Status.RUNNING) & (executions.c.worker_id == worker_id)
    with database.transaction() as tx:
        tx.execute(update(executions).where(mine).values(leased_at=now))
    with database.snapshot() as tx:
        rows = tx.execute(select(*SUSPECT_COLUMNS).where(mine)).mappings().all()
    _take_over_all(database, rows, now)


def sweep(database: Database, now: datetime, *, lease: timedelta = LEASE) -> int:
    """Take over every execution whose worker is gone; how many there were.

    The engine's own recovery is private and bound to one version of it, so this goes by our rows.
    """
    with database.snapshot() as tx:
        suspects = _suspects(tx, now, lease)
    states = database.dispatch.states([_workflow_id(row) for row in suspects if _is_queued(row)])
    lost = [
        row for row in suspects if not _is_queued(row) or _is_stuck(states.get(_workflow_id(row)), now, lease)
    ]
    _take_over_all(database, lost, now)
    return len(lost)


def _suspects(tx: Transaction, now: datetime, lease: timedelta) -> Sequence[Row]:
    patience = min(lease, QUEUE_PATIENCE)
    silent = (executions.c.status == Status.RUNNING) & (executions.c.leased_at <= now - lease)
    forgotten = (executions.c.status == Status.QUEUED) & (executions.c.since <= now - patience)
    found = tx.execute(select(*SUSPECT_COLUMNS).where(or_(silent, forgotten)).limit(BATCH))
    return found.mappings().all()


def _take_over_all(database: Database, rows: Sequence[Row], now: datetime) -> None:
    for row in rows:
        with database.transaction() as tx:
            _take_over(tx, row, now)
    # The dead process's rows would go on holding places of the user's ten.
    database.dispatch.cancel([_workflow_id(row) for row in rows])


def _take_over(tx: Transaction, row: Row, now: datetime) -> None:
    """Once, however many workers try: the fence is the number that the row still has."""
    if row["takeovers"] >= MAX_TAKEOVERS:
        _give_up(tx, row, now)
        return
    move = Move(
        row["id"],
        [Entry("takeover", {"segment": row["seq"]})],
        to=Status.QUEUED,
        seq=row["seq"],
        status=row["status"],
        values={"seq": executions.c.seq + 1, "takeovers": executions.c.takeovers + 1},
        is_takeover=True,
    )
    after = apply(tx, move, now)
    if after is not None:
        dispatch_segment(tx, after, dispatch.RESUMED)


def _give_up(tx: Transaction, row: Row, now: datetime) -> None:
    code = Failure.STATE_UNREADABLE.value
    message = f"It could not be carried on: {MAX_TAKEOVERS} workers in a row stopped while running it."
    values = {"error_code": code, "error_message": message}
    entry = Entry("failed", {"code": code, "message": message})
    move = Move(row["id"], [entry], Status.FAILED, row["seq"], row["status"], values)
    if apply(tx, move, now) is not None:
        events.record(tx, "execution.failed", row["id"], WORKER, now, code=code)


def _workflow_id(row: Row) -> str:
    return dispatch.Segment(row["id"], row["seq"], user_id="").workflow_id


def _is_queued(row: Row) -> bool:
    return bool(row["status"] is Status.QUEUED)


def _is_stuck(state: EngineState | None, now: datetime, lease: timedelta) -> bool:
    """Queued with us while the engine has ended it, never knew it, or dequeued it and went silent."""
    if state is None or state.status not in LIVE_STATES | {DEQUEUED}:
        return True
    return state.status == DEQUEUED and state.since <= now - min(lease, QUEUE_PATIENCE)
