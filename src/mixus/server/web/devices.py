"""What a browser calls itself, in words that its owner knows it by."""

import re
from typing import Final

# In this order, because most of them also claim to be those further down.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
UNKNOWN: Final = "Unknown device"
LONGEST: Final = 40
_PROGRAM: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]{1,30})/\d")


def device(agent: str | None) -> str:
    """`Firefox on Windows`; of a program its own name, and of anything else its first words."""
    text = agent or UNKNOWN
    browser, system = _first(BROWSERS, text), _first(SYSTEMS, text)
    if browser and system:
        return f"{browser} on {system}"
    program = _PROGRAM.match(text)
    found = browser or system or (program and program[1])
    return found or text[:LONGEST]


def _first(names: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for mark, name in names if mark in text), None)
