"""What holds for every page that there is: whoever looks, in any light, and on a telephone."""

from collections import defaultdict

import pytest
from browser.axes import CONTRAST, violations
from browser.conftest import Opening
from browser.sample import Sample
from browser.walk import walk
from playwright.sync_api import Page, expect

SIDEWAYS = """() => [...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".unseen, .skip"))
  .map(each => each.outerHTML.slice(0, 120))"""

# Beside what links lead to: each state that a page may have to show.
STARTS = {
    "ada": (
        *("/eval", "/nowhere", "/docs", "/review/{decided}", "/review/{refund_chk}", "/review/{prices_chk}"),
        *("/eval/{done}", "/eval/{rejected}", "/eval/{baseline}", "/eval/{failed}", "/eval/{refund}"),
        *("/eval?q=no-such-text", "/eval?from=someday", "/review?tab=overdue", "/review?tab=decided"),
    ),
    "bob": ("/eval", "/integrations/api-keys", "/admin", "/review/{of_bob_chk}"),
    "vera": ("/eval", "/eval/{done}", "/review/{refund_chk}", "/integrations/api-keys/new"),
    "dan": ("/eval", "/review", "/integrations/api-keys"),
    "a stranger": (
        "/signin",
        "/docs",
        "/join/{invitation}",
        "/join/nobody-made-this",
        "/r/{refund_chk}/{signature}",
        "/r/chk_none/nobody-made-this",
    ),
}
# A form sent as it is not wanted, and the name of its button.
REFUSED = {
    "/integrations/api-keys/new": "Generate API Key",
    "/eval/new": "Start evaluation",
    "/account": "Change the password",
    "/admin/users/invite": "Make the link",
}


@pytest.mark.parametrize("who", STARTS)
def test_every_page_can_be_read_by_everybody(who: str, opened_town: Opening, sample: Sample) -> None:
    """With a screen reader, in light and dark, with its dialogs, and at 320 pixels without going sideways."""
    page = opened_town(sample.people.get(who))
    found: dict[str, list[str]] = defaultdict(list)

    def look(page: Page, address: str) -> None:
        found[f"{address}, light"] += violations(page)
        page.emulate_media(color_scheme="dark")
        found[f"{address}, dark"] += violations(page, options=CONTRAST)
        page.emulate_media(color_scheme="light")
        found[f"{address}, narrow"] += too_wide(page)
        if who == "ada":
            found[f"{address}, its dialog"] += in_a_dialog(page)

    walk(
        page,
        [each.format(**sample.places) for each in STARTS[who]],
        look,
        "/docs/" if who in sample.people else "no page",
    )
    told = [f"{place}: {each}" for place, problems in found.items() for each in problems]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_wrong_in_a_form_can_be_read_by_everybody(
    address: str, opened_town: Opening, sample: Sample
) -> None:
    page = opened_town(sample.people["ada"])
    page.goto(address)
    # A browser would not send it; the server has to say what is wrong all the same.
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    page.get_by_role("button", name=REFUSED[address]).last.click()
    expect(page.locator(".problem").first).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []


def test_a_page_that_is_hard_to_read_would_be_found(opened_town: Opening, sample: Sample) -> None:
    page = opened_town(sample.people["ada"])
    page.goto("/account")
    page.evaluate("document.querySelector('label').remove()")
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    page.evaluate("document.querySelector('h1').style.width = '400px'")
    found = {each.partition(":")[0] for each in violations(page)}
    assert {"label", "color-contrast"} <= found
    assert too_wide(page)


def too_wide(page: Page) -> list[str]:
    page.set_viewport_size({"width": 320, "height": 640})
    is_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found: list[str] = page.evaluate(SIDEWAYS) if is_wide else []
    page.set_viewport_size({"width": 1280, "height": 780})
    return found


def in_a_dialog(page: Page) -> list[str]:
    """Of the first link that opens one."""
    opener = page.locator("a[data-dialog]:visible").first
    if not opener.count():
        return []
    opener.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found = violations(page, "dialog")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    return found
