"""Text for a terminal: what others wrote made harmless; times and amounts in short words."""

import json
import re
import unicodedata
from datetime import datetime
from typing import Any, Final

# Escape sequences whole, so that none of their letters is left over: CSI, OSC, other strings, two characters.
ANSI: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
# Control, format (they turn text around), lone surrogates, line and paragraph separators.
HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Joiners, without which some scripts cannot be written.
ALLOWED: Final = frozenset("\n\u200c\u200d")
UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))


def plain(value: Any) -> str:
    """Return a value as text that can do nothing to a terminal."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = ANSI.sub("", text.replace("\r\n", "\n").replace("\t", " "))
    return "".join(letter for letter in text if not is_harmful(letter))


def line(value: Any) -> str:
    """Return a value on one line, so that it cannot pass for a line of ours."""
    return " ".join(plain(value).split())


def exact(text: str) -> str:
    """Return text of any number of lines in which what must not be printed is seen as its escape."""
    text = text.replace("\r\n", "\n")
    return "".join(json.dumps(letter)[1:-1] if is_harmful(letter) else letter for letter in text)


def as_json(value: Any) -> str:
    """Return a value as one line of JSON that hides nothing."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def is_harmful(letter: str) -> bool:
    return letter not in ALLOWED and unicodedata.category(letter) in HARMFUL


def duration(milliseconds: int) -> str:
    """Return the two largest units: `3 min 20 s`."""
    if milliseconds < 1000:  # noqa: PLR2004 -- one second
        return f"{milliseconds} ms"
    if milliseconds < 10_000:  # noqa: PLR2004 -- ten seconds
        return f"{round(milliseconds / 1000, 1):g} s"
    parts = []
    for name, size in UNITS:
        amount, milliseconds = divmod(milliseconds, size)
        parts.append((amount, name))
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{amount} {name}" for amount, name in parts[:2] if amount)


def counted(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")


def moment(at: datetime | None) -> str:
    """Return the minute, in the time of this machine."""
    return "" if at is None else _local(at, "%Y-%m-%d %H:%M")


def clock(at: object) -> str:
    """Return the second of an RFC 3339 time, in the time of this machine."""
    try:
        return _local(datetime.fromisoformat(str(at)), "%H:%M:%S")
    except ValueError:
        return line(at)


def _local(at: datetime, form: str) -> str:
    try:
        return at.astimezone().strftime(form)
    except (OverflowError, ValueError):
        # The first and the last day of the calendar have no other zone.
        return at.strftime(form)
