"""Foreign text that both stores can hold, and no more of it than is wanted: it may contain anything."""

import re
import unicodedata
from typing import Any, Final

import orjson

# Postgres stores no NUL, and half of a surrogate pair is no character in UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
# Control, format (they turn text around), unassigned and private ones, and other ends of lines.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
# Letters and symbols that are blank, and marks that only say how to draw what stands before them.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")
_SELECTORS: Final = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
# Lines and columns.
_KEPT: Final = frozenset("\n\t")
# Some scripts and pictures cannot be written without these. Elsewhere they would split an address unseen,
# and a row of them can hold a whole message.
_JOINERS: Final = frozenset("\u200c\u200d")
_PICTURE: Final = "\ufe0f"
_FIRST_JOINED: Final = "\u0590"


def storable(value: Any) -> Any:
    """The JSON value with every character that cannot be stored replaced by U+FFFD; a tuple is a list."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {storable(key): storable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def length_in_json(value: Any) -> int:
    """How many characters it has where it is written as JSON: of one there, six may come."""
    return len(orjson.dumps(value).decode())


def shortened(text: str, most: int) -> str:
    """At most so many characters; a text that is cut ends in an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def visible(text: str) -> str:
    """Foreign text in which nothing hides: what has no glyph is written as `⟨U+202E⟩`. Lines stay lines."""
    lines = text.replace("\r\n", "\n")
    return "".join(map(_seen, lines, f"\n{lines}"))


def _seen(character: str, before: str) -> str:
    is_seen = character in _KEPT or not _is_unseen(character) or _is_joined(character, before)
    return character if is_seen else f"⟨U+{ord(character):04X}⟩"


def _is_unseen(character: str) -> bool:
    is_blank = character in _BLANK or character in _SELECTORS
    return is_blank or unicodedata.category(character) in _UNSEEN


def _is_joined(character: str, before: str) -> bool:
    if before < _FIRST_JOINED or before in _JOINERS:
        return False
    return character in _JOINERS or (character == _PICTURE and before != _PICTURE)
