"""What a row gives back of a foreign value, which may be deeper, larger or stranger than JSON in rows."""

from typing import Any, Final

import orjson

# The encoder stops at 254 levels, and much is put around a value before it is written.
LEVELS_AROUND: Final = 20


def kept(value: Any) -> Any:
    """The value as it will be read; raises ValueError where it could not be written."""
    around = value
    for _ in range(LEVELS_AROUND):
        around = [around]
    try:
        restored = orjson.loads(orjson.dumps(around))
    except (TypeError, RecursionError):
        raise ValueError("no row can hold this") from None
    for _ in range(LEVELS_AROUND):
        restored = restored[0]
    return restored


def is_kept_exactly(value: Any) -> bool:
    """Whether what is read is what was written, so that who approves it sees what will run."""
    try:
        return bool(kept(value) == value)
    except (ValueError, RecursionError):
        return False
