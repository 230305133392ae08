"""Two people, or one with two windows, at one checkpoint: what each of them sees when the other acts."""

import re
from typing import Any

from browser.conftest import Opening
from browser.site import Site
from playwright.sync_api import Page, expect

from mixus.accounts.principal import Role
from mixus.client import Client

QUESTION = "Is the commission $7,500?"
TASK: dict[str, Any] = {
    "task_description": "Calculate 15% of $50,000 and send the result to sales@example.org",
    "checkpoints": [
        {"stage": "calculation", "description": "The commission", "verification_question": QUESTION}
    ],
}
# What the page measures would be refused as well, and the guard would hear of that.
TELLS_WHEN_OVER = """
navigator.sendBeacon = () => true;
window.EventSource = class extends EventSource {
  constructor(address) {
    super(address);
    this.addEventListener("closed", () => { document.title = "over"; });
  }
};
"""


def asked(program: Client, **fields: Any) -> tuple[str, str]:
    """An execution that waits, and its checkpoint."""
    execution = program.create_task_agent(**TASK | fields).execution_id
    status = program.wait(execution, until="checkpoint", timeout_seconds=60)
    return execution, status.awaiting[0].checkpoint_id


def test_of_two_who_decide_one_wins_and_the_other_sees_who(site: Site, opened: Opening) -> None:
    ada, eva = site.somebody("ada"), site.somebody("eva", Role.ADMIN)
    execution, checkpoint = asked(program := site.client(ada))
    # Without a script neither page hears of the other, so both can still be sent.
    first, second = (opened(who, java_script_enabled=False) for who in (ada, eva))
    for page in (first, second):
        page.goto(f"/review/{checkpoint}")
    second.get_by_label("Comment").fill("I looked at the contract.")
    approve(first)
    expect(first.get_by_role("heading", level=1)).to_have_text("Approved")
    second.get_by_role("button", name=re.compile("^Reject")).click()
    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("was not recorded")
    expect(alert).to_contain_text(ada.email)
    expect(second.get_by_text("I looked at the contract.")).to_be_visible()
    status = program.wait(execution, until="final", timeout_seconds=60)
    assert [each.decided_by for each in status.checkpoints] == [ada.email]
    assert status.status == "completed"


def test_a_decision_of_another_is_seen_at_once_and_closes_the_form(site: Site, opened: Opening) -> None:
    ada, eva = site.somebody("ada"), site.somebody("eva", Role.ADMIN)
    _, checkpoint = asked(site.client(ada))
    page, other = opened(ada), opened(eva)
    for each in (page, other):
        each.goto(f"/review/{checkpoint}")
    page.get_by_label("Comment").fill("Half a thought")
    approve(other)
    expect(page.locator("#standing")).to_contain_text(eva.email)
    expect(page.get_by_role("button", name=re.compile("^Approve")).first).to_be_disabled()
    # What was being written is still there to be taken along.
    expect(page.get_by_label("Comment")).to_have_value("Half a thought")


def test_what_is_being_written_outlives_the_session(site: Site, opened: Opening) -> None:
    ada = site.somebody("ada")
    _, checkpoint = asked(site.client(ada))
    page, other = opened(ada), opened(ada)
    page.add_init_script(TELLS_WHEN_OVER)
    page.goto(f"/review/{checkpoint}")
    page.get_by_label("Comment").fill("Half a thought")
    other.goto("/account")
    other.get_by_text("End", exact=True).first.click()
    expect(page).to_have_title("over", timeout=60_000)
    expect(page.get_by_label("Comment")).to_have_value("Half a thought")
    page.get_by_role("button", name=re.compile("^Approve")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    expect(page.get_by_text("Half a thought")).to_be_visible()


def test_a_page_from_before_a_hint_decides_nothing_and_leads_on(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    execution, checkpoint = asked(program := site.client(ada))
    stale = opened(ada, java_script_enabled=False)
    stale.goto(f"/review/{checkpoint}")
    program.decide(execution, checkpoint, "hint", attempt=1, hint="Round to whole dollars.")
    program.wait(execution, until="checkpoint", timeout_seconds=60)
    approve(stale)
    expect(stale.get_by_role("alert")).to_contain_text("was not recorded")
    assert program.status(execution).status == "awaiting-verification"
    stale.get_by_role("link", name=re.compile("attempt 2")).click()
    expect(stale.get_by_text("Round to whole dollars.").first).to_be_visible()
    approve(stale)
    expect(stale.get_by_role("heading", level=1)).to_have_text("Approved")


def test_an_edit_runs_in_place_of_what_was_proposed(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    mail = {"to": ["bob@example.org"], "subject": "Your refund", "body": "It is $120."}
    script = [{"tool": "send_email", "arguments": mail}, {"final": "Done."}]
    execution, checkpoint = asked(program := site.client(ada), checkpoints=[], model="script", script=script)
    page = opened(ada)
    page.goto(f"/review/{checkpoint}")
    page.keyboard.press("e")
    page.get_by_label("body", exact=True).fill("It is $12.")
    page.get_by_role("button", name="Approve with edits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approved with edits")
    status = program.wait(execution, until="final", timeout_seconds=60)
    [done] = status.raw["checkpoints"][0]["effectiveActions"]
    assert done["arguments"]["body"] == "It is $12."


def test_how_long_somebody_worked_is_measured(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    execution, checkpoint = asked(program := site.client(ada))
    page = opened(ada)
    page.goto(f"/review/{checkpoint}")
    with page.expect_response(lambda answer: answer.url.endswith("/active")) as measured:
        page.mouse.move(300, 300)
        page.get_by_label("Comment").press_sequentially("Checked.")
    assert measured.value.status == 204
    assert program.status(execution).checkpoints[0].first_viewed_at is not None
    approve(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Approved")
    assert program.status(execution).raw["humanVerification"]["activeReviewMs"] > 0


def test_times_are_the_readers_own_and_exact_where_he_points(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    execution, _ = asked(site.client(ada))
    shown = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        page = opened(ada, timezone_id=zone)
        page.goto(f"/eval/{execution}")
        time = page.locator("time[data-time=at]").first
        shown.append((time.inner_text(), time.get_attribute("datetime")))
        assert "UTC" in (time.get_attribute("title") or "")
    (tokyo, moment), (york, same) = shown
    assert moment == same
    assert tokyo != york
    plain = opened(ada, java_script_enabled=False)
    plain.goto(f"/eval/{execution}")
    expect(plain.locator("time[data-time=at]").first).to_contain_text("UTC")


def test_an_execution_is_followed_as_it_goes_and_folds_stay_open(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    execution, checkpoint = asked(program := site.client(ada))
    page = opened(ada)
    page.goto(f"/eval/{execution}")
    expect(page.locator("#decide")).to_be_visible()
    fold = page.locator("#timeline details[id]").first
    fold.locator("summary").click()
    page.evaluate("document.documentElement.dataset.marked = 'yes'")
    program.decide(execution, checkpoint, "approve", attempt=1)
    expect(page.locator("#head")).to_contain_text("completed")
    expect(page.locator("#decide")).to_have_count(0)
    expect(fold).to_have_attribute("open", "")
    assert page.evaluate("document.documentElement.dataset.marked") == "yes"


def approve(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Approve")).first.click()
