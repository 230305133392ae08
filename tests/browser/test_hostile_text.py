"""Whatever a person, a program, a model or a tool writes is text on a page, and all of it can be seen."""

from typing import Any

import pytest
from browser.conftest import Opening
from browser.site import Site
from browser.walk import walk
from playwright.sync_api import Page, Request, expect

from mixus.accounts import links
from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.client import Client
from mixus.core.clock import utc_now
from mixus.core.events import Actor
from mixus.keys import service as keys
from mixus.keys.service import NewKey

BIDI = "\u202e"
# Ends an attribute, an element, a comment and a text of a script; reads from the right.
EVIL = (
    f"'\"--></title></textarea></script><img src=x onerror='window.xss=1'><svg onload=window.xss=1>"
    f"<script>window.xss=1</script><a href='javascript:window.xss=1'>{{{{7*7}}}}</a>{BIDI}evil"
)
# What of it may stand where the rules refuse a mark of direction.
SEEN = EVIL.replace(BIDI, "")
MADE = """() => document.querySelectorAll(
  "img[src=x], [onerror], [onload], script:not([src]), a[href^='javascript:']").length"""
HIDDEN = f"() => document.title.includes('{BIDI}') || document.body.innerText.includes('{BIDI}')"
SCRIPT = [
    {"tool": "calculate", "arguments": {"expression": "1 + 1"}},
    {"tool": "send_email", "arguments": {"to": ["x@example.org"], "subject": EVIL[:150], "body": EVIL}},
    {"final": EVIL},
]
TASK: dict[str, Any] = {
    "task_description": EVIL,
    "task_name": EVIL[:190],
    "model": "script",
    "script": SCRIPT,
    "review_result": True,
    "checkpoints": [{"stage": EVIL[:190], "description": EVIL, "verification_question": EVIL}],
    "metadata": {EVIL: EVIL, "list": [EVIL]},
    "expected_outcome": {"type": "contains", "value": EVIL},
}


@pytest.fixture
def evil(site: Site) -> Account:
    """An address, as far as one goes."""
    return site.account(f"o'{{{{7*7}}}}&amp=--!onload=x-{next(site.numbers)}@example.org", Role.ADMIN)


def written_everywhere(site: Site, evil: Account) -> dict[str, str]:
    """By every way in; the addresses of what was written."""
    program = site.client(evil)
    waiting = _hinted(program, program.create_task_agent(**TASK).execution_id)
    ended = _hinted(program, program.create_task_agent(**TASK).execution_id)
    status = program.status(ended)
    program.decide(ended, status.awaiting[0].checkpoint_id, "reject", attempt=2, comment=EVIL)
    with site.database.transaction() as tx:
        new = NewKey(evil.id, SEEN[:80], [Scope.READ], description=SEEN)
        working, ends = (keys.create(tx, site.pepper, new, Actor(evil.id), utc_now())[1] for _ in range(2))
        keys.revoke(tx, Actor(evil.id), ends.id, utc_now(), SEEN)
    checkpoint = program.status(waiting).awaiting[0].checkpoint_id
    return {
        "/eval": "/eval",
        "filters": "/eval?q={0}&model={0}&metadata={0}&mode={0}&from={0}",
        "waiting": f"/eval/{waiting}",
        "ended": f"/eval/{ended}",
        "asked": f"/review/{checkpoint}",
        "decided": f"/review/{status.awaiting[0].checkpoint_id}",
        "first attempt": f"/review/{checkpoint}?attempt=1",
        "key": f"/integrations/api-keys/{working.id}",
        "ended key": f"/integrations/api-keys/{ends.id}",
    }


def _hinted(program: Client, execution: str) -> str:
    for attempt in (1, 2):
        status = program.wait(execution, until="checkpoint", timeout_seconds=60)
        assert status.status == "awaiting-verification", status.raw
        if attempt == 1:
            [asked] = status.awaiting
            program.decide(execution, asked.checkpoint_id, "hint", attempt=1, hint=EVIL, comment=EVIL)
    return execution


def test_no_page_runs_or_hides_what_somebody_wrote(site: Site, opened: Opening, evil: Account) -> None:
    addresses = written_everywhere(site, evil)
    page = opened(evil, user_agent=EVIL)
    page.context.clear_cookies()
    cookie: Any = site.cookie(evil, agent=EVIL)
    page.context.add_cookies([cookie])
    found: dict[str, str] = {}

    def look(page: Page, address: str) -> None:
        if page.evaluate("window.xss") or page.evaluate(MADE):
            found[address] = "it became a part of the page"
        if page.evaluate(HIDDEN):
            found[address] = "it hides something"

    walk(page, [each.format(EVIL) for each in addresses.values()], look, beside="/docs")
    assert found == {}
    page.goto(addresses["waiting"])
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror='window.xss=1'>")
    expect(page.get_by_role("heading", level=1)).to_contain_text("⟨U+202E⟩")


def test_a_refused_form_gives_back_what_was_typed_as_text(site: Site, opened: Opening, evil: Account) -> None:
    page = opened(evil)
    page.goto("/integrations/api-keys/new")
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    page.get_by_label("Name", exact=True).fill(EVIL[:80])
    page.get_by_label("Description").fill(EVIL[:400])
    page.get_by_role("button", name="Generate API Key").click()
    expect(page.locator(".problem").first).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value(EVIL[:80])
    expect(page.get_by_label("Description")).to_have_value(EVIL[:400])
    assert page.evaluate(MADE) == 0


def test_a_link_that_lets_somebody_in_is_told_to_no_page(site: Site, opened: Opening, evil: Account) -> None:
    with site.database.transaction() as tx:
        email = f"new-{next(site.numbers)}@example.org"
        token, _ = links.invite(tx, email, Role.MEMBER, Actor(evil.id), utc_now())
    page = opened()
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - Playwright marks what it is given
    page.goto(f"/join/{token}")
    page.get_by_role("link", name="Docs").click()
    page.wait_for_url("**/docs")
    assert len(sent) > 2
    assert [each.url for each in sent if token in (each.headers.get("referer") or "")] == []
