"""Lists in pages: a cursor is the place after the last item, opaque to the client."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mixus.core.errors import Invalid

T = TypeVar("T")
# The last millisecond that a datetime can hold; what is beyond it was not given out by us.
LAST_PLACE = 253_402_300_799_999


@dataclass(frozen=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_cursor: str | None


def cut(rows: Sequence[T], limit: int, place: Callable[[T], tuple[int, str]]) -> Page[T]:
    """The page of `limit` items out of up to `limit` + 1 rows; `place` is the sort key of an item."""
    items = rows[:limit]
    return Page(items, cursor_of(place(items[-1])) if len(rows) > limit else None)


def cursor_of(place: tuple[int, str]) -> str:
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[int, str]:
    """The sort key that a cursor stands for; raises Invalid for one that we did not give out."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        number, _, name = text.partition(":")
        place = int(number), name
    except (binascii.Error, UnicodeError, ValueError):
        place = -1, ""
    if not 0 <= place[0] <= LAST_PLACE or not place[1].isprintable() or cursor_of(place) != cursor:
        raise Invalid("This cursor is not one of ours; start again without it.", field="cursor")
    return place
