"""People with real browsers.

All of it ends with the last test of this folder: Playwright keeps a loop running in this thread, beside which
no other test could start one.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, found
from browser import sample as samples
from browser.guard import Guard
from browser.sample import Sample
from browser.site import Site, serving
from playwright.sync_api import Browser, Page, expect

from mixus.accounts.service import Account
from mixus.core.database import sqlite_url

PATIENCE_MS = 20_000
SCREEN = {"width": 1280, "height": 780}
expect.set_options(timeout=PATIENCE_MS)

# Opens a browser of its own for this person, or for nobody; the options are those of a context.
Opening = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with each module: as long as one is open, its event loop runs, and no other test may run one."""
    path = found.find()
    if path is None:
        (pytest.fail if found.is_required() else pytest.skip)(found.MISSING)
    with chromium.launched(path) as launched:
        yield launched


@pytest.fixture(scope="module")
def site(browser: Browser, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everybody's; a test makes people of its own."""
    folder = tmp_path_factory.mktemp("site")
    file = Path(shutil.copyfile(sqlite_template, folder / "mixus.db"))
    with serving(folder, sqlite_url(file)) as served:
        yield served


@pytest.fixture(scope="module")
def town(browser: Browser, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own, for the sample."""
    folder = tmp_path_factory.mktemp("town")
    file = Path(shutil.copyfile(sqlite_template, folder / "mixus.db"))
    with serving(folder, sqlite_url(file), **samples.settings(folder)) as served:
        yield served


@pytest.fixture(scope="module")
def sample(town: Site) -> Sample:
    """A team at work: read it, and change nothing of it."""
    return samples.make(town)


@pytest.fixture
def opened_town(browser: Browser, town: Site) -> Iterator[Opening]:
    """`opened`, on the site of the sample."""
    yield from opening(browser, town)


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[Opening]:
    """`opened(account)` is a page of a browser of this person, at no address yet."""
    yield from opening(browser, site)


def opening(browser: Browser, site: Site) -> Iterator[Opening]:
    guard = Guard(site.address)
    with ExitStack() as stack:

        def open_as(account: Account | None = None, **options: Any) -> Page:
            context = browser.new_context(
                **{"base_url": site.address, "viewport": SCREEN, "locale": "en-GB", **options}
            )
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            guard.watch(context)
            if account is not None:
                cookie: Any = site.cookie(account)
                context.add_cookies([cookie])
            return context.new_page()

        yield open_as
    assert guard.heard == []
