"""A reviewer who does not decide in time: who is asked next, what it ends as, and that it happens once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import reviews
from factories import NOW
from reviews import Waiting
from sqlalchemy import select, update

from mixus.core.clock import shown
from mixus.core.database import Database
from mixus.core.errors import Conflict, Invalid
from mixus.core.events import events
from mixus.evals import service, timeouts
from mixus.evals.errors import AlreadyDecided, CheckpointExpired
from mixus.evals.lifecycle import CheckpointStatus, Decision, OnTimeout, Status
from mixus.evals.tables import executions, trace
from mixus.evals.tasks import NewTask, TaskChange
from mixus.worker.schedule import settle_overdue

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
BOB, CAROL = "bob@example.org", "carol@example.org"
ESCALATING: dict[str, Any] = {"review_timeout_ms": HOUR_MS, "escalate_to": CAROL}


def kinds(database: Database, waiting: Waiting) -> list[str]:
    statement = select(trace.c.kind).where(trace.c.execution_id == waiting.execution_id)
    with database.snapshot() as tx:
        return list(tx.execute(statement.order_by(trace.c.number)).scalars())


def told(database: Database, kind: str) -> list[Any]:
    with database.snapshot() as tx:
        return list(tx.execute(select(events).where(events.c.kind == kind)))


def test_without_a_time_limit_a_checkpoint_waits_for_ever(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    assert waiting.checkpoint["due_at"] is None
    assert not settle_overdue(database, NOW + timedelta(days=3650))
    assert waiting.execution["status"] is Status.AWAITING


def test_before_it_is_due_nothing_happens(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS)
    assert waiting.checkpoint["due_at"] == NOW + HOUR
    settle_overdue(database, NOW + HOUR - timedelta(milliseconds=1))
    assert waiting.checkpoint["status"] is CheckpointStatus.AWAITING


@pytest.mark.parametrize(
    ("on_timeout", "checkpoint_status", "status"),
    [
        (None, CheckpointStatus.EXPIRED, Status.EXPIRED),
        (OnTimeout.EXPIRE, CheckpointStatus.EXPIRED, Status.EXPIRED),
        (OnTimeout.REJECT, CheckpointStatus.REJECTED, Status.REJECTED),
    ],
)
def test_what_nobody_decides_in_time_ends_and_nobody_is_named_for_it(
    database: Database, on_timeout: OnTimeout | None, checkpoint_status: CheckpointStatus, status: Status
) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS, on_review_timeout=on_timeout)
    version = waiting.execution["version"]
    settle_overdue(database, NOW + HOUR)
    checkpoint, execution = waiting.checkpoint, waiting.execution
    assert (checkpoint["status"], checkpoint["decision"]) == (checkpoint_status, "timeout")
    assert (checkpoint["decided_by"], checkpoint["decided_via"]) == (None, None)
    assert (checkpoint["decided_at"], checkpoint["due_at"]) == (NOW + HOUR, None)
    assert (execution["status"], execution["finished_at"]) == (status, NOW + HOUR)
    assert (execution["waiting_ms"], execution["version"]) == (HOUR_MS, version + 1)
    assert kinds(database, waiting)[-2:] == ["decision", status.value]
    [event] = told(database, "checkpoint.decided")
    assert (event.actor_id, event.data["action"], event.data["by"]) == (None, "timeout", None)


@pytest.mark.parametrize("on_timeout", list(OnTimeout))
def test_a_decision_that_comes_too_late_is_told_so(database: Database, on_timeout: OnTimeout) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS, on_review_timeout=on_timeout)
    settle_overdue(database, NOW + HOUR)
    with pytest.raises(CheckpointExpired) as refused:
        waiting.decide(reviews.person(database, BOB), Decision.APPROVE, NOW + HOUR)
    assert refused.value.detail == (
        f"Nobody decided in time: this checkpoint was {waiting.checkpoint['status']} at {shown(NOW + HOUR)}."
    )
    assert refused.value.members == {"decidedAt": shown(NOW + HOUR), "decision": "timeout"}


def test_it_escalates_once_then_ends(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    version = waiting.execution["version"]
    settle_overdue(database, NOW + HOUR)
    execution = waiting.execution
    assert (execution["assigned_reviewer"], execution["escalated_at"]) == (CAROL, NOW + HOUR)
    assert (execution["status"], execution["version"]) == (Status.AWAITING, version + 1)
    assert waiting.checkpoint["due_at"] == NOW + 2 * HOUR
    assert kinds(database, waiting)[-1] == "escalated"
    [event] = told(database, "checkpoint.escalated")
    assert event.subject_id == waiting.checkpoint_id
    assert (event.data["before"], event.data["after"]) == (BOB, CAROL)
    settle_overdue(database, NOW + 2 * HOUR - timedelta(milliseconds=1))
    assert waiting.checkpoint["status"] is CheckpointStatus.AWAITING
    settle_overdue(database, NOW + 2 * HOUR)
    assert waiting.execution["status"] == Status.EXPIRED


def test_whom_it_escalated_to_decides_and_the_reviewer_before_no_longer(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    settle_overdue(database, NOW + HOUR)
    with pytest.raises(Exception, match="no execution"):
        waiting.decide(reviews.person(database, BOB), Decision.APPROVE, NOW + HOUR)
    waiting.decide(reviews.person(database, CAROL), Decision.APPROVE, NOW + HOUR)
    assert waiting.checkpoint["decided_by"] == CAROL


def test_each_ask_has_the_whole_time_and_moves_no_second_time(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    settle_overdue(database, NOW + HOUR)
    carol = reviews.person(database, CAROL)
    waiting.decide(carol, Decision.HINT, NOW + HOUR)
    assert waiting.checkpoint["due_at"] is None
    settle_overdue(database, NOW + 100 * HOUR)
    waiting.ask_again(NOW + 200 * HOUR)
    assert waiting.checkpoint["due_at"] == NOW + 201 * HOUR
    settle_overdue(database, NOW + 201 * HOUR)
    assert waiting.execution["status"] is Status.EXPIRED


def test_nobody_is_asked_in_his_own_place(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    ada = reviews.person(database, "ada@example.org")
    with database.transaction() as tx:
        service.update(tx, ada, waiting.execution_id, TaskChange(assigned_reviewer=CAROL), NOW)
    settle_overdue(database, NOW + HOUR)
    assert waiting.execution["status"] is Status.EXPIRED


def test_an_end_by_other_means_leaves_nothing_due(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    ada = reviews.person(database, "ada@example.org")
    with database.transaction() as tx:
        service.cancel(tx, ada, waiting.execution_id, NOW)
    assert waiting.checkpoint["due_at"] is None
    settle_overdue(database, NOW + HOUR)
    assert waiting.execution["status"] is Status.CANCELLED


def test_a_retry_asks_the_first_reviewer_again_with_the_same_limits(database: Database) -> None:
    ada = reviews.person(database, "ada@example.org")
    waiting = reviews.waiting(database, BOB, **ESCALATING, on_review_timeout=OnTimeout.REJECT)
    settle_overdue(database, NOW + HOUR)
    settle_overdue(database, NOW + 2 * HOUR)
    with database.transaction() as tx:
        again = service.retry(tx, ada, waiting.execution_id, NOW + 2 * HOUR)
    assert (again["assigned_reviewer"], again["escalate_to"], again["escalated_at"]) == (BOB, CAROL, None)
    assert (again["review_timeout_ms"], again["on_review_timeout"]) == (HOUR_MS, OnTimeout.REJECT)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"escalate_to": CAROL}, "escalateTo"),
        ({"on_review_timeout": OnTimeout.REJECT}, "onReviewTimeout"),
        ({"review_timeout_ms": HOUR_MS, "escalate_to": BOB}, "escalateTo"),
        ({"review_timeout_ms": HOUR_MS, "escalate_to": "Bob@Example.org"}, "escalateTo"),
    ],
)
def test_what_has_no_sense_together_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        timeouts.columns(NewTask("Do it.", "It", "rehearsal", **fields), BOB)
    assert refused.value.members["errors"][0]["field"] == field


def race(*rivals: Callable[[], object]) -> list[object]:
    """What each came to, started at once: an outcome, or the conflict that it met."""
    barrier = threading.Barrier(len(rivals))

    def run(rival: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return rival()
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(len(rivals)) as threads:
        return [future.result() for future in [threads.submit(run, rival) for rival in rivals]]


@pytest.mark.parametrize("action", list(Decision))
def test_of_a_decision_and_the_clock_one_wins_whole(database: Database, action: Decision) -> None:
    bob = reviews.person(database, BOB)
    for _ in range(6):
        waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS)
        [decided, *_] = race(
            partial(waiting.decide, bob, action, NOW + HOUR),
            partial(settle_overdue, database, NOW + HOUR),
            partial(settle_overdue, database, NOW + HOUR),
        )
        checkpoint, execution = waiting.checkpoint, waiting.execution
        if isinstance(decided, CheckpointExpired):
            assert (checkpoint["decision"], checkpoint["decided_by"]) == ("timeout", None)
            assert execution["status"] is Status.EXPIRED
        else:
            assert not isinstance(decided, Exception)
            assert execution["status"] is (Status.REJECTED if action is Decision.REJECT else Status.QUEUED)
            assert checkpoint["decision"] == (None if action is Decision.HINT else action.value)
        assert kinds(database, waiting).count("decision") == 1


def test_any_number_of_schedulers_escalate_once(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, **ESCALATING)
    race(*[lambda: settle_overdue(database, NOW + HOUR)] * 4)
    assert kinds(database, waiting).count("escalated") == 1
    assert waiting.checkpoint["due_at"] == NOW + 2 * HOUR


def test_a_second_decision_after_a_human_one_still_names_its_winner(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS)
    bob = reviews.person(database, BOB)
    waiting.decide(bob, Decision.REJECT, NOW)
    with pytest.raises(AlreadyDecided, match="has already decided"):
        waiting.decide(bob, Decision.APPROVE, NOW)


def test_one_that_is_stuck_in_another_state_is_not_looked_at_for_ever(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS)
    with database.transaction() as tx:
        tx.execute(update(executions).values(status=Status.RUNNING))
        assert timeouts.overdue(tx, NOW + HOUR, 10) == []
        timeouts.settle(tx, waiting.execution_id, waiting.checkpoint_id, NOW + HOUR)
    assert waiting.checkpoint["status"] is CheckpointStatus.AWAITING
