"""The whole way of a new user, from the printed link to the end: by mouse, by keyboard, without a script."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api.people import PASSWORD
from browser.conftest import Opening, opening
from browser.site import Site, serving
from playwright.sync_api import Browser, Locator, Page, expect

from mixus.client import Client

KEY = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")
LINK = re.compile(r"http://\S+/join/\S+")
QUESTION = "Is the commission $7,500?"
TASK: dict[str, Any] = {
    "task_description": "Calculate 15% of $50,000 and send the result to sales@example.org",
    "task_name": "Quarterly commission",
    "checkpoints": [
        {
            "stage": "calculation",
            "description": "The commission before anyone is told",
            "verification_question": QUESTION,
        }
    ],
}


@pytest.fixture
def new_site(browser: Browser, database_url: str, tmp_path: Path) -> Iterator[Site]:
    """At its first start."""
    with serving(tmp_path / "data", database_url) as served:
        yield served


@pytest.fixture
def opened_new(browser: Browser, new_site: Site) -> Iterator[Opening]:
    yield from opening(browser, new_site)


def test_by_mouse(new_site: Site, opened_new: Opening) -> None:
    page = opened_new(permissions=["clipboard-read", "clipboard-write"])
    make_first_account(page, printed_link(new_site))
    key = generate_key(page)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("link", name="Evaluations", exact=True).click()
    with Client(key, new_site.address) as program:
        mark(page)
        execution = program.create_task_agent(**TASK).execution_id
        row = page.get_by_role("row").filter(has_text="Quarterly commission")
        expect(row).to_contain_text("awaiting-verification")
        expect(page.locator("#awaiting")).to_contain_text("1")
        assert is_marked(page), "what is live must not need a reload"
        page.get_by_role("link", name=re.compile("^Review")).click()
        page.get_by_role("link", name=QUESTION).click()
        page.get_by_role("button", name="Approve", exact=False).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Approved")
        page.get_by_role("link", name="The whole execution").click()
        ended(page)
        assert program.status(execution).status == "completed"
    sign_out(page)


def test_without_a_script(new_site: Site, opened_new: Opening) -> None:
    """All but what is live, and copying."""
    page = opened_new(java_script_enabled=False)
    make_first_account(page, printed_link(new_site))
    key = generate_key(page)
    expect(page.get_by_role("button", name="Copy key")).to_be_hidden()
    with Client(key, new_site.address) as program:
        execution = program.create_task_agent(**TASK).execution_id
        program.wait(execution, until="checkpoint", timeout_seconds=60)
        page.get_by_role("link", name=re.compile("^Review")).click()
        page.get_by_role("link", name=QUESTION).click()
        page.get_by_text("Give a hint instead").click()
        page.get_by_label("What to do otherwise").fill("Write to finance@example.org as well.")
        page.get_by_role("button", name="Send the hint").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hint recorded")
        program.wait(execution, until="checkpoint", timeout_seconds=60)
        page.goto(f"/review/{execution}")
        page.get_by_role("button", name="Approve", exact=False).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Approved")
        program.wait(execution, until="final", timeout_seconds=60)
    page.get_by_role("link", name="The whole execution").click()
    ended(page)
    sign_out(page)


def test_by_keyboard_alone(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/signin?next=/integrations/api-keys/new")
    fill(page, "E-mail", ada.email)
    fill(page, "Password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Generate API Key")
    fill(page, "Name", "nightly")
    reach(page, "eval:manage").press(" ")
    reach(page, "Generate API Key", "BUTTON").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    reach(page, "Copy key").press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert KEY.fullmatch(page.evaluate("navigator.clipboard.readText()"))
    reach(page, "Evaluations").press("Enter")
    page.wait_for_url("**/eval")
    page.keyboard.press("n")
    page.wait_for_url("**/eval/new")
    fill(page, "What must the agent do?", TASK["task_description"])
    fill(page, "Stage", "calculation")
    fill(page, "To be checked", "The commission before anyone is told")
    fill(page, "Question", QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("#decide")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    page.keyboard.press("a")
    # Pointed at, and nothing more: a letter typed by mistake decides nothing.
    expect(page.get_by_role("button", name="Approve", exact=False).first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Approved")
    reach(page, "The whole execution").press("Enter")
    ended(page)
    reach(page, "Your account").press("Enter")
    reach(page, "Sign out", "BUTTON").press("Enter")
    expect(page.get_by_role("status")).to_have_text("You are signed out.")


def test_rows_are_gone_through_by_letters(site: Site, opened: Opening) -> None:
    ada = site.somebody()
    program = site.client(ada)
    for name in ("the older", "the newer"):
        execution = program.create_task_agent(**TASK | {"task_name": name}).execution_id
        program.wait(execution, until="checkpoint", timeout_seconds=60)
    page = opened(ada)
    page.goto("/review")
    rows = page.locator("[data-row]")
    expect(rows).to_have_count(2)
    for key, number in (("j", 0), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(rows.nth(number)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="the older")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="the newer")).to_be_visible()


def printed_link(site: Site) -> str:
    """Of what is said at the first start, the last line."""
    return next(link[0] for link in (LINK.search(site.line()) for _ in range(9)) if link)


def make_first_account(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Your e-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/integrations/api-keys**")


def generate_key(page: Page) -> str:
    """From the list of keys to the page that shows the new one."""
    page.get_by_role("link", name="Generate API Key").first.click()
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_role("checkbox", name="eval:manage").check()
    page.get_by_role("button", name="Generate API Key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    key = page.locator("#secret").inner_text()
    assert KEY.fullmatch(key)
    return key


def ended(page: Page) -> None:
    """The page of the execution comes to its end by itself, and says how its time was spent."""
    expect(page.locator("#head")).to_contain_text("completed")
    bar = page.locator("#metrics svg.share")
    expect(bar).to_be_visible()
    assert bar.locator("rect").count() >= 2


def sign_out(page: Page) -> None:
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.goto("/eval")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def mark(page: Page) -> None:
    """A reload would forget it."""
    page.evaluate("document.documentElement.dataset.marked = 'yes'")


def is_marked(page: Page) -> bool:
    return page.evaluate("document.documentElement.dataset.marked === 'yes'") is True


MOST_TABS = 80
REACHED = """([name, tag]) => {
  const here = document.activeElement;
  const said = here.getAttribute("aria-label") || here.labels?.[0]?.innerText || here.innerText || "";
  return (!tag || here.tagName === tag) && said.trim().startsWith(name);
}"""


def reach(page: Page, name: str, tag: str = "") -> Locator:
    """With the tab key, as often as it takes; fails where the keyboard does not lead."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(REACHED, [name, tag]):
            return page.locator("*:focus")
    pytest.fail(f"the keyboard does not lead to {name}")


def fill(page: Page, name: str, text: str) -> None:
    reach(page, name)
    page.keyboard.type(text)
