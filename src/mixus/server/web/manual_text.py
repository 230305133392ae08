"""Markdown of the documentation as safe HTML: headings that can be linked to, links that stay here."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup

# What somebody may want to run. An output is only looked at.
COPIED: Final = frozenset({"shell", "sh", "python"})
DEEPEST_LISTED: Final = 3
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_UNSLUGGED: Final = re.compile(r"[^\w\- ]")

# Where a path of the folder is served, or None.
Address = Callable[[str], str | None]


@dataclass(frozen=True)
class Heading:
    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Rendered:
    """`body` is without the title, which the page has already."""

    body: Markup
    headings: Sequence[Heading]


def parsed(source: str) -> list[Token]:
    """With HTML as tokens of its own, so that none of it reaches a page: see `_without_html`."""
    return _MARKDOWN.parse(source)


def title_of(source: str) -> str:
    return next((text_of(inline) for opening, inline in _headings(parsed(source)) if opening.tag == "h1"), "")


def headings_of(source: str) -> list[Heading]:
    return _numbered(_headings(parsed(source)))


def rendered(source: str, folder: str, address: Address) -> Rendered:
    """`folder` is where the page stands, below which its links are meant."""
    tokens = _without_html(parsed(source))
    headings = _numbered(_headings(tokens))
    for (opening, _), heading in zip(_headings(tokens), headings, strict=True):
        opening.attrSet("id", heading.anchor)
    for token in tokens:
        _settle_links(token.children or [], folder, address)
    tokens = list(_with_tables(_without_title(tokens)))
    body = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    listed = [heading for heading in headings if 1 < heading.level <= DEEPEST_LISTED]
    return Rendered(Markup(body), listed)  # noqa: S704 - made here, from our own pages, without their HTML


def text_of(inline: Token) -> str:
    """What is read of it, without marks."""
    return "".join(
        " " if child.type == "softbreak" else child.content
        for child in inline.children or ()
        if child.type in {"text", "code_inline", "softbreak"}
    )


def _headings(tokens: Sequence[Token]) -> list[tuple[Token, Token]]:
    """Each opening with the text after it."""
    return [(token, tokens[place + 1]) for place, token in enumerate(tokens) if token.type == "heading_open"]


def _numbered(found: Iterable[tuple[Token, Token]]) -> list[Heading]:
    """Anchors as GitHub makes them, so that a link works there and here."""
    headings: list[Heading] = []
    seen: dict[str, int] = {}
    for opening, inline in found:
        text = text_of(inline)
        slug = _UNSLUGGED.sub("", text.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        headings.append(Heading(int(opening.tag[1:]), f"{slug}-{count}" if count else slug, text))
    return headings


def _without_html(tokens: Sequence[Token]) -> list[Token]:
    """Comments go, as they are for tests; all else is shown as it was written."""
    kept = [token for token in tokens if not _is_comment(token)]
    for token in kept:
        if token.type in {"html_block", "html_inline"}:
            token.type = "text"
        if token.children is not None:
            token.children = _without_html(token.children)
    return kept


def _is_comment(token: Token) -> bool:
    text = token.content.strip()
    return token.type.startswith("html_") and text.startswith("<!--") and text.endswith("-->")


def _without_title(tokens: Sequence[Token]) -> list[Token]:
    is_titled = len(tokens) > 0 and tokens[0].type == "heading_open" and tokens[0].tag == "h1"
    return list(tokens[3:] if is_titled else tokens)


def _settle_links(children: Sequence[Token], folder: str, address: Address) -> None:
    """A link to what is not served here becomes plain text, and a picture its description."""
    opened: list[Token] = []
    for token in children:
        if token.type == "link_open":
            _settle(token, "href", folder, address)
            opened.append(token)
        elif token.type == "link_close":
            token.hidden = opened.pop().hidden
        elif token.type == "image":
            _settle(token, "src", folder, address)
            token.attrSet("loading", "lazy")
            token.type = "text" if token.hidden else "image"


def _settle(token: Token, name: str, folder: str, address: Address) -> None:
    target = str(token.attrGet(name) or "")
    path, mark, anchor = target.partition("#")
    if _ELSEWHERE.match(target):
        token.attrSet("rel", "noreferrer")
        # The pages load nothing from elsewhere.
        token.hidden = name == "src"
    elif path and not path.startswith("/"):
        served = address(posixpath.normpath(posixpath.join(folder, path)))
        token.hidden = served is None
        token.attrSet(name, f"{served}{mark}{anchor}")


def _with_tables(tokens: Sequence[Token]) -> Iterator[Token]:
    """A wide table scrolls by itself, also by the keyboard; a head without words is none."""
    is_dropped = False
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            yield _raw('<div class="scroll" tabindex="0">\n')
        if token.type == "thead_open":
            is_dropped = not _has_words(_up_to(tokens[place:], "thead_close"))
        if not is_dropped:
            yield token
        if token.type == "thead_close":
            is_dropped = False
        if token.type == "table_close":
            yield _raw("</div>\n")


def _has_words(head: Sequence[Token]) -> bool:
    """Whether it says anything; a cell of it that does not is no heading."""
    cells = [place for place, token in enumerate(head) if token.type == "th_open"]
    for place in cells:
        opening, inline, closing = head[place : place + 3]
        opening.tag = closing.tag = "th" if inline.content else "td"
        if inline.content:
            opening.attrSet("scope", "col")
    return any(head[place].tag == "th" for place in cells)


def _up_to(tokens: Sequence[Token], kind: str) -> Sequence[Token]:
    return list(takewhile(lambda token: token.type != kind, tokens))


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def _fence(_self: Any, tokens: Sequence[Token], place: int, _options: Any, env: dict[str, int]) -> str:
    token = tokens[place]
    shown = f'tabindex="0"><code>{escapeHtml(token.content)}</code></pre>'
    if token.info.strip() not in COPIED:
        return f"<pre {shown}\n"
    number = env["code"] = env.get("code", 0) + 1
    button = f'<button type="button" class="small needs-script" data-copy="code-{number}"><span>Copy</span>'
    return f'<div class="copyable"><pre id="code-{number}" {shown}{button}</button></div>\n'


def _made() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": True}).enable("table")
    made.add_render_rule("fence", _fence)
    return made


_MARKDOWN: Final = _made()
