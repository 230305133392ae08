"""The words a calculation may hold beside its numbers and operators; any other word is beyond rehearsal."""

from typing import Final

from mixus.agents.models.rehearsal.plan import BeyondRehearsal
from mixus.agents.models.rehearsal.tokens import Kind, Token
from mixus.agents.models.rehearsal.words import (
    CLOSING,
    DETERMINERS,
    HARMLESS,
    LINKS,
    NOUNS,
    OPENING,
    ROLES,
    UNITS_OF_MEASURE,
)

TAIL: Final = HARMLESS | {"thanks", "thank", "you", "on", "of", "to", "from", "total", "this", "that"}
VALUES: Final = frozenset({Kind.NUMBER, Kind.PERCENT, Kind.CLOSE})
STARTS: Final = frozenset({Kind.NUMBER, Kind.PERCENT, Kind.OPEN, Kind.OPERATOR})
NAMED: Final = DETERMINERS | NOUNS | {"total", "this", "that"}
AFTER_DETERMINER: Final = frozenset({Kind.WORD, Kind.NUMBER, Kind.PERCENT, Kind.OPEN})
CONNECTING: Final = frozenset({"of", "on", "to", "from", "by", "at", "and", "between"})


def check_words(tokens: tuple[Token, ...]) -> None:
    """Raise BeyondRehearsal at the first word of a calculation that is neither grammar nor harmless here."""
    start = next((place for place, token in enumerate(tokens) if token.kind in STARTS), len(tokens))
    for place, token in enumerate(tokens):
        if token.kind is Kind.WORD and not _is_fine(tokens, place, start):
            raise BeyondRehearsal(_refusal(token))


def check_tail(tokens: tuple[Token, ...]) -> None:
    """Raise BeyondRehearsal when words after a calculation's comma could change it: “, in lakh”."""
    for token in tokens:
        if token.kind is Kind.WORD and token.value not in TAIL:
            raise BeyondRehearsal(_refusal(token))


def _refusal(token: Token) -> str:
    if token.value in UNITS_OF_MEASURE:
        return f"“{token.text}” is read as a unit, and rehearsal computes with plain numbers and money only."
    return f"The word “{token.text}” is not understood where it stands in a calculation."


def _is_fine(tokens: tuple[Token, ...], place: int, start: int) -> bool:
    word = tokens[place].value
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    if word == "at":
        return _reaches_percent(tokens, place)
    if word in ROLES:
        is_stray = word in {"of", "on"} and place > 0 and tokens[place - 1].kind is Kind.OPERATOR
        return not is_stray and (after is not None or word not in CONNECTING)
    if word in DETERMINERS:
        is_rate = word in {"a", "an"} and place > 0 and tokens[place - 1].kind in VALUES
        return after is not None and after.kind in AFTER_DETERMINER and not is_rate
    if word in NOUNS:
        # A noun before a bare number could be its name: “commission 4”.
        return after is None or after.kind is not Kind.NUMBER or after.currency is not None
    if word in LINKS:
        return place < start or (after is not None and after.kind is Kind.WORD and after.value in NAMED)
    return (word in OPENING and place < start) or (word in CLOSING and after is None)


def _reaches_percent(tokens: tuple[Token, ...], place: int) -> bool:
    """“at 15%”, “at a commission rate of 15%”."""
    for token in tokens[place + 1 :]:
        if token.kind is not Kind.WORD or token.value not in DETERMINERS | NOUNS | {"of"}:
            return token.kind is Kind.PERCENT
    return False
