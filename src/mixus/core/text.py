"""Foreign text that both stores can hold: what a model or a tool says may contain anything."""

import re
from typing import Any

# Postgres stores no NUL, and half of a surrogate pair is no character in UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def storable(value: Any) -> Any:
    """The JSON value with every character that cannot be stored replaced by U+FFFD."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {storable(key): storable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value
