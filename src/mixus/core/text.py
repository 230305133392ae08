"""Foreign text that both stores can hold, and no more of it than is wanted: it may contain anything."""

import re
from typing import Any

import orjson

# Postgres stores no NUL, and half of a surrogate pair is no character in UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


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
