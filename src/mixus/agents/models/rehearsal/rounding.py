"""Reads “round to 2 decimals” and its kin."""

import re
from typing import Final

from mixus.agents.models.rehearsal.plan import PREVIOUS, BeyondRehearsal
from mixus.agents.models.rehearsal.tokens import Kind, Token

MAX_PLACES: Final = 10
POINTING: Final = frozenset({"it", "the", "result", "this", "that", "total", "amount", "answer", "number"})
DECIMALS: Final = re.compile(
    r"([0-9]+) (?:decimal|decimals|decimal places?|places?|decimal digits?|digits)(?: please)?"
)
WHOLE: Final = re.compile(
    r"(?:the )?(?:nearest |full |whole |nearest whole )(?:dollar|euro|pound|number|integer|unit)s?"
    r"|an? integer|no decimals",
)
CENTS: Final = re.compile(r"(?:the )?nearest (?:euro )?(?:cent|penny)|cents")


def read_rounding(tokens: tuple[Token, ...]) -> tuple[Token | None, int]:
    """The number to round, or None for the result before, and to how many decimals.

    Raises:
        BeyondRehearsal: it is another kind of rounding, or a word in it is not understood.
    """
    words = [token.value if token.kind is Kind.NUMBER else token.text.lower() for token in tokens]
    if "to" in words:
        place = words.index("to")
        numbers = [token for token in tokens[1:place] if token.kind is Kind.NUMBER]
        others = [
            word for token, word in zip(tokens[1:place], words[1:place], strict=True) if token not in numbers
        ]
        places = _places(" ".join(words[place + 1 :]))
        if places is not None and len(numbers) <= 1 and POINTING.issuperset(others):
            return (numbers[0] if numbers else None), places
    raise BeyondRehearsal(
        f"“{' '.join(token.text for token in tokens)}” is unclear: write “round to 2 decimals”."
    )


def _places(text: str) -> int | None:
    if WHOLE.fullmatch(text):
        return 0
    if CENTS.fullmatch(text):
        return 2
    match = DECIMALS.fullmatch(text)
    # More digits than two are no sensible number of decimals, and might be too long to convert.
    if match and len(match.group(1)) <= 2 and int(match.group(1)) <= MAX_PLACES:  # noqa: PLR2004  # see above
        return int(match.group(1))
    return None


def rounded(expression: str, places: int) -> str:
    return f"round({expression or PREVIOUS}, {places})"
