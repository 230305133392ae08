"""Takeover goes by rows: what counts as lost, and what happens to it."""

from datetime import timedelta

from worker.house import House, line

from mixus.core.clock import utc_now
from mixus.evals.lifecycle import Status, TestMode
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


def test_two_sweeps_at_once_take_over_once(house: House) -> None:
    execution = house.create("done", test_mode=TestMode.WITHOUT_VERIFICATION)
    house.crash(execution, at_write=2, is_committed=True)
    house.clock.advance(seconds=60)
    with house.database.snapshot() as tx:
        suspects = leases._suspects(tx, house.clock(), leases.LEASE)
    assert leases.sweep(house.database, house.clock()) == 1
    with house.database.transaction() as tx:
        leases._take_over(tx, suspects[0], house.clock())
    assert house.row(execution)["seq"] == 2


def test_what_the_engine_keeps_of_ended_segments_is_deleted_after_a_while(house: House) -> None:
    execution = house.create("done")
    house.cancel(execution)
    waiting = house.create("done")
    dispatch = house.database.dispatch
    assert dispatch.forget(utc_now() - timedelta(days=1)) == 0
    assert dispatch.forget(utc_now() + timedelta(days=1)) == 1
    assert set(dispatch.states([f"{execution}:1", f"{waiting}:1"])) == {f"{waiting}:1"}
