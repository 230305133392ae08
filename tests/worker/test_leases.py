"""Takeover goes by rows: what counts as lost, and what happens to it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from worker.house import House, line

from mixus.core.clock import to_ms, utc_now
from mixus.core.database import Row
from mixus.evals import progress, service
from mixus.evals.lifecycle import Decision, Status, TestMode
from mixus.evals.progress import Leg
from mixus.worker import leases


def test_a_queued_execution_that_the_engine_knows_is_left_alone(house: House) -> None:
    house.create("done")
    assert house.take_over() == 0


def test_a_queued_execution_that_the_engine_forgot_is_enqueued_again(house: House) -> None:
    execution = house.create("done")
    house.database.dispatch.cancel([f"{execution}:1"])
    assert house.take_over() == 1
    assert house.row(execution)["seq"] == 2
    assert house.database.dispatch.states([f"{execution}:2"])[f"{execution}:2"].status == "ENQUEUED"


def test_a_running_execution_with_a_fresh_lease_is_left_alone(house: House) -> None:
    execution = house.create("done")
    house.crash(execution, at_write=2, is_committed=True)
    assert leases.sweep(house.database, house.clock()) == 0
    house.clock.advance(seconds=5)
    with house.database.transaction() as tx:
        leases.renew(tx, "wrk_test", [(execution, 1)], house.clock())
    house.clock.advance(seconds=5)
    assert leases.sweep(house.database, house.clock()) == 0
    house.clock.advance(seconds=2)
    assert leases.sweep(house.database, house.clock()) == 1


def test_a_worker_renews_only_what_it_still_runs(house: House) -> None:
    execution = house.create("done")
    house.crash(execution, at_write=2, is_committed=True)
    house.clock.advance(seconds=9)
    with house.database.transaction() as tx:
        leases.renew(tx, "wrk_other", [(execution, 1)], house.clock())
        leases.renew(tx, "wrk_test", [(execution, 2)], house.clock())
        leases.renew(tx, "wrk_test", [], house.clock())
    assert leases.sweep(house.database, house.clock()) == 1


def test_an_orderly_stop_hands_over_at_once_and_books_the_time_of_the_agent(house: House) -> None:
    execution = house.create("done")
    house.crash(execution, at_write=2, is_committed=True)
    house.clock.advance(seconds=3)
    leases.release(house.database, "wrk_test", house.clock())
    row = house.row(execution)
    assert (row["status"], row["seq"]) == (Status.QUEUED, 2)
    assert row["agent_ms"] >= 3_000


def test_a_waiting_execution_is_never_taken_over(house: House) -> None:
    execution = house.create([line("a")])
    house.run(execution)
    assert leases.sweep(house.database, house.clock() + timedelta(days=9), lease=timedelta(0)) == 0


def lost(house: House) -> str:
    """An execution whose worker died a minute ago."""
    execution = house.create("done", test_mode=TestMode.WITHOUT_VERIFICATION)
    assert house.crash(execution, at_write=2, is_committed=True)
    house.clock.advance(seconds=60)
    return execution


def suspects(house: House) -> list[Row]:
    now = house.clock()
    with house.database.snapshot() as tx:
        return list(leases._suspects(tx, now - leases.LEASE, now - leases.QUEUE_PATIENCE))


def test_many_sweeps_at_once_take_over_once(house: House) -> None:
    execution = lost(house)
    barrier = threading.Barrier(4)

    def compete() -> int:
        barrier.wait()
        return leases.sweep(house.database, house.clock())

    with ThreadPoolExecutor(4) as threads:
        taken = sum(future.result() for future in [threads.submit(compete) for _ in range(4)])
    assert taken == 1
    assert house.row(execution)["seq"] == 2


def test_a_lease_renewed_after_it_was_found_silent_is_respected(house: House) -> None:
    execution = lost(house)
    found = suspects(house)
    with house.database.transaction() as tx:
        leases.renew(tx, "wrk_test", [(execution, 1)], house.clock())
    assert not leases._take_over(house.database, found[0], house.clock())
    assert house.row(execution)["seq"] == 1


def test_what_was_not_taken_over_is_not_cancelled(house: House) -> None:
    execution = house.create("done")
    house.clock.advance(seconds=60)
    found = suspects(house)
    with house.database.transaction() as tx:
        assert progress.claim(tx, Leg(execution, 1, "wrk_other"), house.clock())
    assert not leases._take_over(house.database, found[0], house.clock())
    states = house.database.dispatch.states([f"{execution}:1"])
    assert states[f"{execution}:1"].status == "ENQUEUED"


def test_the_lost_are_found_behind_any_number_of_queued_ones(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BATCH", 3)
    queued = [house.create("done") for _ in range(5)]
    execution = lost(house)
    assert suspects(house)[0]["id"] == execution
    assert len(queued) == 5


def test_a_queued_execution_is_enqueued_again_however_often_it_was_lost(house: House) -> None:
    execution = house.create("done")
    for _ in range(leases.MAX_TAKEOVERS + 3):
        seq = house.row(execution)["seq"]
        house.database.dispatch.cancel([f"{execution}:{seq}"])
        assert house.take_over() == 1
    assert house.run(execution)["status"] == Status.COMPLETED


def test_orderly_restarts_are_no_failures(house: House) -> None:
    execution = house.create("done")
    for _ in range(leases.MAX_TAKEOVERS + 3):
        house.crash(execution, at_write=2, is_committed=False)
        leases.release(house.database, "wrk_test", house.clock())
    # Nor do they count when a worker then really dies.
    house.crash(execution, at_write=2, is_committed=False)
    assert house.take_over() == 1
    assert house.run(execution)["status"] == Status.COMPLETED


def dequeue(house: House, workflow_id: str, at: datetime) -> None:
    """As the engine leaves it when its process dies: the segment holds a place."""
    table = "workflow_status" if house.database.is_sqlite else "dbos.workflow_status"
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql(
            f"UPDATE {table} SET status = 'PENDING', updated_at = {to_ms(at)} "  # noqa: S608 - our own values
            f"WHERE workflow_uuid = '{workflow_id}'"
        )


def test_a_segment_that_died_after_our_commit_holds_no_place(house: House) -> None:
    paused, gone, running = house.create([line("a")]), house.create("done"), house.create("done")
    house.run(paused)
    house.crash(running, at_write=2, is_committed=True)
    for execution in (paused, gone, running):
        dequeue(house, f"{execution}:1", house.clock())
    with house.database.transaction() as tx:
        service.delete(tx, house.owner, gone, house.clock())
    dequeue(house, f"{gone}:1", house.clock())
    assert set(house.database.dispatch.dequeued()) == {f"{paused}:1", f"{gone}:1", f"{running}:1"}
    house.clock.advance(seconds=60)
    leases.free_places(house.database, house.clock() - leases.LEASE)
    assert set(house.database.dispatch.dequeued()) == {f"{running}:1"}


def test_what_the_engine_keeps_of_ended_segments_is_deleted_after_a_while(house: House) -> None:
    execution = house.create("done")
    house.cancel(execution)
    waiting = house.create("done")
    dispatch = house.database.dispatch
    assert dispatch.forget(utc_now() - timedelta(days=1)) == 0
    assert dispatch.forget(utc_now() + timedelta(days=1)) == 1
    assert set(dispatch.states([f"{execution}:1", f"{waiting}:1"])) == {f"{waiting}:1"}


def die_without_a_line(house: House, execution: str) -> None:
    """The worker takes it up and dies before it writes anything."""
    house.crash(execution, at_write=1, is_committed=True)
    house.take_over()


def test_an_execution_that_gets_nowhere_is_given_up(house: House) -> None:
    execution = house.create([line("a")], "done")
    for _ in range(leases.MAX_TAKEOVERS + 1):
        die_without_a_line(house, execution)
    row = house.row(execution)
    assert (row["status"], row["error_code"]) == (Status.FAILED, "state-unreadable")


def test_one_that_writes_a_line_between_deaths_is_not(house: House) -> None:
    execution = house.create([line("a")], "done")
    for _ in range(leases.MAX_TAKEOVERS):
        die_without_a_line(house, execution)
    # The prompt, or the answer of the model, is one.
    house.crash(execution, at_write=3, is_committed=False)
    house.take_over()
    for _ in range(leases.MAX_TAKEOVERS - 1):
        die_without_a_line(house, execution)
    assert house.run(execution)["status"] == Status.AWAITING


def test_what_is_given_up_says_which_effect_nobody_knows_of(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, Decision.APPROVE)
    house.outside.fault = lambda _text: (_ for _ in ()).throw(OSError("cut off"))
    assert house.crash(execution, at_write=3, is_committed=False)
    house.take_over()
    for _ in range(leases.MAX_TAKEOVERS):
        die_without_a_line(house, execution)
    assert house.row(execution)["error_message"].endswith("It is not known whether write_line took effect.")
