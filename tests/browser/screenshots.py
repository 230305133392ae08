"""`make screenshots`: a picture of every page, with the sample, for the documentation and for whoever looks.

`python -m browser.screenshots [NAME …]` with the folder of the tests on the path makes these alone.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from browser import chromium, found, sample
from browser.sample import Sample
from browser.site import Site, serving
from playwright.sync_api import Browser, Page

from mixus.cli.database import upgrade
from mixus.core.database import Database, sqlite_url

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
SCREEN: Final = {"viewport": {"width": 1280, "height": 780}}
DARK: Final = SCREEN | {"color_scheme": "dark"}
SMALL: Final = {"viewport": {"width": 1024, "height": 640}}
PHONE: Final = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 1.5,
    "has_touch": True,
    "is_mobile": True,
}
PATIENCE_MS: Final = 20_000

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Picture:
    """`act` is what is done on the page before it is taken."""

    address: str
    options: dict[str, Any]
    who: str | None = "ada"
    act: Act | None = None


def generate(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("nightly build on ci-2")
    page.get_by_role("checkbox", name="eval:manage").check()
    page.get_by_role("button", name="Generate API Key").click()
    page.locator("#secret").wait_for()


def revoke(page: Page) -> None:
    page.get_by_role("link", name="Revoke laptop").click()
    page.get_by_role("dialog").wait_for()


ADDRESSES: Final = {
    "evaluations": "/eval",
    "evaluation-new": "/eval/new",
    "evaluation-template": "/eval/new?template=commission",
    "execution": "/eval/{done}",
    "execution-waiting": "/eval/{refund}",
    "execution-failed": "/eval/{failed}",
    "execution-baseline": "/eval/{baseline}",
    "review-queue": "/review",
    "review": "/review/{refund_chk}",
    "review-live": "/review/{prices_chk}",
    "review-recorded": "/review/{decided}",
    "integrations": "/integrations",
    "keys": "/integrations/api-keys",
    "key-new": "/integrations/api-keys/new",
    "key": "/integrations/api-keys/{key}",
    "key-rotate": "/integrations/api-keys/{key}/rotate",
    "account": "/account",
    "admin-users": "/admin/users",
    "admin-limits": "/admin/limits",
    "admin-models": "/admin/models",
    "admin-tools": "/admin/tools",
    "admin-live": "/admin/live",
    "admin-audit": "/admin/audit",
    "docs": "/docs",
    "not-found": "/nowhere",
}
IN_THE_DARK: Final = ("evaluations", "execution", "review", "keys")
ON_A_PHONE: Final = ("evaluations", "execution", "review", "keys")
PICTURES: Final = {
    "sign-in": Picture("/signin", SCREEN, None),
    "invitation": Picture("/join/{invitation}", SCREEN, None),
    "review-link-phone": Picture("/r/{refund_chk}/{signature}", PHONE, None),
    **{name: Picture(address, SCREEN) for name, address in ADDRESSES.items()},
    "evaluations-viewer": Picture("/eval", SCREEN, "vera"),
    "evaluations-empty": Picture("/eval", SCREEN, "dan"),
    "key-secret": Picture("/integrations/api-keys/new", SCREEN, act=generate),
    "key-revoke": Picture("/integrations/api-keys", SCREEN, act=revoke),
    # Much text makes a large picture.
    "docs-page": Picture("/docs/how-to/read-the-trace", SMALL),
    **{f"{name}-dark": Picture(ADDRESSES[name], DARK) for name in IN_THE_DARK},
    **{f"{name}-phone": Picture(ADDRESSES[name], PHONE) for name in ON_A_PHONE},
}


def main() -> None:
    wanted = sys.argv[1:] or list(PICTURES)
    path = found.find()
    if path is None:
        sys.exit(found.MISSING)
    IMAGES.mkdir(exist_ok=True)
    with town() as site, chromium.launched(path) as browser:
        made = sample.make(site)
        for name in wanted:
            take(browser, site, made, name)


@contextmanager
def town() -> Iterator[Site]:
    with TemporaryDirectory(prefix="mixus-pictures-") as place:
        folder = Path(place)
        url = sqlite_url(folder / "mixus.db")
        database = Database(url)
        upgrade(database)
        database.close()
        with serving(folder, url, **sample.settings(folder)) as site:
            yield site


def take(browser: Browser, site: Site, made: Sample, name: str) -> None:
    picture = PICTURES[name]
    context = browser.new_context(base_url=site.address, locale="en-GB", **picture.options)
    try:
        context.set_default_timeout(PATIENCE_MS)
        if picture.who is not None:
            cookie: Any = site.cookie(made.people[picture.who])
            context.add_cookies([cookie])
        page = context.new_page()
        page.goto(picture.address.format(**made.places))
        if picture.act is not None:
            picture.act(page)
        # Without a scrollbar there is no need for its place.
        page.evaluate("document.documentElement.style.scrollbarGutter = 'auto'")
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
    finally:
        context.close()


if __name__ == "__main__":
    main()
