"""Every page that can be reached by links, one of each kind."""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import parse_qsl, urljoin, urlsplit

from playwright.sync_api import Page

# What stands for any other of its kind: an id, a name of a document, a day, a word that was said.
ID = re.compile(r"(?:exe|chk|key|usr|ses|bat|whk|evt)_\w+|\d+")
DOCUMENT = re.compile(r"^/docs/(\w[\w-]*)/.+")
MOST_PAGES = 150

Look = Callable[[Page, str], None]


def walk(page: Page, starts: Sequence[str], look: Look, beside: str = "no page") -> list[str]:
    """Look at the starts and at one page of each kind that they lead to; the addresses of all that were seen.

    What stands below the address `beside` is left to another walk.
    """
    waiting, known, seen = list(starts), {kind(address) for address in starts}, list[str]()
    while waiting:
        assert len(seen) < MOST_PAGES, f"too many kinds of pages: {sorted(known)}"
        seen.append(address := waiting.pop(0))
        page.goto(address)
        # Looking may change the page; where it leads is read first.
        for found in ways_on(page):
            if kind(found) not in known and not found.startswith(beside):
                known.add(kind(found))
                waiting.append(found)
        look(page, address)
    return seen


def kind(address: str) -> str:
    parts = urlsplit(address)
    # A sample of the documents, one from each folder.
    path = DOCUMENT.sub(r"/docs/\1/*", ID.sub("*", parts.path))
    return path + "?" + "&".join(sorted({name for name, _ in parse_qsl(parts.query)}))


def ways_on(page: Page) -> Iterator[str]:
    """The links to pages of this site; what is saved or shown as text is none."""
    here = urlsplit(page.url)
    links: list[str] = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    for link in links:
        parts = urlsplit(urljoin(page.url, link))
        if parts.netloc == here.netloc and not re.search(r"\.(md|txt|json|png)$", parts.path):
            yield parts.path + (f"?{parts.query}" if parts.query else "")
