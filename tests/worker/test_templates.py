"""Each template is carried out by the real worker with the real tools, and its outcome scores as passed."""

import csv
import io
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from worker.house import House
from worker.solutions import SOLUTIONS, final, outcome

from mixus.agents.templates.catalogue import TEMPLATES, task
from mixus.agents.tools.toolbox import tools_of
from mixus.core.database import Row
from mixus.core.settings import Settings
from mixus.evals import workspace
from mixus.evals.lifecycle import FINAL, Area, Status, TestMode
from mixus.evals.tasks import NewTask

NAMES = list(TEMPLATES)
# Other than the defaults, for each of them.
OTHERS: dict[str, dict[str, Any]] = {
    "commission": {"rate": 7.5, "sales": 1234.56, "currency": "€", "recipient": "a.b@example.org"},
    "tax-credit": {"wages": 100_000.55, "supplies": 0, "priorAverage": 99_999.99, "baseShare": 33.33},
    "invoice-check": {"statedTotal": 700, "vat": 7, "supplier": "Ann (office) & Sons"},
    "support-refund-mail": {"order": "B 77/3", "quantity": 3, "price": 0.05, "restockingFee": 33.3},
    "quote-mail": {"product": "Chair, blue", "quantity": 7, "price": 19.99, "discount": 2.5, "vat": 0},
    "data-clean-up": {"customers": 500, "seenSince": 2020, "keep": "highest"},
    "report-and-mail": {"lines": 28, "recipient": "board@example.org"},
    "bonus-list": {"people": 100, "rateA": 12.25, "rateB": 0},
    "price-comparison": {"item": "Cable", "quantity": 500},
}


@dataclass(frozen=True)
class Desk:
    """A house with all tools of a deployment without settings, and a reviewer who approves."""

    house: House

    def start(self, name: str, given: Mapping[str, Any], **fields: Any) -> str:
        made = task(name, given, "rehearsal")
        if fields.get("model") == "script":
            fields["script"] = SOLUTIONS[name](made)
        return self.house.create_task(NewTask(**{**vars(made), **fields}))

    def finish(self, execution_id: str) -> Row:
        row = self.house.run(execution_id)
        while row["status"] not in FINAL:
            row = self.house.approve(execution_id)
        return row

    def own(self, execution_id: str, area: Area) -> dict[str, bytes | None]:
        with self.house.database.snapshot() as tx:
            return workspace.entries(tx, execution_id, area)


@pytest.fixture
def desk(house: House, tmp_path: Any) -> Desk:
    house.catalog.tools = tools_of(Settings(data=tmp_path))
    return Desk(house)


def calculated(desk: Desk, execution_id: str) -> list[Decimal]:
    calls = [entry["data"] for entry in desk.house.journal(execution_id) if entry["kind"] == "tool-call"]
    return [Decimal(data["result"]) for data in calls if data["tool"] == "calculate"]


def is_free_of_errors(desk: Desk, execution_id: str) -> bool:
    calls = [entry["data"] for entry in desk.house.journal(execution_id) if entry["kind"] == "tool-call"]
    return bool(calls) and not any("error" in data for data in calls)


@pytest.mark.parametrize("given", [{}, OTHERS], ids=["defaults", "others"])
@pytest.mark.parametrize("name", NAMES)
def test_its_intended_solution_completes_and_scores_as_passed(
    desk: Desk, name: str, given: dict[str, Any]
) -> None:
    execution = desk.start(name, given.get(name, {}), model="script")
    row = desk.finish(execution)
    assert (row["status"], row["template"]) == (Status.COMPLETED, name)
    assert row["score"]["passed"] is True, row["score"]
    assert is_free_of_errors(desk, execution)
    last = calculated(desk, execution)[-1:]
    assert all(number == Decimal(str(row["score"]["value"])) for number in last)
    assert {each["status"] for each in desk.house.checkpoints(execution)} == {"approved"}


@pytest.mark.parametrize("name", NAMES)
def test_its_effects_wait_for_the_reviewer(desk: Desk, name: str) -> None:
    execution = desk.start(name, {}, model="script")
    desk.house.run(execution)
    stages = [each.stage for each in task(name, {}, "rehearsal").checkpoints]
    assert desk.house.awaiting(execution)["stage"] == stages[0]
    assert desk.house.effects(execution) == []
    desk.finish(execution)
    asked = {
        action["actionId"] for row in desk.house.checkpoints(execution) for action in row["proposed_actions"]
    }
    assert {row["action_id"] for row in desk.house.effects(execution)} <= asked


@pytest.mark.parametrize("name", NAMES)
def test_the_same_template_serves_the_baseline(desk: Desk, name: str) -> None:
    execution = desk.start(name, {}, model="script", test_mode=TestMode.WITHOUT_VERIFICATION)
    row = desk.house.run(execution)
    assert (row["status"], row["score"]["passed"]) == (Status.COMPLETED, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_answer_does_not_pass(desk: Desk, name: str) -> None:
    made = task(name, {}, "script")
    wrong = final(Decimal(outcome(made)) + Decimal("0.01"))
    execution = desk.house.create_task(NewTask(**{**vars(made), "script": [wrong]}))
    row = desk.finish(execution)
    assert (row["status"], row["score"]["passed"]) == (Status.COMPLETED, False)


def test_the_clean_up_deletes_on_the_executions_own_copy_alone(desk: Desk) -> None:
    execution, other = (desk.start("data-clean-up", {}, model="script") for _ in range(2))
    desk.finish(execution)
    left = [left_in(desk.own(each, Area.DATABASE)["main"]) for each in (execution, other)]
    expected = task("data-clean-up", {}, "script").expected_outcome
    assert expected is not None
    assert len(left[0]) == len({email for _, email in left[0]}) == expected["value"]
    assert min(seen for seen, _ in left[0]) >= "2022-01-01"
    assert len(left[1]) == 60


def left_in(database: bytes | None) -> list[tuple[str, str]]:
    assert database is not None
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        return connection.execute("select last_seen, lower(email) from customers").fetchall()


def test_the_report_and_the_bonus_list_are_in_the_executions_own_files(desk: Desk) -> None:
    report, bonuses = (desk.start(name, {}, model="script") for name in ("report-and-mail", "bonus-list"))
    desk.finish(report)
    desk.finish(bonuses)
    written = desk.own(report, Area.FILES)["report.md"]
    assert written is not None
    assert desk.house.mails(report)[0]["body"].encode() == written
    listed = desk.own(bonuses, Area.FILES)["bonuses.csv"]
    assert listed is not None
    rows = list(csv.DictReader(io.StringIO(listed.decode())))
    assert sum(Decimal(row["bonus"]) for row in rows) == Decimal(outcome(task("bonus-list", {}, "script")))


@pytest.mark.parametrize("given", [{}, OTHERS], ids=["defaults", "others"])
@pytest.mark.parametrize("name", NAMES)
def test_rehearsal_does_what_the_template_says_that_it_does(
    desk: Desk, name: str, given: dict[str, Any]
) -> None:
    execution = desk.start(name, given.get(name, {}))
    row = desk.finish(execution)
    if not TEMPLATES[name].rehearsal.whole:
        assert (row["status"], row["error_code"]) == (Status.FAILED, "beyond-rehearsal")
        assert row["score"] is None
        assert desk.house.effects(execution) == []
        return
    assert (row["status"], row["score"]["passed"]) == (Status.COMPLETED, True)
    assert "Not done" not in row["result"]
    assert is_free_of_errors(desk, execution)
    assert len(desk.house.mails(execution)) == ("send_email" in TEMPLATES[name].tools)
