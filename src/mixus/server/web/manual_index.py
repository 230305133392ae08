"""The order of the documentation: the sections of its index, and one line on each page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

from markdown_it.token import Token

from mixus.server.web import manual_text
from mixus.server.web.manual_files import INDEX, Manual, Page, manual

MOST_FOUND: Final = 30


@dataclass(frozen=True)
class Entry:
    """`note` says in a few words what is there; it may be empty."""

    name: str
    title: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Found:
    """A page, or a heading on it."""

    address: str
    title: str
    place: str


@lru_cache(maxsize=1)
def sections() -> Sequence[Section]:
    return sections_of(manual())


def sections_of(book: Manual) -> list[Section]:
    """As the index has them: a heading, then links, each with a note; a folder stands for its pages."""
    source = book.pages[INDEX].source if INDEX in book.pages else ""
    found: list[Section] = []
    for heading, tokens in _parts(manual_text.parsed(source)):
        entries = [each for entry in _entries(book, tokens) for each in _spread(book, entry)]
        found.append(Section(heading, entries))
    return [section for section in found if section.entries]


def place_of(name: str) -> tuple[str | None, Entry | None, Entry | None]:
    """The section that it stands in, and what stands before and after it."""
    order = [(section.title, entry) for section in sections() for entry in section.entries]
    for place, (title, entry) in enumerate(order):
        if entry.name == name:
            before = order[place - 1][1] if place else None
            after = order[place + 1][1] if place + 1 < len(order) else None
            return title, before, after
    return None, None, None


def search(wanted: str) -> list[Found]:
    """Pages and headings that have all of these words, in any order; pages first."""
    words = wanted.casefold().split()
    found = [each for each in _places() if _has(each, words)] if words else []
    return sorted(found, key=lambda each: "#" in each.address)[:MOST_FOUND]


@lru_cache(maxsize=1)
def _places() -> Sequence[Found]:
    return [
        found
        for section in sections()
        for entry in section.entries
        for found in _on_page(section, entry, manual().pages[entry.name])
    ]


def _on_page(section: Section, entry: Entry, page: Page) -> Iterator[Found]:
    yield Found(f"/docs/{page.name}", page.title, entry.note or section.title)
    for heading in manual_text.headings_of(page.source):
        if 1 < heading.level <= manual_text.DEEPEST_LISTED:
            yield Found(f"/docs/{page.name}#{heading.anchor}", heading.text, page.title)


def _has(found: Found, words: Sequence[str]) -> bool:
    text = f"{found.title} {found.place}".casefold()
    return all(word in text for word in words)


def _parts(tokens: Sequence[Token]) -> Iterator[tuple[str, Sequence[Token]]]:
    starts = [
        place for place, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    for start, end in pairwise([*starts, len(tokens)]):
        yield manual_text.text_of(tokens[start + 1]), tokens[start + 3 : end]


def _entries(book: Manual, tokens: Sequence[Token]) -> Iterator[Entry]:
    """Of a row of a table: its links, and what the next cell says of them."""
    cells = [token for token in tokens if token.type == "inline"]
    for place, cell in enumerate(cells):
        names = [_name(token) for token in cell.children or () if token.type == "link_open"]
        note = manual_text.text_of(cells[place + 1]) if place + 1 < len(cells) else ""
        for name in names:
            if name in book.pages:
                yield Entry(name, book.pages[name].title, note)


def _name(link: Token) -> str:
    return str(link.attrGet("href") or "").partition("#")[0].removesuffix(".md").rstrip("/")


def _spread(book: Manual, entry: Entry) -> Iterator[Entry]:
    inside = sorted(name for name in book.pages if name.startswith(f"{entry.name}/"))
    if not inside:
        yield entry
    for name in inside:
        yield replace(entry, name=name, title=book.pages[name].title, note="")
