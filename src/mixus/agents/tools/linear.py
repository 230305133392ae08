"""Functions of SQLite whose own form takes hours for long texts, as ours that look at each character once.

Nothing stops a function of SQLite before its end: `trim(x, y)` of two texts of 1 MB compares each character
of one with each of the other.
"""

import math
import sqlite3
from functools import partial
from itertools import takewhile
from typing import Final

Argument = str | bytes | int | float | None

START: Final = 1
END: Final = 2
TRIMS: Final = {"ltrim": START, "rtrim": END, "trim": START | END}


def replace_functions(connection: sqlite3.Connection, most_bytes: int) -> None:
    for name, ends in TRIMS.items():
        connection.create_function(name, 1, partial(_trim, ends), deterministic=True)
        connection.create_function(name, 2, partial(_trim, ends), deterministic=True)
    connection.create_function("instr", 2, _instr, deterministic=True)
    connection.create_function("replace", 3, partial(_replace, most_bytes), deterministic=True)


def _trim(ends: int, value: Argument, characters: Argument = " ") -> str | None:
    if value is None or characters is None:
        return None
    text, away = _text(value), set(_text(characters))
    start = sum(1 for _ in takewhile(away.__contains__, text)) if ends & START else 0
    rest = text[start:]
    tail = sum(1 for _ in takewhile(away.__contains__, reversed(rest))) if ends & END else 0
    return rest[: len(rest) - tail]


def _instr(value: Argument, part: Argument) -> int | None:
    if value is None or part is None:
        return None
    if isinstance(value, bytes) and isinstance(part, bytes):
        return value.find(part) + 1
    return _text(value).find(_text(part)) + 1


def _replace(most_bytes: int, value: Argument, old: Argument, new: Argument) -> Argument:
    if value is None or old is None:
        return None
    whole, before = _text(value).encode(), _text(old).encode()
    if not before:
        return _text(value) if isinstance(value, bytes) else value
    if new is None:
        return None
    after = _text(new).encode()
    if len(whole) + whole.count(before) * (len(after) - len(before)) > most_bytes:
        # SQLite itself says that this is too big.
        return bytes(most_bytes + 1)
    return whole.replace(before, after).decode()


def _text(value: str | bytes | float) -> str:
    """As SQLite casts to text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, mark, exponent = f"{value or 0.0:.15g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"
