"""Signs of life, and what follows when they stop: a lost segment is enqueued again under a new number."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, tuple_, update

from mixus.core import dispatch, events
from mixus.core.database import Database, Row, Transaction
from mixus.core.dispatch import DEQUEUED, ENDED, EngineState
from mixus.evals import effects, external_rules
from mixus.evals.lifecycle import Failure, Status
from mixus.evals.progress import WORKER
from mixus.evals.service import dispatch_segment
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry, Move, apply
from mixus.worker import silence

LEASE = timedelta(seconds=6)
RENEWAL_SECONDS = 1.5
# A segment that was dequeued starts at once; one that is still queued for this long is looked after.
QUEUE_PATIENCE = timedelta(seconds=6)
# After so many takeovers without a line in the journal the fault is in the execution, not in its workers.
MAX_TAKEOVERS = 5
BATCH = 500
HELD = frozenset({Status.RUNNING, Status.QUEUED})
SUSPECT_COLUMNS = (
    executions.c.id,
    executions.c.seq,
    executions.c.status,
    executions.c.since,
    executions.c.leased_at,
    executions.c.takeovers,
)


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
    """An orderly stop: what this worker could not finish goes to the next one at once, and is no failure."""
    mine = (executions.c.status == Status.RUNNING) & (executions.c.worker_id == worker_id)
    with database.transaction() as tx:
        tx.execute(update(executions).where(mine).values(leased_at=now))
    with database.snapshot() as tx:
        rows = tx.execute(select(*SUSPECT_COLUMNS).where(mine)).mappings().all()
    for row in rows:
        with database.transaction() as tx:
            _enqueue_again(tx, row, now, takeovers=row["takeovers"])


def sweep(database: Database, now: datetime, *, lease: timedelta = LEASE) -> int:
    """Take over every execution whose worker is gone; how many there were.

    The engine's own recovery is private and bound to one version of it, so this goes by our rows.
    """
    patience = min(lease, QUEUE_PATIENCE)
    with database.snapshot() as tx:
        suspects = _suspects(tx, now - lease, now - patience)
    states = database.dispatch.states([_workflow_id(row) for row in suspects if _is_queued(row)])
    lost = [row for row in suspects if _is_lost(row, states, now - patience)]
    taken = [row for row in lost if _take_over(database, row, now)]
    free_places(database, now - patience)
    silence.sweep(database, now)
    return len(taken)


def free_places(database: Database, before: datetime) -> None:
    """Cancel segments that the engine believes to be running and that are over for us since then.

    Their process died between our commit and the engine's note of it; each would hold one of its user's
    ten places for ever.
    """
    dequeued = {name: state for name, state in database.dispatch.dequeued().items() if state.since <= before}
    with database.snapshot() as tx:
        wanted = [name.partition(":")[0] for name in dequeued]
        found = tx.execute(select(*SUSPECT_COLUMNS).where(executions.c.id.in_(wanted))).mappings()
        current = {_workflow_id(row) for row in found if row["status"] in HELD or row["since"] > before}
    database.dispatch.cancel([name for name in dequeued if name not in current])


def _suspects(tx: Transaction, silent_since: datetime, queued_since: datetime) -> Sequence[Row]:
    """The running ones first: a long queue is no sign of anything."""
    ours = ~external_rules.IS_EXTERNAL
    silent = (executions.c.status == Status.RUNNING) & (executions.c.leased_at <= silent_since)
    forgotten = (executions.c.status == Status.QUEUED) & (executions.c.since <= queued_since)
    statement = select(*SUSPECT_COLUMNS).where(or_(silent, forgotten), ours)
    order = (executions.c.status != Status.RUNNING, executions.c.since)
    return tx.execute(statement.order_by(*order).limit(BATCH)).mappings().all()


def _is_lost(row: Row, states: Mapping[str, EngineState], before: datetime) -> bool:
    """Running in silence; or queued with us, and ended, unknown or long dequeued for the engine."""
    if not _is_queued(row):
        return True
    state = states.get(_workflow_id(row))
    if state is None or state.status in ENDED:
        return True
    return state.status == DEQUEUED and state.since <= before


def _take_over(database: Database, row: Row, now: datetime) -> bool:
    """Whether it was this call that did: the fence is what the row looked like when it was found lost."""
    is_hopeless = row["takeovers"] >= MAX_TAKEOVERS and not _is_queued(row)
    with database.transaction() as tx:
        if is_hopeless:
            return _give_up(tx, row, now)
        return _enqueue_again(tx, row, now, takeovers=row["takeovers"] + 1)


def _enqueue_again(tx: Transaction, row: Row, now: datetime, *, takeovers: int) -> bool:
    move = Move(
        row["id"],
        [Entry("takeover", {"segment": row["seq"]})],
        to=Status.QUEUED,
        seq=row["seq"],
        status=row["status"],
        leased_at=None if _is_queued(row) else row["leased_at"],
        values={"seq": executions.c.seq + 1, "takeovers": takeovers},
        is_takeover=True,
    )
    after = apply(tx, move, now)
    if after is None:
        return False
    dispatch_segment(tx, after, dispatch.RESUMED)
    # The dead process's segment would go on holding one of the user's places.
    tx.after_commit(lambda: tx.dispatch.cancel([_workflow_id(row)]))
    return True


def _give_up(tx: Transaction, row: Row, now: datetime) -> bool:
    code = Failure.STATE_UNREADABLE.value
    message = f"It could not be carried on: {MAX_TAKEOVERS} workers in a row stopped while running it."
    message += _unknown(tx, row["id"])
    move = Move(
        row["id"],
        [Entry("failed", {"code": code, "message": message})],
        to=Status.FAILED,
        seq=row["seq"],
        status=row["status"],
        leased_at=row["leased_at"],
        values={"error_code": code, "error_message": message},
    )
    if apply(tx, move, now) is None:
        return False
    events.record(tx, "execution.failed", row["id"], WORKER, now, code=code)
    return True


def _unknown(tx: Transaction, execution_id: str) -> str:
    """What nobody can be asked about any more is at least said."""
    intents = effects.of_execution(tx, execution_id).values()
    tools = sorted({intent["tool"] for intent in intents if intent["finished_at"] is None})
    return f" It is not known whether {', '.join(tools)} took effect." if tools else ""


def _workflow_id(row: Row) -> str:
    return dispatch.workflow_id(row["id"], row["seq"])


def _is_queued(row: Row) -> bool:
    return bool(row["status"] is Status.QUEUED)
