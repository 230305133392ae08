"""/eval/new: the form makes exactly what the API makes, and loses nothing that was typed."""

import re
from html import unescape
from typing import Any

import pytest
from factories import PEPPER
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient
from web.windows import Forms, House, Window

from mixus.accounts.principal import Role
from mixus.agents.catalog import Catalog, ModelRules
from mixus.agents.templates import catalogue
from mixus.agents.tools.builtin import BUILT_IN
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.evals.lifecycle import Environment, OnTimeout, Status, TestMode
from mixus.evals.tables import checkpoints, executions
from mixus.server.app import create_app

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e'
TASK = "Calculate 15% of $50,000 and send the result to sales@example.org"
EVERYTHING = {
    "taskDescription": TASK,
    "taskName": "Commission",
    "testMode": "with-verification",
    "autoDetectCheckpoints": None,
    "reviewResult": "on",
    "assignedReviewer": "rev@example.org",
    "checkpoints.0.stage": "calculation",
    "checkpoints.0.description": "The commission before it is sent",
    "checkpoints.0.verificationQuestion": "Is it $7,500?",
    "checkpoints.2.stage": "mail",
    "checkpoints.2.description": "The mail",
    "model": "rehearsal",
    "expectedOutcome.type": "number",
    "expectedOutcome.value": "7500",
    "expectedOutcome.tolerance": "0.5",
    "maxSteps": "12",
    "timeoutMinutes": "5",
    "reviewTimeoutMinutes": "60",
    "escalateTo": "boss@example.org",
    "onReviewTimeout": "reject",
    "tools": ["calculate", "send_email"],
    "metadata": '{"suite": "nightly"}',
}
QUEUED = 12


@pytest.fixture
def settings() -> Settings:
    return Settings(queued_per_user=QUEUED)


def rows(database: Database) -> list[Any]:
    with database.snapshot() as tx:
        return list(tx.execute(select(executions).order_by(executions.c.created_at)).mappings())


def points(database: Database) -> list[Any]:
    with database.snapshot() as tx:
        return list(tx.execute(select(checkpoints).order_by(checkpoints.c.position)).mappings())


def wrong_fields(page: Response) -> dict[str, str]:
    """By field, what is said to be wrong with it."""
    found = re.findall(r'<p class="problem" id="p-([^"]+)">.*?</svg>(.*?)</p>', page.text, re.DOTALL)
    return {name: unescape(said.strip()) for name, said in found}


def sent(window: Window, fields: dict[str, Any], address: str = "/eval/new") -> Response:
    return window.submit(address, "/eval/new", **fields)


def test_a_sentence_is_enough_for_an_evaluation(house: House, database: Database) -> None:
    window = house.signed_in()
    answer = sent(window, {"taskDescription": TASK})
    row = rows(database)[0]
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/eval/{row['id']}?said=started"
    assert row["task_description"] == row["task_name"] == TASK
    assert row["status"] is Status.QUEUED
    assert row["auto_detect"] is True
    assert row["model"] == "rehearsal"
    assert row["assigned_reviewer"] == "ada@example.org"
    assert row["environment"] is Environment.SANDBOX
    assert points(database) == []


def test_everything_that_the_form_says_is_in_the_execution(house: House, database: Database) -> None:
    answer = sent(house.signed_in(), EVERYTHING)
    assert answer.status_code == 303, wrong_fields(answer)
    assert answer.headers["location"].endswith("said=started-unreached")
    row = rows(database)[0]
    expected = {
        "task_name": "Commission",
        "test_mode": TestMode.WITH_VERIFICATION,
        "auto_detect": False,
        "review_result": True,
        "assigned_reviewer": "rev@example.org",
        "expected_outcome": {"type": "number", "value": 7500, "tolerance": 0.5},
        "max_steps": 12,
        "timeout_ms": 300_000,
        "review_timeout_ms": 3_600_000,
        "escalate_to": "boss@example.org",
        "on_review_timeout": OnTimeout.REJECT,
        "tools": ["calculate", "send_email"],
        "metadata": {"suite": "nightly"},
    }
    assert {name: row[name] for name in expected} == expected
    assert [(each["stage"], each["verification_question"]) for each in points(database)] == [
        ("calculation", "Is it $7,500?"),
        ("mail", None),
        ("result", "Is the result right?"),
    ]


def test_a_script_is_played_as_it_is_written(house: House, database: Database) -> None:
    script = '[{"tool": "calculate", "arguments": {"expression": "1+1"}}, {"final": "2"}]'
    answer = sent(house.signed_in(), {"taskDescription": "Add", "model": "script", "script": script})
    assert answer.status_code == 303, wrong_fields(answer)
    assert rows(database)[0]["script"][1] == {"final": "2"}


def test_every_template_starts_as_its_form_stands(house: House, database: Database) -> None:
    window = house.signed_in()
    for name, template in catalogue.TEMPLATES.items():
        missing = catalogue.missing_tools(template, BUILT_IN)
        address = f"/eval/new?template={name}"
        assert ("which this server does not offer" in window.get(address).text) is bool(missing)
        answer = sent(window, {}, address)
        assert answer.status_code == (422 if missing else 303), wrong_fields(answer)
    started = {row["template"] for row in rows(database)}
    assert started == {
        name for name, each in catalogue.TEMPLATES.items() if not catalogue.missing_tools(each, BUILT_IN)
    }


def test_parameters_of_a_template_are_taken_and_checked_at_their_fields(
    house: House, database: Database
) -> None:
    window = house.signed_in()
    address = "/eval/new?template=commission"
    refused = sent(window, {"parameters.rate": "101", "parameters.recipient": "bob@example.org"}, address)
    assert refused.status_code == 422
    assert wrong_fields(refused) == {"parameters.rate": "Give a number from 0 to 100."}
    assert 'value="bob@example.org"' in refused.text
    assert rows(database) == []
    answer = sent(window, {"parameters.rate": "20", "parameters.currency": "€"}, address)
    assert answer.status_code == 303
    assert rows(database)[0]["parameters"]["rate"] == 20
    assert rows(database)[0]["expected_outcome"]["value"] == 10_000


def test_checkpoints_of_ones_own_take_the_place_of_the_templates(house: House, database: Database) -> None:
    own = {"checkpoints.1.stage": "mine", "checkpoints.1.description": "Mine."}
    assert sent(house.signed_in(), own, "/eval/new?template=commission").status_code == 303
    assert [each["stage"] for each in points(database)] == ["mine"]


def test_an_unknown_template_is_not_there(house: House) -> None:
    assert house.signed_in().get("/eval/new?template=nothing").status_code == 404


WRONG = {
    "taskDescription": ("", "Say what the agent must do, or name a template."),
    "taskName": ("x" * 201, "String should have at most 200 characters."),
    "testMode": ("maybe", "Input should be 'with-verification' or 'without-verification'."),
    "assignedReviewer": ("nobody", "This is no e-mail address"),
    "checkpoints.0.description": (None, "Field required."),
    "model": (
        "openai:gpt-4o",
        "This server calls no provider until its admin sets MIXUS_MODEL; `rehearsal` works.",
    ),
    "expectedOutcome.type": ("", "Field required."),
    "expectedOutcome.value": ("many", ""),
    "maxSteps": ("a few", "Input should be a valid integer."),
    "maxCostUsd": ("1", "rehearsal costs nothing; leave the budget out."),
    "maxTokens": ("0", "Input should be greater than or equal to 1."),
    "timeoutMinutes": ("0", "Give whole minutes, from 1 to 1,440."),
    "reviewTimeoutMinutes": ("1.5", "Give whole minutes, from 1 to 525,600."),
    "escalateTo": ("rev@example.org", "rev@example.org is the reviewer; name somebody else."),
    "tools": (["no_such_tool"], ""),
    "metadata": ('{"suite": nightly}', ""),
    "script": ("[]", ""),
}


def test_what_is_wrong_is_said_at_its_field_and_nothing_that_was_typed_is_lost(
    house: House, database: Database
) -> None:
    window = house.signed_in()
    for name, (value, said) in WRONG.items():
        page = sent(window, {**EVERYTHING, name: value})
        assert page.status_code == 422
        assert said in wrong_fields(page).get(name, f"nothing at {name}, but {wrong_fields(page)}")
        others = {key: each for key, each in EVERYTHING.items() if key != name and "checkpoints" not in key}
        shown = {key: each if isinstance(each, list) else [each] for key, each in others.items() if each}
        typed = window_fields(page)
        assert {key: typed.get(key) for key in shown} == shown
    assert rows(database) == []


@pytest.mark.parametrize("minutes", [" " * 15 + "5", "\u0665", "0" * 14 + "1" + "9" * 12, "-5", "5e3"])
def test_minutes_are_read_as_they_stand_or_refused(house: House, database: Database, minutes: str) -> None:
    answer = sent(house.signed_in(), {"taskDescription": TASK, "timeoutMinutes": minutes})
    made = [row["timeout_ms"] for row in rows(database)]
    assert (answer.status_code, made) == ((303, [300_000]) if minutes.strip() == "5" else (422, []))


def window_fields(page: Response) -> dict[str, list[str]]:
    return next(form.fields for form in Forms(page.text).found if form.action == "/eval/new")


def test_checkpoints_that_were_left_empty_move_up_with_what_is_wrong_with_them(house: House) -> None:
    fields = {
        "taskDescription": TASK,
        "checkpoints.0.stage": "  ",
        "checkpoints.1.stage": "first",
        "checkpoints.1.description": "The first",
        "checkpoints.2.description": "The second",
    }
    page = sent(house.signed_in(), fields)
    assert wrong_fields(page) == {"checkpoints.1.stage": "Field required."}
    kept = window_fields(page)
    assert kept["checkpoints.0.stage"] == ["first"]
    assert kept["checkpoints.1.description"] == ["The second"]
    assert kept["checkpoints.2.stage"] == [""]


def test_there_is_room_for_more_checkpoints_and_what_was_typed_stays(
    house: House, database: Database
) -> None:
    window = house.signed_in()
    form = window.form("/eval/new", "/eval/new")
    typed = {"taskDescription": TASK, "checkpoints.2.stage": "third"}
    page = window.post("/eval/new/more", {**form.fields, **typed})
    assert page.status_code == 200
    kept = window_fields(page)
    assert kept["checkpoints.0.stage"] == ["third"]
    assert kept["taskDescription"] == [TASK]
    assert "checkpoints.3.stage" in kept
    assert rows(database) == []
    empty = {name: "" for name in kept if name.startswith("checkpoints.")}
    more = window_fields(window.post("/eval/new/more", {**form.fields, **empty}))
    assert len([name for name in more if name.endswith(".stage")]) == len(empty) // 3 + 3
    many = {f"checkpoints.{number}.stage": f"stage {number}" for number in range(50)}
    full = window.post("/eval/new/more", {**form.fields, **many})
    assert "checkpoints.49.stage" in window_fields(full)
    assert "checkpoints.50.stage" not in window_fields(full)


def test_a_form_that_is_sent_twice_starts_one_execution(house: House, database: Database) -> None:
    window = house.signed_in()
    form = window.form("/eval/new", "/eval/new")
    fields = {**form.fields, "taskDescription": TASK}
    first, second = window.post("/eval/new", fields), window.post("/eval/new", fields)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert len(rows(database)) == 1


def test_a_form_that_is_sent_again_with_other_content_starts_another(
    house: House, database: Database
) -> None:
    window = house.signed_in()
    form = window.form("/eval/new", "/eval/new")
    for name in ("One", "Two"):
        window.post("/eval/new", {**form.fields, "taskDescription": TASK, "taskName": name})
    assert [row["task_name"] for row in rows(database)] == ["One", "Two"]


def test_a_refusal_is_not_kept_for_the_next_try(house: House, database: Database) -> None:
    window = house.signed_in()
    form = window.form("/eval/new", "/eval/new")
    fields = {**form.fields, "taskDescription": TASK, "maxSteps": "0"}
    assert window.post("/eval/new", fields).status_code == 422
    assert window.post("/eval/new", fields).status_code == 422
    assert window.post("/eval/new", {**fields, "maxSteps": ""}).status_code == 303
    assert len(rows(database)) == 1


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_nobody_starts_what_is_real_from_a_page(house: House, database: Database, role: Role) -> None:
    window = house.signed_in(role=role)
    assert 'name="environment"' not in window.get("/eval/new").text
    page = sent(window, {"taskDescription": TASK, "environment": "live"})
    assert page.status_code in {403, 422}
    assert rows(database) == []


def test_a_field_that_the_task_does_not_have_is_refused(house: House, database: Database) -> None:
    window = house.signed_in()
    page = sent(window, {"taskDescription": TASK, "webhook": "https://example.org"})
    assert page.status_code == 422
    assert "webhook: This field is not known here." in page.text
    for odd in ("checkpoints", "expectedOutcome", "checkpoints.0.color", "expectedOutcome.color", "tools.0"):
        assert sent(window, {"taskDescription": TASK, odd: "x"}).status_code == 422
    assert rows(database) == []


def test_a_viewer_is_told_that_he_may_not(house: House, database: Database) -> None:
    window = house.signed_in("eve@example.org", Role.VIEWER)
    page = window.get("/eval/new")
    assert page.status_code == 403
    assert "Viewers see every evaluation and start none" in page.text
    form = window.form("/eval", "/signout")
    for address in ("/eval/new", "/eval/new/more"):
        assert window.post(address, {**form.fields, "taskDescription": TASK}).status_code == 403
    assert rows(database) == []


def test_a_form_without_its_token_is_refused(house: House, database: Database) -> None:
    window = house.signed_in()
    for address in ("/eval/new", "/eval/new/more"):
        assert window.post(address, {"taskDescription": TASK}).status_code == 403
        assert window.post(address, {"taskDescription": TASK, "csrf": "x"}).status_code == 403
    assert rows(database) == []


def test_a_stranger_is_asked_to_sign_in(house: House) -> None:
    assert house.window().get("/eval/new").headers["location"] == "/signin?next=%2Feval%2Fnew"
    assert house.window().post("/eval/new", {"taskDescription": TASK}).status_code == 401


def test_hostile_text_comes_back_as_text(house: House) -> None:
    fields = {name: HOSTILE for name, value in EVERYTHING.items() if isinstance(value, str)}
    page = sent(house.signed_in(), fields)
    assert page.status_code == 422
    assert "<img" not in page.text
    assert "<script>alert" not in page.text
    assert window_fields(page)["taskDescription"] == [HOSTILE]


def test_a_nul_is_refused_and_no_failure(house: House) -> None:
    assert sent(house.signed_in(), {"taskDescription": "a\0b"}).status_code == 422


def test_a_full_queue_is_said_over_the_form(house: House, database: Database) -> None:
    window = house.signed_in()
    for number in range(QUEUED):
        assert sent(window, {"taskDescription": TASK, "taskName": str(number)}).status_code == 303
    page = sent(window, {"taskDescription": TASK, "taskName": "too many"})
    assert page.status_code == 409
    assert "executions are queued, which is the most" in page.text
    assert window_fields(page)["taskName"] == ["too many"]


def test_models_are_offered_as_the_admin_allows_them(settings: Settings, database: Database) -> None:
    rules = ModelRules(allowed=frozenset({"openai:gpt-4o", "mistral:*"}))
    catalog = Catalog("rehearsal", may_spend=True, rules=rules)
    app = create_app(settings, database, PEPPER, catalog)
    with TestClient(app) as http:
        page = House(app, database, http).signed_in().get("/eval/new").text
    assert "Allowed here: rehearsal, openai:gpt-4o, script, mistral:*." in page
