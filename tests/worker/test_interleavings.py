"""Random interleavings of everything that can happen to executions keep every promise."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pydantic_ai.exceptions import ModelHTTPError
from worker.house import House, Saying, line, mail

from mixus.core.database import Database
from mixus.core.errors import Conflict
from mixus.evals import service
from mixus.evals.errors import HintLimit, StaleAttempt
from mixus.evals.lifecycle import FINAL, HINT_LIMIT, CheckpointStatus, Decision, Source, Status, TestMode
from mixus.evals.progress import Leg
from mixus.evals.tasks import NewCheckpoint
from mixus.worker.segment import run_segment

MILLISECOND = timedelta(milliseconds=1)


def sayings_of(plan: list[str], label: str) -> list[Saying]:
    """A model that never asks for the same line twice, so that what ran can be counted."""
    said: list[Saying] = []
    for number, kind in enumerate(plan):
        text = f"{label}-{number}"
        said.append(
            {
                "read": [("calculate", {"expression": "2 * 3"})],
                "line": [line(text)],
                "batch": [("calculate", {"expression": "1"}), line(text), mail(body=text), line(f"{text}b")],
                "ask": [("checkpoint", {"stage": "asked", "work": text})],
                "bad": [("no_such_tool", {}), line(text)],
                "plan": [("plan", {"steps": [{"description": "Write.", "effect": "modify"}]}), line(text)],
            }[kind]
        )
    return [*said, "done"]


class Interleavings(RuleBasedStateMachine):
    """Times are the test's; segments run when a rule says so; crashes are at any write."""

    executions = Bundle("executions")
    make_house: Callable[[], House]

    def __init__(self) -> None:
        super().__init__()
        self.house = type(self).make_house()
        self.made: list[str] = []
        self.deleted: set[str] = set()
        # Which lines an execution's model says, and how many executions say them.
        self.labels: dict[str, str] = {}
        self.runs: Counter[str] = Counter()

    @rule(
        target=executions,
        plan=st.lists(st.sampled_from(["read", "line", "batch", "ask", "bad", "plan"]), max_size=4),
        stages=st.integers(0, 2),
        auto=st.booleans(),
        review_result=st.booleans(),
        mode=st.sampled_from(TestMode),
        plans=st.booleans(),
    )
    def create(
        self,
        plan: list[str],
        stages: int,
        mode: TestMode,
        *,
        auto: bool,
        review_result: bool,
        plans: bool,
    ) -> str:
        execution = self.house.create(
            *sayings_of(plan, f"x{len(self.made)}"),
            checkpoints=[NewCheckpoint(f"stage {n}", "A stage.") for n in range(stages)],
            auto_detect=auto,
            review_result=review_result,
            test_mode=mode,
        )
        if plans:
            self.house.catalog.planners.add(self.house.row(execution)["model"])
        self.made.append(execution)
        label = f"x{len(self.made) - 1}"
        self.labels[execution] = label
        self.runs[label] += 1
        return execution

    @rule(execution=executions)
    def step(self, execution: str) -> None:
        if execution not in self.deleted:
            self.house.run(execution)

    @rule(execution=executions, at_write=st.integers(1, 8), is_committed=st.booleans())
    def crash(self, execution: str, at_write: int, *, is_committed: bool) -> None:
        if execution not in self.deleted:
            self.house.crash(execution, at_write=at_write, is_committed=is_committed)

    @rule(execution=executions)
    def die_inside_an_effect(self, execution: str) -> None:
        if execution in self.deleted:
            return

        def die(_text: str) -> None:
            self.house.outside.fault = None
            raise MemoryError

        self.house.outside.fault = die
        self.house.run(execution)
        self.house.outside.fault = None

    @rule(execution=executions)
    def park(self, execution: str) -> None:
        """Its provider is down, wherever it is asked next."""

        def down() -> None:
            raise ModelHTTPError(503, "test", headers={"Retry-After": "60"})

        if execution in self.deleted:
            return
        self.house.catalog.meanwhile = down
        self.house.run(execution)
        self.house.catalog.meanwhile = None

    @rule(execution=executions, change=st.sampled_from(["take over", "cancel", "run"]))
    def meet_a_rival_while_the_model_speaks(self, execution: str, change: str) -> None:
        if execution in self.deleted:
            return
        self.house.catalog.meanwhile = lambda: self._rival(execution, change)
        self.house.run(execution)
        self.house.catalog.meanwhile = None

    @rule(execution=executions, change=st.sampled_from(["take over", "cancel", "run"]))
    def meet_a_rival_inside_an_effect(self, execution: str, change: str) -> None:
        """The line is written all the same: nobody calls back what has gone out."""
        if execution in self.deleted:
            return
        self.house.outside.fault = lambda _text: self._rival(execution, change)
        self.house.run(execution)
        self.house.outside.fault = None

    def _rival(self, execution: str, change: str) -> None:
        self.house.outside.fault = self.house.catalog.meanwhile = None
        if change == "cancel":
            self.cancel(execution)
            return
        self.house.take_over()
        if change == "run":
            leg = Leg(execution, self.house.row(execution)["seq"], "wrk_rival")
            thread = Thread(target=lambda: asyncio.run(run_segment(self.house.bench, leg)))
            thread.start()
            thread.join()

    @rule(execution=executions, count=st.integers(1, 3))
    def edit(self, execution: str, count: int) -> None:
        """Each line that is written after an edit is another one, so that it can be told apart."""
        asked = [row for row in self._checkpoints(execution) if row["status"] is CheckpointStatus.AWAITING]
        if not asked or asked[0]["source"] is Source.UNCERTAIN:
            return
        lines = [each for each in asked[0]["proposed_actions"] if each["tool"] == "write_line"][:count]
        edits = {each["actionId"]: {"text": f"{each['arguments']['text']} edited"} for each in lines}
        self.house.decide(execution, Decision.APPROVE, edits=self.house.edits(edits))

    @rule()
    def take_over(self) -> None:
        self.house.take_over()

    @rule(minutes=st.integers(-5, 5000))
    def wait(self, minutes: int) -> None:
        self.house.clock.advance(minutes=minutes)

    @rule(execution=executions, action=st.sampled_from(Decision), stale=st.booleans())
    def decide(self, execution: str, action: Decision, *, stale: bool) -> None:
        asked = [row for row in self._checkpoints(execution) if row["status"] is CheckpointStatus.AWAITING]
        if not asked:
            return
        hint = "do it otherwise" if action is Decision.HINT else None
        attempt = asked[0]["attempt"] + (1 if stale else 0)
        try:
            self.house.decide(execution, action, attempt=attempt, hint=hint)
        except StaleAttempt:
            assert stale
        except HintLimit:
            assert len(asked[0]["hints"]) == HINT_LIMIT

    @rule(execution=executions)
    def cancel(self, execution: str) -> None:
        if execution in self.deleted:
            return
        was_final = self.house.status(execution) in FINAL
        try:
            self.house.cancel(execution)
        except Conflict:
            assert was_final

    @rule(target=executions, execution=executions)
    def retry(self, execution: str) -> Any:
        if execution in self.deleted or self.house.status(execution) not in FINAL:
            return multiple()
        with self.house.database.transaction() as tx:
            again = service.retry(tx, self.house.key, execution, self.house.clock())["id"]
        self.made.append(again)
        self.labels[again] = self.labels[execution]
        self.runs[self.labels[again]] += 1
        return again

    @rule(execution=executions)
    def delete(self, execution: str) -> None:
        if execution in self.deleted:
            return
        with self.house.database.transaction() as tx:
            service.delete(tx, self.house.owner, execution, self.house.clock())
        self.deleted.add(execution)

    @invariant()
    def no_line_was_written_twice(self) -> None:
        """A retry is another execution, whose model says the same: each may write its lines once."""
        for text, count in Counter(self.house.outside.lines).items():
            assert count <= self.runs[text.partition("-")[0]]

    @invariant()
    def nothing_ran_without_the_approval_that_it_needed(self) -> None:
        for execution in self._present():
            row, ran = self.house.row(execution), self.house.effects(execution)
            if row["test_mode"] is TestMode.WITHOUT_VERIFICATION or not ran:
                continue
            shown = self._approved(execution)
            declared = [each for each in self._checkpoints(execution) if each["source"] is Source.MANUAL]
            is_free = not row["auto_detect"] and all(each["decided_at"] for each in declared)
            if not is_free:
                assert {effect["action_id"]: effect["digest"] for effect in ran}.items() <= shown.items()

    @invariant()
    def what_was_shown_last_is_what_ran(self) -> None:
        """An approved action ran in its effective form or not at all."""
        for execution in self._present():
            approved = {
                action["actionId"]: action["arguments"]
                for checkpoint in self._checkpoints(execution)
                for action in checkpoint["effective_actions"]
            }
            for entry in self.house.journal(execution):
                if entry["kind"] in {"tool-call", "effect-intended"} and "arguments" in entry["data"]:
                    shown = approved.get(entry["data"]["actionId"], entry["data"]["arguments"])
                    assert entry["data"]["arguments"] == shown

    @invariant()
    def what_is_parked_is_queued_and_knows_since_when(self) -> None:
        for execution in self._present():
            kinds = [entry["kind"] for entry in self.house.journal(execution)]
            if kinds[-1] == "parked":
                row = self.house.row(execution)
                assert (row["status"], row["parks"] > 0) == (Status.QUEUED, True)

    @invariant()
    def there_is_one_plan_at_most(self) -> None:
        for execution in self._present():
            kinds = [entry["kind"] for entry in self.house.journal(execution)]
            assert kinds.count("plan") == (1 if self.house.row(execution)["plan"] else 0)

    @invariant()
    def nothing_runs_after_a_rejection(self) -> None:
        for execution in self._present():
            kinds = [entry["kind"] for entry in self.house.journal(execution)]
            if "rejected" in kinds:
                assert kinds[-1] == "rejected"

    @invariant()
    def statuses_agree(self) -> None:
        for execution in self._present():
            row = self.house.row(execution)
            states = [checkpoint["status"] for checkpoint in self._checkpoints(execution)]
            is_awaiting = row["status"] is Status.AWAITING
            assert states.count(CheckpointStatus.AWAITING) == (1 if is_awaiting else 0)
            if row["status"] in FINAL:
                assert CheckpointStatus.PENDING not in states
                assert row["finished_at"] is not None
            if row["status"] is Status.COMPLETED and row["test_mode"] is TestMode.WITH_VERIFICATION:
                assert set(states) <= {CheckpointStatus.APPROVED}

    @invariant()
    def every_millisecond_is_booked_once(self) -> None:
        for execution in self._present():
            row = self.house.row(execution)
            booked = row["queued_ms"] + row["agent_ms"] + row["waiting_ms"]
            assert booked == (row["since"] - row["created_at"]) // MILLISECOND
            assert min(row["queued_ms"], row["agent_ms"], row["waiting_ms"]) >= 0

    @invariant()
    def the_journal_has_no_gap(self) -> None:
        for execution in self._present():
            numbers = [entry["number"] for entry in self.house.journal(execution)]
            assert numbers == list(range(1, self.house.row(execution)["trace_count"] + 1))

    @invariant()
    def decisions_are_recorded_once(self) -> None:
        for execution in self._present():
            decided = Counter(
                (entry["data"]["checkpointId"], entry["data"]["attempt"])
                for entry in self.house.journal(execution)
                if entry["kind"] == "decision"
            )
            assert max(decided.values(), default=0) <= 1

    def teardown(self) -> None:
        """Whatever happened, everything can still be brought to its end."""
        for execution in self._present():
            for _ in range(60):
                if self.house.status(execution) in FINAL:
                    break
                self.house.take_over()
                self.house.run(execution)
                if self.house.status(execution) is Status.AWAITING:
                    self.house.decide(execution, Decision.APPROVE)
            assert self.house.status(execution) in FINAL
            uncertain = [row for row in self._checkpoints(execution) if row["source"] is Source.UNCERTAIN]
            assert all(row["status"] is not CheckpointStatus.PENDING for row in uncertain)

    def _approved(self, execution: str) -> dict[str, str]:
        """What approvals released: digests by action id."""
        released: dict[str, str] = {}
        for checkpoint in self._checkpoints(execution):
            if checkpoint["status"] is CheckpointStatus.APPROVED:
                released |= checkpoint["digests"]
        return released

    def _present(self) -> list[str]:
        return [execution for execution in self.made if execution not in self.deleted]

    def _checkpoints(self, execution: str) -> Any:
        return [] if execution in self.deleted else self.house.checkpoints(execution)


def test_random_interleavings_keep_every_promise(database: Database) -> None:
    number = iter(range(1_000_000))

    def make_house() -> House:
        return House(database, label=str(next(number)))

    Interleavings.make_house = staticmethod(make_house)
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
