"""Regular expressions of users, run in time that grows with the text alone."""

from typing import Any, Final

import re2  # type: ignore[import-untyped] # it has no types


def _options() -> Any:
    options = re2.Options()
    # It would write what a user sent into the log of the server.
    options.log_errors = False
    return options


OPTIONS: Final = _options()


class BadPattern(Exception):
    """In a few words, why it cannot be used."""


def compiled(pattern: str) -> Any:
    """Raises BadPattern."""
    try:
        return re2.compile(pattern, OPTIONS)
    except re2.error as bad:
        reason = bad.args[0] if bad.args else b""
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(words[:200]) from None


def first_match(pattern: str, text: str) -> str | None:
    """Find a pattern of RE2 anywhere; raises BadPattern."""
    match = compiled(pattern).search(text)
    return None if match is None else str(match[0])


def first_words(words: str, text: str) -> str | None:
    """Find these very words, in any case; as they stand in the text."""
    start = _folded(text).find(_folded(words))
    return None if start < 0 else text[start : start + len(words)]


def _folded(text: str) -> str:
    """Without case, and each character at its place. Not by RE2, which long words would keep for minutes."""
    folded = text.casefold()
    return folded if len(folded) == len(text) else "".join(map(_folded_character, text))


def _folded_character(character: str) -> str:
    """What becomes several characters (ß, İ) stays one."""
    either = (character.casefold(), character.lower())
    return next((folded for folded in either if len(folded) == 1), character)
