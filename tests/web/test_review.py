"""The reviewer's desk: what waits, one checkpoint in the order that matters, and his decision."""

import re
from datetime import timedelta
from typing import Any

import pytest
from api.factories import Team
from markupsafe import escape
from web.waiting import HOSTILE, MAIL, QUESTION, Desks, Waiting, action, opened, overdue, sections
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.evals.lifecycle import CheckpointStatus, Environment, OnTimeout, Source, Status
from mixus.server.web.deciding import EditField

DECIDE = "Your decision"


@pytest.fixture
def desks(house: House, team: Team, database: Database) -> Desks:
    return Desks(house, team, database)


@pytest.fixture
def waiting(desks: Desks) -> Waiting:
    return desks.waiting()


def may_decide(page: str) -> bool:
    return 'value="approve"' in page


# The queue.


def test_the_queue_shows_what_waits_for_me_longest_first(desks: Desks) -> None:
    young, old = desks.waiting(question="The younger?"), desks.waiting(question="The older?")
    old.change(requested_at=utc_now() - timedelta(days=3))
    desks.waiting(question="Another's?", assignedReviewer="ada@example.org")
    page = opened(desks.bob, "/review").text
    sections(page, "3 days ago", young.at(), old.at())
    assert page.find("The older?") < page.find("The younger?")
    assert "Another&#39;s?" not in page


def test_an_empty_queue_says_so(desks: Desks) -> None:
    assert "Nothing waits for you" in opened(desks.bob, "/review").text


def test_the_queue_marks_what_is_real_and_what_is_asked_again(desks: Desks, waiting: Waiting) -> None:
    waiting.change_execution(environment=Environment.LIVE)
    waiting.change(attempt=2)
    sections(opened(desks.bob, "/review").text, "LIVE", "attempt 2", "rehearsal")


def test_what_is_overdue_has_its_own_tab(desks: Desks) -> None:
    late, _ = desks.waiting(question="The late one?"), desks.waiting(question="The other?")
    overdue(late)
    page = opened(desks.bob, "/review?tab=overdue").text
    sections(page, "The late one?", ">overdue<")
    assert "The other?" not in page


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_admins_and_viewers_see_what_waits_for_anybody(desks: Desks, waiting: Waiting, role: Role) -> None:
    window = desks.signed_in("cleo@example.org", role)
    assert QUESTION not in opened(window, "/review").text
    sections(opened(window, "/review?tab=all").text, "Is the result", "bob@example.org")


def test_nobody_sees_what_is_none_of_his(desks: Desks, waiting: Waiting) -> None:
    eve = desks.signed_in("eve@example.org")
    for tab in ("mine", "overdue", "all", "decided"):
        assert "Is the result" not in opened(eve, f"/review?tab={tab}").text
    assert "tab=all" not in opened(eve, "/review").text
    for path in (waiting.path, f"/review/{waiting.execution_id}"):
        assert eve.get(path).status_code == 404
        assert eve.post(path, {"csrf": eve.form("/review", "/signout").fields["csrf"][0]}).status_code == 404


def test_what_i_decided_is_kept_in_view(desks: Desks, waiting: Waiting) -> None:
    desks.bob.submit(waiting.at(), waiting.path, "hint", hint="Use 12 %")
    desks.ask(waiting, [])
    desks.bob.submit(waiting.at(2), waiting.path, "approve")
    page = opened(desks.bob, "/review?tab=decided").text
    sections(page, ">approved<", waiting.at(2), ">hint<", waiting.at(1))
    other = desks.signed_in("eve@example.org")
    assert "You decided nothing" in opened(other, "/review?tab=decided").text


def test_a_long_queue_comes_in_pages(desks: Desks) -> None:
    for place in range(26):
        desks.waiting(question=f"Number {place}?")
    first = opened(desks.bob, "/review").text
    older = first.partition('<p class="more">')[2].partition('href="')[2].partition('"')[0]
    second = opened(desks.bob, older.replace("&amp;", "&")).text
    assert (first.count("data-row"), second.count("data-row")) == (25, 1)
    assert desks.bob.get("/review?cursor=nonsense").status_code == 422


# The page of a checkpoint.


def test_a_checkpoint_is_shown_in_the_order_that_matters(desks: Desks, waiting: Waiting) -> None:
    desks.bob.submit(waiting.at(), waiting.path, "hint", hint="Use 12 %")
    desks.ask(waiting, [action()], work="the work was done again")
    waiting.change(due_at=utc_now() + timedelta(hours=5))
    page = opened(desks.bob, waiting.path).text
    marks = (
        *("Sandbox: nothing will be sent", "<h1", "What happens if you approve", "cy@example.org"),
        *("the work was done again", "What happened before", "Earlier hints", "Use 12 %"),
        *(
            "If nobody has decided by then",
            'value="approve"',
            'value="edit"',
            'value="reject"',
            'value="hint"',
        ),
    )
    places = sections(page, *marks)
    assert places == sorted(places)
    assert "4 hints of 5 left" in page


def test_what_is_real_is_named_before_all_else(desks: Desks, waiting: Waiting) -> None:
    waiting.change_execution(environment=Environment.LIVE)
    page = opened(desks.bob, waiting.path).text
    assert "LIVE: this sends an e-mail to cy@example.org." in page
    assert "Sandbox" not in page


@pytest.mark.parametrize(
    ("values", "then"),
    [
        ({"on_review_timeout": OnTimeout.EXPIRE}, "it expires, and nothing of it is done"),
        ({"on_review_timeout": OnTimeout.REJECT}, "it is rejected, and nothing of it is done"),
        ({"escalate_to": "boss@example.org"}, "boss@example.org"),
    ],
)
def test_the_deadline_says_what_happens_then(
    desks: Desks, waiting: Waiting, values: dict[str, Any], then: str
) -> None:
    waiting.change_execution(**values)
    waiting.change(due_at=utc_now() + timedelta(hours=5))
    assert then in opened(desks.bob, waiting.path).text


def test_an_execution_leads_to_what_waits_in_it(desks: Desks, waiting: Waiting) -> None:
    answer = desks.bob.get(f"/review/{waiting.execution_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, waiting.at())
    desks.bob.submit(waiting.at(), waiting.path, "reject")
    page = opened(desks.bob, f"/review/{waiting.execution_id}").text
    sections(page, "Rejected", f"/eval/{waiting.execution_id}")


def test_j_and_k_lead_through_the_queue(desks: Desks) -> None:
    first, second, third = (desks.waiting() for _ in range(3))
    for hours, each in ((3, first), (2, second), (1, third)):
        each.change(requested_at=utc_now() - timedelta(hours=hours))
    page = opened(desks.bob, second.path).text
    assert f'href="{first.at()}" data-key="k"' in page
    assert f'href="{third.at()}" data-key="j"' in page


@pytest.mark.parametrize("name", ["chk_x", "chk_%00", "exe_", "key_0000000000000000000000"])
def test_what_is_no_checkpoint_is_not_there(desks: Desks, name: str) -> None:
    assert desks.bob.get(f"/review/{name}").status_code == 404


@pytest.mark.parametrize("attempt", ["0", "x", "2147483648", "1_0"])
def test_an_attempt_that_is_none_is_refused(desks: Desks, waiting: Waiting, attempt: str) -> None:
    assert desks.bob.get(f"{waiting.path}?attempt={attempt}").status_code == 422


def test_an_attempt_that_is_yet_to_come_is_the_present_one(desks: Desks, waiting: Waiting) -> None:
    assert desks.bob.get(waiting.at(7)).headers["location"] == waiting.at(1)


# What others wrote is text.


def test_nothing_that_others_wrote_becomes_markup_or_stays_hidden(desks: Desks) -> None:
    waiting = desks.waiting(
        [
            action(**{**MAIL, "subject": HOSTILE, "body": HOSTILE}),
            action("x_run", "other", 2, **{HOSTILE: [HOSTILE]}),
        ],
        question=HOSTILE,
        work=HOSTILE,
        taskName=HOSTILE[:100],
        taskDescription=HOSTILE,
    )
    desks.bob.submit(waiting.at(), waiting.path, "hint", hint=HOSTILE, comment=HOSTILE)
    desks.ask(waiting, [action("x_run", "other", **{HOSTILE: HOSTILE})], work=HOSTILE)
    waiting.change(stage=HOSTILE[:100], description=HOSTILE)
    paths = ("/review", waiting.at(2), waiting.at(1), "/review?tab=decided")
    pages = [opened(desks.bob, path).text for path in paths]
    desks.bob.submit(waiting.at(2), waiting.path, "approve", comment=HOSTILE)
    pages.append(opened(desks.bob, waiting.at(2)).text)
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "⟨U+202E⟩" in page
        # Where a text can be edited it must stay what it is.
        assert "\u202e" not in re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL)


def test_what_does_not_show_in_a_field_is_said_beside_it(desks: Desks) -> None:
    waiting = desks.waiting([action(**{**MAIL, "body": "pay \u202e001"})])
    sections(
        opened(desks.bob, waiting.path).text, "pay ⟨U+202E⟩001", "It holds characters that do not show here"
    )


def test_arguments_of_an_unknown_tool_are_open_and_raw(desks: Desks) -> None:
    waiting = desks.waiting([action("tickets_close", "other", id=7, note="done")])
    page = opened(desks.bob, waiting.path).text
    assert '<details class="fold" id="raw-1" open>' in page
    known = desks.waiting()
    assert '<details class="fold" id="raw-1">' in opened(desks.bob, known.path).text


# Decisions.


def test_an_approval_is_recorded_and_shown(desks: Desks, waiting: Waiting) -> None:
    answer = desks.bob.submit(waiting.at(), waiting.path, "approve", comment="Checked")
    assert (answer.status_code, answer.headers["location"]) == (303, waiting.at())
    row = waiting.row()
    assert (row["status"], row["decided_by"], row["decided_via"], row["comment"]) == (
        *(CheckpointStatus.APPROVED, "bob@example.org", "session", "Checked"),
    )
    assert row["first_viewed_at"] is not None
    assert waiting.execution()["status"] is Status.QUEUED
    sections(
        opened(desks.bob, waiting.at()).text, "What was recorded", "Approved", "bob@example.org", "Checked"
    )


def test_after_a_decision_comes_the_next_in_the_queue(desks: Desks, waiting: Waiting) -> None:
    other = desks.waiting()
    desks.bob.submit(waiting.at(), waiting.path, "reject", comment="Wrong recipient")
    assert waiting.execution()["status"] is Status.REJECTED
    page = opened(desks.bob, waiting.at()).text
    sections(page, "Rejected", "Wrong recipient", "Next in the queue", other.at())


def test_what_was_rejected_can_still_be_read(desks: Desks, waiting: Waiting) -> None:
    desks.bob.submit(waiting.at(), waiting.path, "reject")
    sections(opened(desks.bob, waiting.at()).text, "The action that was asked about", "it is $120.")


def test_a_hint_is_recorded_and_the_old_page_leads_to_the_new_attempt(desks: Desks, waiting: Waiting) -> None:
    answer = desks.bob.submit(waiting.at(), waiting.path, "hint", hint="Use 12 %", comment="see the contract")
    assert answer.headers["location"] == waiting.at()
    sections(opened(desks.bob, waiting.at()).text, "Hint recorded", "Use 12 %", "see the contract")
    assert "The agent does it again" in opened(desks.bob, waiting.at(2)).text
    desks.ask(waiting, [action()])
    sections(opened(desks.bob, waiting.at()).text, "data-closed", f'href="{waiting.at(2)}"', "Open attempt 2")
    assert may_decide(opened(desks.bob, waiting.at(2)).text)


def test_an_edit_runs_in_place_of_what_was_proposed(desks: Desks, waiting: Waiting) -> None:
    edits = {"edit-0-0": '["dee@example.org"]', "edit-0-3": "Dear Dee,\r\nit is $130."}
    answer = desks.bob.submit(waiting.at(), waiting.path, "edit", **edits)
    assert answer.status_code == 303, answer.text
    [effective] = waiting.row()["effective_actions"]
    assert effective["arguments"] == {**MAIL, "to": ["dee@example.org"], "body": "Dear Dee,\nit is $130."}
    assert waiting.row()["proposed_actions"] == [action()]
    sections(opened(desks.bob, waiting.at()).text, "Approved with edits", "dee@example.org", "it is $130")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("dee@example.org", ["dee@example.org"]),
        ("dee@example.org\r\n\r\n eve@example.org ", ["dee@example.org", "eve@example.org"]),
        ('["dee@example.org", "eve@example.org"]', ["dee@example.org", "eve@example.org"]),
    ],
)
def test_recipients_are_written_one_in_each_line_or_as_json(
    desks: Desks, waiting: Waiting, typed: str, kept: list[str]
) -> None:
    assert desks.bob.form(waiting.at(), waiting.path).fields["edit-0-0"] == ["cy@example.org"]
    assert desks.bob.submit(waiting.at(), waiting.path, "edit", **{"edit-0-0": typed}).status_code == 303
    assert waiting.row()["effective_actions"][0]["arguments"] == {**MAIL, "to": kept}


@pytest.mark.parametrize(
    "names", [[], ["a", "b"], [""], ["[a"], [" a"], ["a\nb"], ["a\u2028b"], [1], ["a", None], [["a"]]]
)
def test_a_list_comes_out_of_its_field_as_it_went_in(names: list[Any]) -> None:
    field = EditField("edit-0-0", "names", names)
    assert field.value(field.text) == field.value(field.text + "\n") == names


def test_what_was_not_edited_stays_as_it_was_to_the_letter(desks: Desks) -> None:
    body = "one\r\ntwo\rthree\n\u200bfour"
    waiting = desks.waiting([action(**{**MAIL, "body": body})])
    assert desks.bob.submit(waiting.at(), waiting.path, "approve").status_code == 303
    assert waiting.row()["effective_actions"][0]["arguments"]["body"] == body
    other = desks.waiting([action(**{**MAIL, "body": body})])
    assert desks.bob.submit(other.at(), other.path, "edit", **{"edit-0-2": "New"}).status_code == 303
    assert other.row()["effective_actions"][0]["arguments"] == {**MAIL, "subject": "New", "body": body}


@pytest.mark.parametrize(
    ("button", "fields", "said"),
    [
        ("hint", {}, "needs a hint"),
        ("hint", {"hint": "   "}, "needs a hint"),
        ("hint", {"hint": "x" * 4001}, "4000"),
        ("approve", {"hint": "typed"}, "goes with a decision to give a hint only"),
        ("reject", {"comment": "x" * 4001}, "4000"),
        ("approve", {"edit-0-2": "typed"}, "only “Approve with edits” uses that"),
        ("reject", {"edit-0-2": "typed"}, "only “Approve with edits” uses that"),
        ("edit", {}, "Nothing is edited yet"),
        ("edit", {"edit-0-0": "[no json"}, "This is no JSON"),
        ("edit", {"edit-0-0": "no address"}, "e-mail address"),
        ("edit", {"edit-0-0": "[]"}, "at least 1 item"),
        ("edit", {"edit-0-2": "two\nlines"}, "one line"),
        ("edit", {"edit-0-0": "[" * 40 + "]" * 40}, "nested deeper"),
        ("approve", {"attempt": "x"}, "attempt"),
        ("approve", {"attempt": None}, "attempt"),
    ],
)
def test_a_bad_decision_decides_nothing_and_keeps_what_was_typed(
    desks: Desks, waiting: Waiting, button: str, fields: dict[str, Any], said: str
) -> None:
    sent = {"comment": "I looked twice <b>", **fields}
    answer = desks.bob.submit(waiting.at(), waiting.path, button, **sent)
    assert answer.status_code == 422
    assert waiting.row()["status"] is CheckpointStatus.AWAITING
    sections(answer.text, 'role="alert"', said)
    for text in (value for name, value in sent.items() if value and name not in {"attempt", "action"}):
        assert escape(text) in answer.text
    assert may_decide(answer.text)


def test_an_action_that_is_none_decides_nothing(desks: Desks, waiting: Waiting) -> None:
    form = desks.bob.form(waiting.at(), waiting.path).fields
    for sent in ({"action": "burn"}, {}, {"action": ["approve", "reject"]}):
        answer = desks.bob.post(waiting.path, {**form, "comment": "my words", **sent})
        assert answer.status_code == 422
        sections(answer.text, 'role="alert"', "my words")
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


def test_a_refused_edit_is_told_at_its_field(desks: Desks, waiting: Waiting) -> None:
    page = desks.bob.submit(waiting.at(), waiting.path, "edit", **{"edit-0-2": "two\nlines"}).text
    sections(page, 'id="edit-1" open', 'aria-describedby="p-edit-0-2"', 'id="p-edit-0-2"')


def test_what_is_too_long_to_edit_can_still_be_decided(desks: Desks) -> None:
    waiting = desks.waiting([action("write_file", "modify", path="a.txt", content="ö" * 60_000)])
    page = opened(desks.bob, waiting.path).text
    assert 'value="edit"' not in page
    assert "too long, or too many" in page
    assert desks.bob.submit(waiting.at(), waiting.path, "approve").status_code == 303


def test_a_rival_decision_is_told_with_its_winner_and_nothing_typed_is_lost(
    desks: Desks, waiting: Waiting
) -> None:
    root = desks.signed_in("root@example.org", Role.ADMIN)
    form = desks.bob.form(waiting.at(), waiting.path).fields
    assert root.submit(waiting.at(), waiting.path, "reject", comment="no").status_code == 303
    sent = {**form, "action": "edit", "comment": "my <words>", "edit-0-2": "my subject"}
    answer = desks.bob.post(waiting.path, sent)
    assert answer.status_code == 409
    sections(
        answer.text,
        *("Your decision was not recorded", "root@example.org", "<time", "What you typed"),
        *("my &lt;words&gt;", "Your subject", "my subject"),
    )
    assert not may_decide(answer.text)
    assert "Dear customer" not in answer.text.partition("What you typed")[2].partition("</section>")[0]


def test_a_page_from_before_a_hint_decides_nothing(desks: Desks, waiting: Waiting) -> None:
    form = desks.bob.form(waiting.at(), waiting.path).fields
    root = desks.signed_in("root@example.org", Role.ADMIN)
    root.submit(waiting.at(), waiting.path, "hint", hint="Use 12 %")
    desks.ask(waiting, [action(**{**MAIL, "subject": "Another mail"})])
    answer = desks.bob.post(waiting.path, {**form, "action": "approve", "comment": "my words"})
    assert answer.status_code == 409
    sections(answer.text, "root@example.org", "Use 12 %", "my words", "Open attempt 2", waiting.at(2))
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


def test_what_nobody_decided_in_time_says_so(desks: Desks, waiting: Waiting) -> None:
    form = desks.bob.form(waiting.at(), waiting.path).fields
    waiting.change(status=CheckpointStatus.EXPIRED, decision="timeout", decided_at=utc_now(), due_at=None)
    answer = desks.bob.post(waiting.path, {**form, "action": "approve", "comment": "too late"})
    assert answer.status_code == 409
    sections(answer.text, "Nobody decided in time", "too late")


def test_after_the_last_hint_none_is_offered(desks: Desks, waiting: Waiting) -> None:
    for attempt in range(1, 6):
        assert desks.bob.submit(waiting.at(attempt), waiting.path, "hint", hint="again").status_code == 303
        desks.ask(waiting, [action()])
    page = opened(desks.bob, waiting.at(6)).text
    assert "All 5 hints were given" in page
    assert 'value="hint"' not in page


def test_what_may_have_happened_is_asked_as_such(desks: Desks) -> None:
    waiting = desks.waiting([action()], source=Source.UNCERTAIN)
    page = opened(desks.bob, waiting.path).text
    sections(page, "What may have happened already", "Count it as done")
    assert 'value="edit"' not in page


def test_what_holds_nothing_back_says_so(desks: Desks) -> None:
    assert "It holds no action back" in opened(desks.bob, desks.waiting([]).path).text


# Who may decide.


def test_the_maker_reads_and_is_told_who_decides(desks: Desks, waiting: Waiting) -> None:
    ada = desks.of_ada()
    page = opened(ada, waiting.path).text
    sections(page, "You started this execution", "bob@example.org")
    assert not may_decide(page)
    csrf = desks.bob.form(waiting.at(), waiting.path).fields["csrf"]
    assert ada.post(waiting.path, {"csrf": csrf, "attempt": "1", "action": "approve"}).status_code == 403
    own = ada.form(waiting.at(), "/signout").fields["csrf"]
    refused = ada.post(waiting.path, {"csrf": own, "attempt": "1", "action": "approve"})
    assert refused.status_code == 403
    assert "The reviewer of this execution is bob@example.org" in refused.text
    assert waiting.row()["status"] is CheckpointStatus.AWAITING
    assert waiting.row()["first_viewed_at"] is not None


def test_the_maker_decides_where_he_is_the_reviewer(desks: Desks) -> None:
    waiting = desks.waiting(assignedReviewer="ada@example.org")
    assert desks.of_ada().submit(waiting.at(), waiting.path, "approve").status_code == 303


def test_a_viewer_sees_all_and_decides_nothing_even_as_the_reviewer(desks: Desks) -> None:
    vera = desks.signed_in("vera@example.org", Role.VIEWER)
    for reviewer in ("bob@example.org", "vera@example.org"):
        waiting = desks.waiting(assignedReviewer=reviewer)
        page = opened(vera, waiting.path).text
        assert "Viewers see everything and decide nothing" in page
        assert not may_decide(page)
        csrf = vera.form(waiting.at(), "/signout").fields["csrf"]
        assert vera.post(waiting.path, {"csrf": csrf, "attempt": "1", "action": "approve"}).status_code == 403
        assert waiting.row()["first_viewed_at"] is None


def test_an_admin_decides_in_place_of_the_reviewer(desks: Desks, waiting: Waiting) -> None:
    root = desks.signed_in("root@example.org", Role.ADMIN)
    assert "You decide as an admin" in opened(root, waiting.path).text
    assert root.submit(waiting.at(), waiting.path, "approve").status_code == 303
    assert waiting.row()["decided_by"] == "root@example.org"


@pytest.mark.parametrize("csrf", [None, "", "made up"])
def test_a_form_of_another_page_decides_nothing(desks: Desks, waiting: Waiting, csrf: str | None) -> None:
    for path in (waiting.path, f"{waiting.path}/active"):
        fields = {"attempt": "1", "action": "approve", "milliseconds": "5"}
        sent = fields if csrf is None else {**fields, "csrf": csrf}
        assert desks.bob.post(path, sent).status_code == 403
    form = desks.bob.form(waiting.at(), waiting.path).fields
    elsewhere = desks.bob.post(waiting.path, {**form, "action": "approve"}, Origin="https://evil.example")
    assert elsewhere.status_code == 403
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


# What is noted of the reviewer.


def test_only_a_look_of_somebody_who_may_decide_is_noted(desks: Desks, waiting: Waiting) -> None:
    opened(desks.of_ada(), waiting.path)
    opened(desks.signed_in("vera@example.org", Role.VIEWER), waiting.path)
    opened(desks.bob, "/review")
    assert waiting.row()["first_viewed_at"] is None
    opened(desks.bob, waiting.path)
    first = waiting.row()["first_viewed_at"]
    assert first is not None
    opened(desks.bob, waiting.path)
    assert waiting.row()["first_viewed_at"] == first


def test_the_time_at_the_page_is_noted_and_bounded_by_the_clock(desks: Desks, waiting: Waiting) -> None:
    opened(desks.bob, waiting.path)
    waiting.change(first_viewed_at=utc_now() - timedelta(minutes=1))
    csrf = desks.bob.form(waiting.at(), waiting.path).fields["csrf"]
    path = f"{waiting.path}/active"
    assert desks.bob.post(path, {"csrf": csrf, "attempt": "1", "milliseconds": "5000"}).status_code == 204
    assert waiting.row()["active_review_ms"] == 5000
    assert desks.bob.post(path, {"csrf": csrf, "attempt": "1", "milliseconds": "86400000"}).status_code == 204
    assert 60_000 <= waiting.row()["active_review_ms"] < 120_000
    for bad in ("-1", "x", "86400001", ""):
        assert desks.bob.post(path, {"csrf": csrf, "attempt": "1", "milliseconds": bad}).status_code == 422


def test_a_page_of_an_execution_that_ended_listens_no_more(desks: Desks, waiting: Waiting) -> None:
    assert f'data-stream="/live/executions/{waiting.execution_id}' in opened(desks.bob, waiting.path).text
    desks.bob.submit(waiting.at(), waiting.path, "reject")
    assert "data-stream" not in opened(desks.bob, waiting.path).text


def test_a_stranger_is_asked_to_sign_in_first(house: House, waiting: Waiting) -> None:
    stranger: Window = house.window()
    assert stranger.get(waiting.path).headers["location"].startswith("/signin?next=")
    assert stranger.post(waiting.path, {"attempt": "1", "action": "approve"}).status_code == 401
