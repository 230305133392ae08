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
# Letters and symbols that are blank.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Lines, columns, and the joiners without which some scripts cannot be written.
_KEPT: Final = frozenset("\n\t\u200c\u200d")


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
    return "".join(_seen(character) for character in text.replace("\r\n", "\n"))


def _seen(character: str) -> str:
    is_unseen = character in _BLANK or unicodedata.category(character) in _UNSEEN
    return f"⟨U+{ord(character):04X}⟩" if is_unseen and character not in _KEPT else character
