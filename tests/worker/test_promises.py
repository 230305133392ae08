"""What verification promises: each property of the contract, and what breaks it."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic_ai.messages import ToolReturnPart
from sqlalchemy import update
from worker.house import START, House, Saying, line, mail, sure_failure

from mixus.accounts.principal import Role
from mixus.agents import conversation
from mixus.agents.tools.registry import Arguments
from mixus.core.errors import MixusError
from mixus.evals import effects, progress, service
from mixus.evals.errors import (
    AlreadyDecided,
    ExecutionFinished,
    HintLimit,
    NotAwaiting,
    NotTheReviewer,
    StaleAttempt,
)
from mixus.evals.lifecycle import FINAL, CheckpointStatus, Decision, Source, Status, TestMode
from mixus.evals.progress import Leg
from mixus.evals.tables import checkpoints, executions
from mixus.evals.tasks import NewCheckpoint
from mixus.worker.segment import run_segment

APPROVE, REJECT, HINT = Decision.APPROVE, Decision.REJECT, Decision.HINT
STAGES = (NewCheckpoint("first", "The first stage."), NewCheckpoint("second", "The second stage."))
READ = [("calculate", {"expression": "1 + 1"})]


def void(_value: object) -> None:
    pass


# 1. No effect without its approval.


def test_with_auto_detection_no_effect_runs_before_its_approval(house: House) -> None:
    execution = house.create([line("a")], "done")
    assert house.run(execution)["status"] == Status.AWAITING
    assert house.outside.lines == []
    assert house.awaiting(execution)["proposed_actions"][0]["arguments"] == {"text": "a"}
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a"]


def test_each_effect_needs_an_approval_of_its_own(house: House) -> None:
    execution = house.create([line("a")], [line("a")], "done")
    house.run(execution)
    assert house.approve(execution)["status"] == Status.AWAITING
    assert house.outside.lines == ["a"]
    house.approve(execution)
    assert house.outside.lines == ["a", "a"]


def test_reading_needs_no_approval(house: House) -> None:
    execution = house.create(READ, "done")
    assert house.run(execution)["status"] == Status.COMPLETED
    assert house.checkpoints(execution) == []


def test_when_one_call_of_a_batch_must_wait_all_wait(house: House) -> None:
    execution = house.create([*READ, line("a")], "done")
    house.run(execution)
    assert [entry["kind"] for entry in house.journal(execution)].count("tool-call") == 0
    house.approve(execution)
    assert house.outside.lines == ["a"]


def test_a_batch_of_effects_is_shown_whole_and_released_whole(house: House) -> None:
    execution = house.create([line("a"), mail(), line("b")], "done")
    house.run(execution)
    shown = [action["tool"] for action in house.awaiting(execution)["proposed_actions"]]
    assert shown == ["write_line", "send_email", "write_line"]
    house.approve(execution)
    assert house.outside.lines == ["a", "b"]


def test_a_manual_checkpoint_holds_every_effect_until_it_is_decided(house: House) -> None:
    execution = house.create(
        [line("a")], [line("b")], [line("c")], "done", checkpoints=STAGES, auto_detect=False
    )
    house.run(execution)
    assert house.awaiting(execution)["stage"] == "first"
    house.approve(execution)
    assert house.outside.lines == ["a"]
    assert house.awaiting(execution)["stage"] == "second"
    # After the last one, effects run freely.
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a", "b", "c"]


def test_with_both_kinds_effects_after_the_last_manual_checkpoint_still_wait(house: House) -> None:
    execution = house.create([line("a")], [line("b")], "done", checkpoints=STAGES[:1])
    house.run(execution)
    assert house.awaiting(execution)["source"] is Source.MANUAL
    house.approve(execution)
    assert house.outside.lines == ["a"]
    assert house.awaiting(execution)["source"] is Source.AUTO


def test_the_final_answer_raises_what_is_undecided(house: House) -> None:
    execution = house.create("done", checkpoints=STAGES, auto_detect=False)
    house.run(execution)
    assert house.awaiting(execution)["work"] == "done"
    house.approve(execution)
    assert house.awaiting(execution)["stage"] == "second"
    assert house.approve(execution)["status"] == Status.COMPLETED


def test_the_agent_can_raise_a_checkpoint_itself(house: House) -> None:
    ask: Saying = [("checkpoint", {"stage": "first", "work": "I did it."})]
    execution = house.create(ask, "done", checkpoints=STAGES[:1], auto_detect=False)
    house.run(execution)
    assert house.awaiting(execution)["work"].endswith("I did it.")
    assert house.approve(execution)["status"] == Status.COMPLETED


def test_an_approval_does_not_release_a_call_that_was_changed_afterwards(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    shown = house.awaiting(execution)
    with house.database.transaction() as tx:
        forged = dict.fromkeys(shown["digests"], "0" * 64)
        tx.execute(update(checkpoints).where(checkpoints.c.id == shown["id"]).values(digests=forged))
    assert house.approve(execution)["status"] == Status.AWAITING
    assert house.outside.lines == []


def test_a_model_that_repeats_an_id_gains_nothing_from_an_earlier_approval(house: House) -> None:
    """Every call of this model has the same id of its own."""
    execution = house.create([line("a")], [line("evil")], "done")
    house.run(execution)
    house.approve(execution)
    assert house.outside.lines == ["a"]
    assert house.status(execution) is Status.AWAITING


def test_a_call_that_cannot_be_made_goes_back_to_the_model(house: House) -> None:
    execution = house.create(
        [("no_such_tool", {}), ("write_line", {"wrong": 1}), ("calculate", {"expression": "1/0"})], "done"
    )
    row = house.run(execution)
    assert row["status"] == Status.COMPLETED
    assert (row["retries"], row["errors"]) == (2, 1)


def test_a_model_that_never_makes_a_valid_call_is_stopped(house: House) -> None:
    execution = house.create([("no_such_tool", {})])
    assert house.run(execution)["error_code"] == "tool-error"


def test_a_tool_that_the_task_does_not_name_cannot_be_called(house: House) -> None:
    execution = house.create([line("a")], "done", tools=["calculate"])
    assert house.run(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == []


# The baseline.


def test_the_baseline_never_pauses_and_records_every_pause_that_would_have_been(house: House) -> None:
    execution = house.create(
        [line("a")], "done", checkpoints=STAGES, test_mode=TestMode.WITHOUT_VERIFICATION, review_result=True
    )
    assert house.run(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a"]
    rows = house.checkpoints(execution)
    assert [(row["stage"], row["status"]) for row in rows] == [
        ("first", CheckpointStatus.SKIPPED),
        ("second", CheckpointStatus.SKIPPED),
        ("result", CheckpointStatus.SKIPPED),
    ]
    assert rows[0]["proposed_actions"][0]["arguments"] == {"text": "a"}
    assert all(row["requested_at"] for row in rows)


def test_the_baseline_records_detected_pauses_too(house: House) -> None:
    execution = house.create([line("a")], [line("b")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)
    house.run(execution)
    assert [row["source"] for row in house.checkpoints(execution)] == [Source.AUTO, Source.AUTO]


# 2. A decision is bound to the attempt that was seen.


def test_a_decision_on_another_attempt_is_refused(house: House) -> None:
    execution = house.create([line("a")], [line("b")], "done")
    house.run(execution)
    house.hint(execution, "write b instead")
    with pytest.raises(StaleAttempt) as refused:
        house.decide(execution, APPROVE, attempt=1)
    assert refused.value.members["decidedBy"] == "ana@example.org"
    assert house.awaiting(execution)["attempt"] == 2


def test_in_the_sandbox_a_key_decides_and_what_decided_is_kept(house: House) -> None:
    execution = house.create([mail()], "done")
    house.run(execution)
    assert house.decide(execution, APPROVE, principal=house.key)["decided_via"] == "key"
    assert house.run(execution)["status"] == Status.COMPLETED
    assert len(house.mails(execution)) == 1


def test_after_a_rejection_nothing_that_was_held_ever_runs(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, REJECT)
    assert house.run(execution)["status"] == Status.REJECTED
    assert house.take_over() == 0
    assert house.outside.lines == []


def test_a_hint_drops_what_was_held_and_asks_again(house: House) -> None:
    execution = house.create([line("a")], [line("b")], "done")
    house.run(execution)
    checkpoint = house.awaiting(execution)
    house.decide(execution, HINT, hint="b, please")
    pending = house.checkpoints(execution)[0]
    assert (pending["status"], pending["attempt"]) == (CheckpointStatus.PENDING, 2)
    assert pending["proposed_actions"] == []
    house.run(execution)
    again = house.awaiting(execution)
    assert (again["id"], again["attempt"]) == (checkpoint["id"], 2)
    house.approve(execution)
    assert house.outside.lines == ["b"]


def test_a_hinted_checkpoint_is_asked_again_at_the_latest_on_the_final_answer(house: House) -> None:
    execution = house.create([line("a")], "I rather did nothing", "done")
    house.run(execution)
    assert house.hint(execution, "do not")["status"] == Status.AWAITING
    assert house.awaiting(execution)["work"] == "I rather did nothing"
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == []


def test_the_sixth_hint_is_refused(house: House) -> None:
    execution = house.create([line("a")])
    house.run(execution)
    for number in range(5):
        house.hint(execution, f"hint {number}")
    with pytest.raises(HintLimit):
        house.decide(execution, HINT, hint="one more")
    assert len(house.awaiting(execution)["hints"]) == 5


def test_after_a_hint_on_the_answer_a_new_effect_needs_an_approval(house: House) -> None:
    execution = house.create("done", [line("a")], "done again", review_result=True, auto_detect=False)
    house.run(execution)
    house.hint(execution, "write a first")
    assert house.outside.lines == []
    assert house.awaiting(execution)["source"] is Source.AUTO
    house.approve(execution)
    assert house.outside.lines == ["a"]
    assert house.awaiting(execution)["source"] is Source.RESULT
    assert house.approve(execution)["status"] == Status.COMPLETED


# 3. At most once.


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("at_write", range(1, 9))
def test_an_effect_happens_at_most_once_wherever_the_process_dies(
    house: House, at_write: int, *, is_committed: bool
) -> None:
    execution = house.create([line("a")], [line("b")], "done", checkpoints=STAGES[:1], auto_detect=False)
    house.run(execution)
    house.decide(execution, APPROVE)
    house.crash(execution, at_write=at_write, is_committed=is_committed)
    for _ in range(10):
        if house.status(execution) in FINAL:
            break
        house.take_over()
        if house.run(execution)["status"] is Status.AWAITING:
            assert house.awaiting(execution)["source"] is Source.UNCERTAIN
            house.decide(execution, APPROVE)
    assert house.status(execution) is Status.COMPLETED
    counted = [entry for entry in house.journal(execution) if "counted this as done" in str(entry["data"])]
    assert house.outside.lines == sorted(set(house.outside.lines))
    assert len(house.outside.lines) + len(counted) >= 2


def kill_between_intent_and_result(house: House, execution: str) -> None:
    def die(_text: str) -> None:
        house.outside.fault = None
        raise MemoryError

    house.outside.fault = die
    house.run(execution)


def test_an_intent_stays_uncertain_whatever_has_become_of_its_tool(house: House) -> None:
    def die(_text: str) -> None:
        raise OSError("cut off")

    house.outside.fault = die
    execution = house.create([line("a")], "done", max_steps=5)
    house.run(execution)
    house.decide(execution, APPROVE)
    tools = dict(house.catalog.tools)

    class Changed(Arguments):
        other: int

    # The process dies before it can ask, and the next one knows the tool by another schema.
    assert house.crash(execution, at_write=3, is_committed=False)
    house.catalog.tools = tools | {"write_line": replace(tools["write_line"], arguments=Changed)}
    house.take_over()
    house.run(execution)
    asked = house.awaiting(execution)
    assert asked["source"] == "uncertain"
    assert asked["proposed_actions"][0]["arguments"] == {"text": "a"}
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == []


def test_an_intent_without_a_result_is_never_run_again_by_itself(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    asked = house.awaiting(execution)
    assert asked["source"] is Source.UNCERTAIN
    assert house.outside.lines == []


def test_approving_an_uncertain_effect_counts_it_as_done(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == []


def test_a_hint_on_an_uncertain_effect_needs_a_new_approval_for_a_new_call(house: House) -> None:
    execution = house.create([line("a")], [line("a")], "done", checkpoints=STAGES[:1], auto_detect=False)
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    house.hint(execution, "I looked: it did not happen. Try again.")
    assert house.outside.lines == []
    assert house.awaiting(execution)["attempt"] == 2
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a"]


def test_a_checkpoint_asked_again_is_described_by_what_is_held_now(house: House) -> None:
    execution = house.create([line("a")], [mail()], "nothing", "done")
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    assert "under way" in house.awaiting(execution)["description"]
    house.hint(execution, "I looked: it did not happen. Send a mail instead.")
    again = house.awaiting(execution)
    assert again["description"] == "Before send_email takes effect."
    assert (again["source"], again["attempt"]) == (Source.AUTO, 2)
    house.hint(execution, "Rather not.")
    assert "without any effect" in house.awaiting(execution)["description"]
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.mails(execution) == []


def test_the_agent_is_told_of_an_effect_that_turned_out_to_have_happened(house: House) -> None:
    """Its worker came back with the result while the reviewer was already asked."""
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    action = house.effects(execution)[0]["action_id"]
    with house.database.transaction() as tx:
        effects.finish(tx, action, "wrote a", house.clock(), is_error=False)
    house.decide(execution, HINT, hint="Have another look.")
    journal = house.journal(execution)
    talk = conversation.rebuild(journal, {row["action_id"]: row for row in house.effects(execution)})
    parts = [part for message in talk.messages for part in message.parts]
    told = [part.content for part in parts if isinstance(part, ToolReturnPart)]
    assert told == ["wrote a"]


def test_rejecting_an_uncertain_effect_ends_the_execution(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.decide(execution, APPROVE)
    kill_between_intent_and_result(house, execution)
    house.decide(execution, REJECT)
    assert house.status(execution) is Status.REJECTED


def test_the_baseline_fails_on_an_uncertain_effect(house: House) -> None:
    execution = house.create([line("a")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)
    house.outside.fault = lambda _text: (_ for _ in ()).throw(MemoryError())
    row = house.run(execution)
    assert (row["status"], row["error_code"]) == (Status.FAILED, "effect-uncertain")
    assert house.checkpoints(execution)[-1]["source"] is Source.UNCERTAIN
    assert house.checkpoints(execution)[-1]["status"] is CheckpointStatus.SKIPPED


def test_a_tool_that_is_sure_to_have_done_nothing_is_not_uncertain(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.outside.fault = sure_failure
    house.run(execution)
    assert house.approve(execution)["status"] == Status.COMPLETED
    assert house.row(execution)["errors"] == 1


def test_a_worker_that_lost_its_execution_commits_no_new_intent(house: House) -> None:
    """The second worker takes over while the first is inside an effect; the first then goes on."""
    execution = house.create([line("a")], [line("b")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)

    def lose_it(_text: str) -> None:
        house.outside.fault = None
        house.take_over()

    house.outside.fault = lose_it
    house.run(execution)
    assert house.outside.lines == ["a"]
    assert [row["finished_at"] is not None for row in house.effects(execution)] == [True]
    assert house.run(execution)["status"] == Status.COMPLETED
    assert house.outside.lines == ["a", "b"]


@pytest.mark.parametrize("is_running_elsewhere", [False, True])
def test_a_worker_that_lost_its_execution_during_a_model_call_writes_nothing(
    house: House, *, is_running_elsewhere: bool
) -> None:
    execution = house.create([line("a")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)

    def lose_it() -> None:
        house.catalog.meanwhile = None
        house.take_over()
        if is_running_elsewhere:
            with house.database.transaction() as tx:
                leg = Leg(execution, house.row(execution)["seq"], "wrk_other")
                assert progress.claim(tx, leg, house.clock())

    house.catalog.meanwhile = lose_it
    house.run(execution)
    assert "model-call" not in {entry["kind"] for entry in house.journal(execution)}
    assert house.outside.lines == []


def test_cancelling_a_segment_does_not_cut_off_an_effect_under_way(house: House) -> None:
    execution = house.create([line("a")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)

    async def cancel_inside_the_effect() -> None:
        started: list[str] = []
        house.outside.fault = started.append
        house.outside.gate = asyncio.Event()
        segment = asyncio.create_task(run_segment(house.bench, Leg(execution, 1, "wrk_test")))
        while not started:  # noqa: ASYNC110 - an event would have to belong to this loop
            await asyncio.sleep(0.01)
        segment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await segment
        house.outside.gate.set()
        while house.effects(execution)[0]["finished_at"] is None:  # noqa: ASYNC110 - what is waited for is a row
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancel_inside_the_effect(), 20))
    assert house.outside.lines == ["a"]
    assert house.effects(execution)[0]["result"] == "wrote a"


# 4. Once.


def test_of_many_rival_decisions_one_wins_and_the_others_learn_who(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    checkpoint = house.awaiting(execution)
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def compete(action: Decision) -> None:
        barrier.wait()
        try:
            house.decide(execution, action, checkpoint=checkpoint)
            outcomes.append("won")
        except AlreadyDecided as lost:
            outcomes.append(lost.members["decidedBy"])

    threads = [threading.Thread(target=compete, args=(APPROVE if n % 2 else REJECT,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("won") == 1
    assert outcomes.count("ana@example.org") == 7
    kinds = [entry["kind"] for entry in house.journal(execution)]
    assert kinds.count("decision") == 1


def test_only_the_assigned_reviewer_and_admins_decide(house: House) -> None:
    execution = house.create([line("a")], "done", assigned_reviewer="Bob@example.org")
    house.run(execution)
    with pytest.raises(NotTheReviewer):
        house.decide(execution, APPROVE)
    stranger = house.person("usr_stranger", "eve@example.org")
    with pytest.raises(MixusError, match="no execution"):
        house.decide(execution, APPROVE, principal=stranger)
    admin = house.person("usr_admin", "root@example.org", Role.ADMIN)
    assert house.decide(execution, APPROVE, principal=admin)["decided_by"] == "root@example.org"


def test_an_admin_does_not_decide_on_what_he_made_for_another_reviewer(house: House) -> None:
    house.owner = replace(house.owner, role=Role.ADMIN)
    execution = house.create([line("a")], assigned_reviewer="bob@example.org")
    house.run(execution)
    with pytest.raises(NotTheReviewer):
        house.decide(execution, APPROVE)
    assert house.decide(execution, APPROVE, principal=house.reviewer)["decided_via"] == "session"


# 5. Waiting costs a row.


def test_an_execution_waits_for_ten_years_and_goes_on(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.clock.advance(days=3653)
    assert house.take_over() == 0
    row = house.approve(execution)
    assert row["status"] == Status.COMPLETED
    assert row["waiting_ms"] > timedelta(days=3653) / timedelta(milliseconds=1)


def test_a_state_of_an_unknown_format_ends_with_a_code(house: House) -> None:
    execution = house.create([line("a")], "done")
    with house.database.transaction() as tx:
        tx.execute(update(executions).values(state_format=99))
    assert house.run(execution)["error_code"] == "state-unreadable"


# 6. Completed means verified.


def test_completed_means_that_every_checkpoint_was_approved(house: House) -> None:
    execution = house.create([line("a")], "done", checkpoints=STAGES, review_result=True)
    house.run(execution)
    while house.status(execution) is not Status.COMPLETED:
        house.approve(execution)
    assert {row["status"] for row in house.checkpoints(execution)} == {CheckpointStatus.APPROVED}
    assert house.row(execution)["result"] == "done"


@pytest.mark.parametrize("end", ["cancel", "reject", "fail"])
def test_on_any_other_end_the_undecided_are_skipped(house: House, end: str) -> None:
    execution = house.create([line("a")], "done", checkpoints=STAGES, max_steps=1)
    house.run(execution)
    if end == "cancel":
        house.cancel(execution)
    elif end == "reject":
        house.decide(execution, REJECT)
    else:
        assert house.approve(execution)["error_code"] == "step-limit"
    assert house.checkpoints(execution)[-1]["status"] is CheckpointStatus.SKIPPED
    assert not {row["status"] for row in house.checkpoints(execution)} & {
        CheckpointStatus.PENDING,
        CheckpointStatus.AWAITING,
    }


# 8. Cancel and delete.


def test_cancel_is_at_once_and_final(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    assert house.cancel(execution)["status"] == Status.CANCELLED
    with pytest.raises(ExecutionFinished):
        house.cancel(execution)
    assert house.run(execution)["status"] == Status.CANCELLED


def test_the_result_of_a_call_in_flight_is_written_after_a_cancel(house: House) -> None:
    execution = house.create([line("a")], "done", test_mode=TestMode.WITHOUT_VERIFICATION)
    house.outside.fault = lambda _text: void(house.cancel(execution))
    assert house.run(execution)["status"] == Status.CANCELLED
    assert house.effects(execution)[0]["result"] == "wrote a"


def test_delete_removes_every_row_but_the_audit(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.approve(execution)
    with house.database.transaction() as tx:
        service.delete(tx, house.owner, execution, house.clock())
    assert house.journal(execution) == []
    assert house.checkpoints(execution) == []
    assert house.effects(execution) == []
    with house.database.snapshot() as tx:
        kinds = tx.connection.exec_driver_sql(
            f"SELECT kind FROM events WHERE subject_id = '{execution}' ORDER BY at"  # noqa: S608 - our own id
        )
        assert kinds.scalars().all()[-1] == "execution.deleted"


def test_a_decision_after_the_end_is_refused(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    checkpoint = house.awaiting(execution)
    house.cancel(execution)
    with pytest.raises(NotAwaiting):
        house.decide(execution, APPROVE, checkpoint=checkpoint)


# Time.


def test_every_millisecond_is_booked_once(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.clock.advance(seconds=5)
    house.run(execution)
    house.clock.advance(hours=2)
    house.decide(execution, APPROVE)
    house.clock.advance(seconds=7)
    row = house.run(execution)
    total = (row["finished_at"] - row["created_at"]) // timedelta(milliseconds=1)
    assert row["queued_ms"] + row["agent_ms"] + row["waiting_ms"] == total
    assert row["waiting_ms"] // 1000 == 7200
    assert row["queued_ms"] // 1000 == 12


def test_time_lost_to_a_dead_worker_counts_as_queued(house: House) -> None:
    execution = house.create([line("a")], "done")
    assert house.crash(execution, at_write=2, is_committed=True)
    assert house.take_over() == 1
    row = house.run(execution)
    assert row["queued_ms"] >= 60_000
    assert row["agent_ms"] < 1_000


def test_a_clock_that_runs_backwards_never_makes_negative_time(house: House) -> None:
    execution = house.create([line("a")], "done")
    house.run(execution)
    house.clock.advance(hours=-1)
    row = house.approve(execution)
    assert min(row["queued_ms"], row["agent_ms"], row["waiting_ms"]) >= 0
    total = (row["finished_at"] - row["created_at"]) // timedelta(milliseconds=1)
    assert row["queued_ms"] + row["agent_ms"] + row["waiting_ms"] == total


def test_the_agents_time_is_limited_and_the_reviewers_is_not(house: House) -> None:
    execution = house.create([line("a")], [line("b")], "done", timeout_ms=60_000)
    house.run(execution)
    house.clock.advance(days=1)
    house.approve(execution)
    assert house.status(execution) is Status.AWAITING
    house.outside.fault = lambda _text: house.clock.advance(minutes=2)
    assert house.approve(execution)["error_code"] == "time-limit"


def test_an_execution_that_kills_its_workers_is_given_up(house: House) -> None:
    execution = house.create("done")
    for _ in range(20):
        if house.status(execution) in FINAL:
            break
        house.crash(execution, at_write=2, is_committed=False)
        house.take_over()
    assert house.row(execution)["error_code"] == "state-unreadable"


def test_versions_grow_with_what_a_waiting_client_is_told_and_not_with_each_step(house: House) -> None:
    execution = house.create(READ, READ, READ, "done")
    before = house.row(execution)["version"]
    assert house.run(execution)["version"] == before + 2
    assert house.row(execution)["created_at"] >= START
