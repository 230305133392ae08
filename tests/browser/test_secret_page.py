"""A new key is shown once, whatever the reader does with his browser."""

import re

import pytest
from browser.conftest import Opening
from browser.site import Site
from playwright.sync_api import Error, Page, expect

from mixus.accounts.service import Account

KEYS = "/integrations/api-keys"
SECRET = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")


@pytest.fixture
def ada(site: Site) -> Account:
    return site.somebody()


@pytest.fixture
def page(ada: Account, opened: Opening) -> Page:
    """At the secret of a new key."""
    page = opened(ada)
    page.goto(f"{KEYS}/new")
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_role("checkbox", name="eval:read").check()
    page.get_by_role("button", name="Generate API Key").click()
    expect(page.locator("#secret")).to_have_text(SECRET)
    return page


def back(page: Page) -> None:
    """To an answer to a form Chromium goes only if the reader sends the form again, and asks him."""
    try:
        page.go_back()
    except Error as error:
        if "ERR_CACHE_MISS" not in error.message:
            raise


def hides_it(page: Page) -> None:
    expect(page.locator("body")).not_to_contain_text(SECRET)


def keys(page: Page) -> int:
    page.goto(KEYS)
    return page.locator("[data-row]").count()


def test_no_address_holds_it_and_nothing_keeps_it(page: Page) -> None:
    secret = page.locator("#secret").inner_text()
    assert secret not in page.url
    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])") == (
        '[{},{},""]'
    )


def test_a_reload_makes_no_second_key_and_shows_no_secret(page: Page) -> None:
    page.reload()
    hides_it(page)
    assert keys(page) == 1


def test_the_way_back_and_forth_shows_no_secret(page: Page) -> None:
    page.get_by_role("link", name="I have copied it").click()
    back(page)
    hides_it(page)
    back(page)
    hides_it(page)
    assert keys(page) == 1


def test_the_form_sent_again_from_the_page_before_makes_no_second_key(page: Page) -> None:
    back(page)
    name = page.get_by_label("Name", exact=True)
    if not name.input_value():
        # A page that was fetched anew is another form.
        return
    page.get_by_role("button", name="Generate API Key").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    hides_it(page)
    assert keys(page) == 1


def test_a_second_tab_shows_no_secret(page: Page) -> None:
    tab = page.context.new_page()
    tab.goto(page.url)
    hides_it(tab)
    assert keys(tab) == 1


def test_a_button_that_is_pressed_twice_makes_one_key(ada: Account, opened: Opening) -> None:
    page = opened(ada)
    page.goto(f"{KEYS}/new")
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_role("checkbox", name="eval:read").check()
    page.get_by_role("button", name="Generate API Key").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Copy your key now|shown once"))
    assert keys(page) == 1


def test_a_key_is_revoked_in_a_dialog_that_the_keyboard_can_leave(page: Page) -> None:
    page.goto(KEYS)
    page.get_by_role("link", name="Revoke nightly").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("link", name="Revoke nightly")).to_be_focused()
    page.get_by_role("link", name="Revoke nightly").click()
    dialog.get_by_role("button", name="Revoke for ever").click()
    expect(page.get_by_text("revoked").first).to_be_visible()
    page.goto(KEYS)
    expect(page.get_by_role("link", name="nightly", exact=True)).to_have_count(0)
