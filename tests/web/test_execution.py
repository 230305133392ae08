"""The page of one execution: what it shows, to whom, and what can be done from it."""

import re
from pathlib import Path
from typing import Any

import pytest
from api.factories import Caller, Team
from web.windows import House, Window

from mixus.accounts.principal import Role, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.evals import progress
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg
from mixus.evals.transitions import Entry, Move, apply
from mixus.server.web.execution_view import ENTRIES, REMEDIES
from mixus.server.web.once import word
from mixus.server.web.tellers import TELLERS

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202e'
# Of the page alone, whatever was written; the style sheet and the script come once.
MOST_BYTES = 36_000
NOWHERE = "exe_0000000000000000000000"


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in("ada@example.org")


@pytest.fixture
def key(ada: Window, team: Team) -> Caller:
    """Her key, by which she makes executions."""
    assert ada.account is not None
    return team.with_key(ada.account, [Scope.MANAGE])


def waiting(key: Caller, team: Team, **fields: Any) -> tuple[str, str]:
    """An execution that awaits a decision, and its checkpoint."""
    execution_id = key.create(**fields)
    checkpoint_id = key.status(execution_id)["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    return execution_id, checkpoint_id


def note(database: Database, execution_id: str, *entries: Entry) -> None:
    with database.transaction() as tx:
        assert apply(tx, Move(execution_id, entries), utc_now()) is not None


def leg(database: Database, execution_id: str) -> Leg:
    found = Leg(execution_id, 1, "wrk_1")
    with database.transaction() as tx:
        assert progress.claim(tx, found, utc_now()) is not None
    return found


def test_it_shows_what_is_run_for_whom_and_what_happened(ada: Window, key: Caller, team: Team) -> None:
    execution_id, checkpoint_id = waiting(key, team, taskName="Commission")
    page = ada.get(f"/eval/{execution_id}")
    assert page.status_code == 200
    for said in (
        "<h1>Commission</h1>",
        "awaiting-verification",
        "rehearsal",
        "sandbox",
        "ada@example.org created it",
        "Check the number.",
        "A reviewer is asked at “calculation”; 1 action waits for the answer.",
        "waiting for a human",
    ):
        assert said in page.text
    assert f'href="/review/{checkpoint_id}"' in page.text


def test_it_follows_an_execution_until_that_has_ended(ada: Window, key: Caller, team: Team) -> None:
    execution_id = key.create()
    stream = f'data-stream="/live/executions/{execution_id}?seen='
    assert stream in ada.get(f"/eval/{execution_id}").text
    team.complete(execution_id)
    assert "data-stream" not in ada.get(f"/eval/{execution_id}").text


def test_the_times_of_the_bar_fill_it(ada: Window, key: Caller, team: Team) -> None:
    execution_id, _ = waiting(key, team)
    bar = ada.get(f"/eval/{execution_id}").text.partition('<svg class="share"')[2].partition("</svg>")[0]
    widths = [int(width) for width in re.findall(r'<rect[^>]* width="(\d+)"', bar)]
    assert sum(widths) == 1000


def test_who_may_not_decide_is_told_who_is_asked(house: House, ada: Window, key: Caller, team: Team) -> None:
    house.account("bob@example.org")
    execution_id, _ = waiting(
        key, team, assignedReviewer="bob@example.org", reviewTimeoutMs=3_600_000, escalateTo="eve@example.org"
    )
    page = ada.get(f"/eval/{execution_id}").text
    assert "It waits for bob@example.org" in page
    assert "After that eve@example.org is asked." in page
    assert "It waits for you" not in page


def test_a_reviewer_is_led_to_his_decision_and_changes_nothing_else(
    house: House, key: Caller, team: Team
) -> None:
    bob = house.signed_in("bob@example.org")
    execution_id, checkpoint_id = waiting(key, team, assignedReviewer="bob@example.org")
    page = bob.get(f"/eval/{execution_id}").text
    assert "It waits for you" in page
    assert f'href="/review/{checkpoint_id}"' in page
    assert f'href="/eval/{execution_id}/cancel"' not in page
    csrf = token_of(bob)
    assert bob.post(f"/eval/{execution_id}/cancel", {"csrf": csrf}).status_code == 403
    assert bob.get(f"/eval/{execution_id}/edit").status_code == 403
    assert key.status(execution_id)["status"] == "awaiting-verification"


def token_of(window: Window) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', window.get("/eval").text)
    assert found is not None
    return found[1]


def test_a_viewer_sees_all_and_changes_nothing(house: House, key: Caller, team: Team) -> None:
    viewer = house.signed_in("vic@example.org", Role.VIEWER)
    execution_id, _ = waiting(key, team)
    page = viewer.get(f"/eval/{execution_id}")
    assert page.status_code == 200
    assert "It waits for ada@example.org" in page.text
    for action in ("cancel", "retry", "edit", "delete"):
        assert f"/eval/{execution_id}/{action}" not in page.text
        refused = viewer.post(f"/eval/{execution_id}/{action}", {"csrf": token_of(viewer)})
        assert refused.status_code == 403
    assert key.status(execution_id)["status"] == "awaiting-verification"


def test_an_admin_may_decide_and_change_what_others_made(house: House, key: Caller, team: Team) -> None:
    admin = house.signed_in("root@example.org", Role.ADMIN)
    execution_id, _ = waiting(key, team)
    page = admin.get(f"/eval/{execution_id}").text
    assert "It waits for you" in page
    assert admin.submit(f"/eval/{execution_id}/cancel").status_code == 303
    assert key.status(execution_id)["status"] == "cancelled"


def test_what_is_anothers_is_not_there(house: House, key: Caller, team: Team) -> None:
    eve = house.signed_in("eve@example.org")
    execution_id, _ = waiting(key, team)
    for path in ("", "/whole", "/trace/1", "/cancel", "/edit", "/delete"):
        theirs, none = (eve.get(f"/eval/{each}{path}") for each in (execution_id, NOWHERE))
        assert theirs.status_code == none.status_code == 404
    for action in ("cancel", "retry", "edit", "delete"):
        assert eve.post(f"/eval/{execution_id}/{action}", {"csrf": token_of(eve)}).status_code == 404
    assert eve.get("/eval/exe_1").status_code == 404


def test_a_form_of_another_site_changes_nothing(ada: Window, key: Caller, team: Team) -> None:
    execution_id = key.create()
    team.complete(execution_id)
    for action in ("cancel", "retry", "edit", "delete"):
        assert ada.post(f"/eval/{execution_id}/{action}", {}).status_code == 403
        foreign = {"Origin": "https://evil.example"}
        answer = ada.post(f"/eval/{execution_id}/{action}", {"csrf": token_of(ada)}, **foreign)
        assert answer.status_code == 403
    assert key.status(execution_id)["status"] == "completed"


def test_it_is_cancelled_once(ada: Window, key: Caller) -> None:
    execution_id = key.create()
    first = ada.submit(f"/eval/{execution_id}/cancel")
    assert first.headers["location"] == f"/eval/{execution_id}?said=cancelled"
    assert key.status(execution_id)["status"] == "cancelled"
    again = ada.post(f"/eval/{execution_id}/cancel", {"csrf": token_of(ada)})
    assert again.status_code == 409
    assert "already cancelled" in again.text
    assert "nothing to cancel" in ada.get(f"/eval/{execution_id}/cancel").text


def test_a_retry_is_a_new_execution_that_names_the_old_one(ada: Window, key: Caller, team: Team) -> None:
    execution_id = key.create()
    team.complete(execution_id)
    path = f"/eval/{execution_id}"
    form = ada.form(path, f"{path}/retry")
    first, second = (ada.post(f"{path}/retry", form.fields).headers["location"] for _ in range(2))
    assert first == second, "a form that is sent twice retries once"
    again = first.partition("?")[0]
    assert f'<a href="{path}">{execution_id}</a>' in ada.get(again).text
    assert f'<a href="{again}">' in ada.get(path).text
    assert len(key("GET", "/api/eval/executions").json()["items"]) == 2


def test_what_runs_is_not_retried(ada: Window, key: Caller) -> None:
    execution_id = key.create()
    path = f"/eval/{execution_id}"
    assert f"{path}/retry" not in ada.get(path).text
    refused = ada.post(f"{path}/retry", {"csrf": token_of(ada), "once": word(utc_now())})
    assert refused.status_code == 409
    assert "cancel it first" in refused.text
    assert "<h1>" in refused.text


def test_only_what_was_changed_in_the_form_is_changed(ada: Window, key: Caller, database: Database) -> None:
    execution_id = key.create(taskName="Before", metadata={"team": "sales"})
    path = f"/eval/{execution_id}"
    form = ada.form(f"{path}/edit", f"{path}/edit")
    moved = key("PATCH", f"/api/eval/executions/{execution_id}", json={"assignedReviewer": "bob@example.org"})
    assert moved.status_code == 200
    saved = ada.post(f"{path}/edit", {**form.fields, "name": "After"})
    assert saved.headers["location"] == f"{path}?said=saved"
    page = ada.get(path).text
    assert "<h1>After</h1>" in page
    assert "<dd>bob@example.org</dd>" in page
    assert "ada@example.org changed taskName." in page
    count = key.status(execution_id)["version"]
    assert ada.submit(f"{path}/edit", f"{path}/edit").status_code == 303
    assert key.status(execution_id)["version"] == count, "nothing was touched, so nothing is written"


def test_metadata_can_be_emptied(ada: Window, key: Caller) -> None:
    execution_id = key.create(metadata={"team": "sales"})
    path = f"/eval/{execution_id}/edit"
    assert ada.submit(path, path, metadata="").status_code == 303
    items = key("GET", "/api/eval/executions").json()["items"]
    assert items[0]["metadata"] == {}


def test_what_was_typed_is_kept_when_it_is_refused(ada: Window, key: Caller) -> None:
    execution_id = key.create(taskName="Before")
    path = f"/eval/{execution_id}/edit"
    answer = ada.submit(path, path, name="Typed name", reviewer="nobody", metadata="{team: 1}")
    assert answer.status_code == 422
    for kept in ("Typed name", 'value="nobody"', "{team: 1}", "This is no JSON", "no e-mail address"):
        assert kept in answer.text
    assert key.status(execution_id)["taskName"] == "Before"
    assert ada.submit(path, path, name="").status_code == 422
    assert ada.submit(path, path, metadata="[1]").status_code == 422


def test_what_is_deleted_is_gone(ada: Window, key: Caller) -> None:
    execution_id = key.create()
    path = f"/eval/{execution_id}"
    assert "cancelled first" in ada.get(f"{path}/delete").text
    assert ada.submit(f"{path}/delete").headers["location"] == "/eval?said=deleted"
    assert ada.get(path).status_code == 404


def test_nothing_that_people_or_models_write_becomes_part_of_the_page(
    ada: Window, key: Caller, team: Team, database: Database
) -> None:
    checkpoint = {"stage": HOSTILE, "description": HOSTILE, "verificationQuestion": HOSTILE}
    execution_id = key.create(
        taskName=HOSTILE, taskDescription=f"Calculate 1 + 1 {HOSTILE}"[:200], checkpoints=[checkpoint],
        metadata={HOSTILE: HOSTILE}, model="script", script=[{"final": "x"}],
    )  # fmt: skip
    members = ["by", "text", "tool", "stage", "result", "reason", "name", "hint", "from", "to", "message"]
    data = dict.fromkeys(members, HOSTILE)
    note(database, execution_id, *(Entry(kind, data) for kind in [*TELLERS, HOSTILE[:32]]))
    team.complete(execution_id, HOSTILE)
    number = key.status(execution_id)["version"]
    for path in ("", "?after=0", "/whole", f"/trace/{number}", "/trace/8", "/cancel", "/edit", "/delete"):
        page = ada.get(f"/eval/{execution_id}{path}")
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "\u202e" not in page.text.partition("<form")[0] or path == "/edit"
    assert "⟨U+202E⟩" in ada.get(f"/eval/{execution_id}").text


def test_every_kind_of_entry_that_the_manual_names_has_a_sentence() -> None:
    manual = Path(__file__).parents[2] / "docs/how-to/read-the-trace.md"
    rows = re.findall(r"^\| (`.*?`) \|", manual.read_text(), re.MULTILINE)
    named = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
    assert len(named) > 15
    assert named <= set(TELLERS)


@pytest.mark.parametrize("kind", sorted(TELLERS))
@pytest.mark.parametrize(
    "data", [{}, dict.fromkeys(("by", "plan", "steps", "calls", "edited", "fields", "passed", "actions"), 7)]
)
def test_a_sentence_bears_any_data(kind: str, data: dict[str, Any]) -> None:
    told = TELLERS[kind](data)
    assert told.sentence.endswith(".")


def test_an_entry_that_is_not_known_shows_with_its_data(ada: Window, key: Caller, database: Database) -> None:
    execution_id = key.create()
    note(database, execution_id, Entry("new-kind", {"answer": 42, "durationMs": 1500, "costUsd": 0.5}))
    page = ada.get(f"/eval/{execution_id}").text
    for shown in ("new-kind", "answer: 42", "1.5 s", "$0.5000"):
        assert shown in page
    assert ada.get(f"/eval/{execution_id}/trace/3").status_code == 404
    assert ada.get(f"/eval/{execution_id}/trace/0").status_code == 422


def test_a_long_trace_comes_in_pages_that_are_light(ada: Window, key: Caller, database: Database) -> None:
    checkpoint = {"description": "d" * 2000, "verificationQuestion": "q" * 2000}
    execution_id = key.create(
        checkpoints=[{**checkpoint, "stage": f"stage {number}"} for number in range(50)],
        taskDescription="Calculate 1 + 1. " + "Please be careful. " * 1000,
        model="script",
        script=[{"tool": "calculate", "arguments": {"expression": "1" + "+1" * 200}}] * 60,
        metadata={"long": "x" * 15_000},
    )  # fmt: skip
    data = {"tool": "calculate", "arguments": {"expression": "1" * 5000}, "result": "x" * 5000}
    note(database, execution_id, *(Entry("tool-call", data) for _ in range(99)))
    path = f"/eval/{execution_id}"
    newest = ada.get(path)
    assert f"entries {101 - ENTRIES} to 100 of 100" in newest.text
    assert len(newest.content) <= MOST_BYTES
    assert f'href="{path}?after={100 - 2 * ENTRIES}#timeline"' in newest.text
    first = ada.get(f"{path}?after=0").text
    assert f"entries 1 to {ENTRIES} of 100" in first
    assert f'href="{path}?after={ENTRIES}#timeline"' in first
    assert "no entries here" in ada.get(f"{path}?after=5000").text
    assert ada.get(f"{path}?after=-1").status_code == 422
    assert "1" * 5000 in ada.get(f"{path}/trace/50").text
    assert "d" * 2000 in ada.get(f"{path}/whole").text


def test_decisions_show_with_who_made_them_and_what_was_changed(ada: Window, key: Caller, team: Team) -> None:
    execution_id, checkpoint_id = waiting(key, team)
    hinted = key.decide(execution_id, checkpoint_id, action="hint", hint="Round it.", comment="Cents?")
    assert hinted.status_code == 200
    page = ada.get(f"/eval/{execution_id}").text
    for said in ("gave a hint", "“Round it.”", "Cents?", "attempt 1", "By key"):
        assert said in page


def test_an_edited_approval_shows_both_forms(ada: Window, key: Caller, team: Team) -> None:
    execution_id, checkpoint_id = waiting(key, team)
    edit = {
        "actionId": "act_1",
        "arguments": {"to": ["eve@example.org"], "subject": "Hi", "body": "New text"},
    }
    approved = key.decide(execution_id, checkpoint_id, editedActions=[edit])
    assert approved.status_code == 200, approved.text
    page = ada.get(f"/eval/{execution_id}").text
    assert "Approved in another form than was proposed" in page
    assert '<span class="plus">+ New text</span>' in page
    assert '<span class="minus">- bob@example.org</span>' in page
    assert "1 with edits" in page


@pytest.mark.parametrize("code", Failure)
def test_each_way_to_fail_says_what_to_do(
    ada: Window, key: Caller, database: Database, code: Failure
) -> None:
    execution_id = key.create()
    running = leg(database, execution_id)
    with database.transaction() as tx:
        progress.fail(tx, running, code, "It broke.", utc_now())
    page = ada.get(f"/eval/{execution_id}").text
    assert f"<b>{code.value}</b>" in page
    assert REMEDIES[code] in page
    assert "It broke." in page
    assert f'action="/eval/{execution_id}/retry"' in page


def test_it_says_when_nobody_was_asked(ada: Window, key: Caller, team: Team) -> None:
    execution_id = key.create(checkpoints=[], autoDetectCheckpoints=False)
    team.complete(execution_id, "7,500")
    page = ada.get(f"/eval/{execution_id}").text
    assert "Nobody was asked." in page
    assert "7,500" in page


def test_the_baseline_is_told_from_what_was_verified(ada: Window, key: Caller) -> None:
    execution_id = key.create(testMode="without-verification")
    page = ada.get(f"/eval/{execution_id}").text
    assert "The baseline: nobody is asked." in page
    assert "without verification" in page
    assert "Human verification" not in page


def test_an_agent_outside_is_shown_as_one_and_not_retried_here(ada: Window, key: Caller) -> None:
    created = key(
        "POST", "/api/eval/external-executions", json={"taskDescription": "Do it.", "agent": "crew"}
    )
    assert created.status_code == 201, created.text
    path = f"/eval/{created.json()['executionId']}"
    page = ada.get(path).text
    assert "Its agent runs in a process outside." in page
    assert "external:crew" in page
    assert ada.submit(f"{path}/cancel").status_code == 303
    assert f"{path}/retry" not in ada.get(path).text
    refused = ada.post(f"{path}/retry", {"csrf": token_of(ada), "once": word(utc_now())})
    assert refused.status_code == 409
