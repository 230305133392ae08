"""What a model can read of a content: text as it is, and of HTML its title and the words that show.

Our own reader, because the standard library's needs minutes for 100 KB of unfinished tags (`<a <a <a …`):
this one looks at each character a bounded number of times, whatever a page holds.
"""

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 20_000
MAX_TITLE: Final = 300

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPE = re.compile(r"text/.+|application/(?:.+\+)?(?:json|xml|yaml)")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
# Some of Python's codecs are slow on hostile bytes, or none of text; these are what pages are written in.
_CODECS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|ascii|iso8859-\d+|cp125\d|koi8-[ru]|gbk|gb2312|gb18030|big5|shift_jis|euc_(jp|kr)"
)

# A `<` before anything else is text.
_MARKUP = re.compile(r"<!--|<[!?]|</?([a-zA-Z][a-zA-Z0-9:-]*)")
_REST_OF_TAG = re.compile(r"""(?:=\s*+(?:"[^"]*"|'[^']*')|[^>])*+>""")
_SPACE = re.compile(r"\s+")
# Their content is no text of the page.
_UNSEEN: Final = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "template", "noscript", "svg", "iframe", "object")
}
_BREAK = re.compile(
    "address|article|aside|blockquote|br|d[dlt]|div|fieldset|fig(?:caption|ure)|footer|form|h[1-6]|header|hr|li|"
    "main|nav|ol|option|p|pre|section|table|tbody|title|tr|ul"
)


@dataclass(frozen=True)
class Page:
    title: str
    text: str


def is_text(content_type: str) -> bool:
    return _TEXT_TYPE.fullmatch(media_type(content_type)) is not None


def media_type(content_type: str) -> str:
    """Without its parameters (RFC 9110 §8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def read(content: bytes, content_type: str) -> Page:
    if media_type(content_type) in HTML_TYPES:
        return read_html(decoded(content, content_type, content[:1024].decode("latin-1")))
    return Page("", decoded(content, content_type))


def decoded(content: bytes, *said: str) -> str:
    """By the first charset that is named and known, else UTF-8; what does not fit becomes U+FFFD."""
    for text in said:
        named = _CHARSET.search(text)
        if named and (codec := _codec(named[1])):
            return content.decode(codec, "replace")
    return content.decode("utf-8-sig", "replace")


def clipped(text: str, *, is_cut: bool = False) -> str:
    """Short enough for a conversation, and it says so when something is missing."""
    if len(text) > MAX_CHARACTERS:
        return f"{text[:MAX_CHARACTERS]}\n[Cut: there is more.]"
    return f"{text}\n[Cut: there is more.]" if is_cut else text


def read_html(markup: str) -> Page:
    title: list[str] = []
    text: list[str] = []
    into = text
    for tag, words in _pieces(markup):
        if _BREAK.fullmatch(tag):
            text.append("\n")
        if tag == "title":
            into = title if not title else text
        elif tag:
            into = text
        into.append(_SPACE.sub(" ", _unescaped(words)))
    return Page(_SPACE.sub(" ", "".join(title)).strip()[:MAX_TITLE], _tidy("".join(text)))


def _pieces(markup: str) -> Iterator[tuple[str, str]]:
    """Each tag (`/` where it ends a title) and the text after it; what is never closed hides the rest."""
    tag, position = "", 0
    while start := _MARKUP.search(markup, position):
        yield tag, markup[position : start.start()]
        tag, position = _tag_at(markup, start)
        if position < 0:
            return
    yield tag, markup[position:]


def _tag_at(markup: str, start: re.Match[str]) -> tuple[str, int]:
    """The tag that starts there and where text goes on after it; -1 where it never does."""
    if start[0] == "<!--":
        return "", _after(markup, "-->", start.end())
    if start[1] is None:
        return "", _after(markup, ">", start.end())
    rest = _REST_OF_TAG.match(markup, start.end())
    if rest is None:
        return "", -1
    name, is_closing = start[1].lower(), markup[start.start() + 1] == "/"
    if name in _UNSEEN and not is_closing:
        close = _UNSEEN[name].search(markup, rest.end())
        return "", -1 if close is None else close.start()
    return f"/{name}" if is_closing and name == "title" else name, rest.end()


def _after(markup: str, mark: str, start: int) -> int:
    found = markup.find(mark, start)
    return found if found < 0 else found + len(mark)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character reference of more digits than Python turns into a number
        return text


def _tidy(text: str) -> str:
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _codec(name: str) -> str | None:
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return found if _CODECS.fullmatch(found) else None
