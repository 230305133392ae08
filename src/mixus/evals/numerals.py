"""Which number an answer gives: the last one that stands free in its text.

Answers end with their result more often than they begin with it, and one fixed number is a stricter test
than any of those named. What is joined to a word or to other digits counts as no number.
"""

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import accumulate, pairwise
from typing import Any, Final

# Apostrophe, no-break and thin spaces: separators of thousands in some countries.
SPACES: Final = "'\u2019\u00a0\u202f\u2009"
MARKED: Final = re.compile(
    r"(?P<sign>[-−–+]?)(?:[$€£¥₹] ?)?(?P<inner>[-−]?)"  # noqa: RUF001 - the minus of typesetters
    rf"(?P<mantissa>\.?[0-9](?:[0-9]|[.,](?=[0-9])|[{SPACES}](?=[0-9]{{3}}(?![0-9])))*)"
    r"(?P<exponent>[eE][+-]?[0-9]{1,3})?"
)
GROUPED_BY_COMMA: Final = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
GROUPED_BY_POINT: Final = re.compile(r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+,[0-9]+|(?:\.[0-9]{3}){2,})")
GROUPED_BY_SPACE: Final = re.compile(rf"[1-9][0-9]{{0,2}}(?:[{SPACES}][0-9]{{3}})+(?:[.,][0-9]+)?")
PLAIN: Final = re.compile(r"[0-9]*[.,]?[0-9]+")
MINUS: Final = frozenset("-−–")  # noqa: RUF001 - see above
# Between a letter or digit and a digit they make one thing of both: 2026-11-23, GPT-4, 10:30, v1.2, 3/4.
JOINING: Final = frozenset("-−–+:./,@^'\u2019")  # noqa: RUF001 - see above
JOINING_DIGITS: Final = frozenset("/,'\u2019")  # before a letter they join nothing: 5/month
ADDRESS: Final = re.compile(r"[a-zA-Z]{2,10}://\S+|[\w.+-]{1,64}@\S+")
LIST_MARKER: Final = re.compile(r"^[ \t]*[0-9]{1,3}[.)](?=[ \t]+\S)", re.MULTILINE)
LONGEST: Final = 60
# Enough digits for any two doubles to be added without rounding.
EXACT: Final = Context(prec=1500, Emax=9_999, Emin=-9_999)
LARGEST_INTEGER: Final = 2**53


def last_number(answer: str) -> Decimal | None:
    """Read what is in parentheses or numbers a list only where there is nothing else."""
    text = ADDRESS.sub(_blank, answer)
    numbers = list(_numbers(LIST_MARKER.sub(_blank, _outside_parentheses(text)))) or list(_numbers(text))
    return numbers[-1] if numbers else None


def is_within(found: Decimal, expected: float, tolerance: float) -> bool:
    """Compare exactly, each number as it is written in decimal."""
    middle, margin = Decimal(str(expected)), Decimal(str(tolerance))
    return EXACT.subtract(middle, margin) <= found <= EXACT.add(middle, margin)


def as_json(number: Decimal) -> Any:
    """As a JSON number where that loses nothing, else as text."""
    if abs(number) <= LARGEST_INTEGER and number == int(number):
        return int(number)
    return float(number) if Decimal(str(float(number))) == number else str(number)


def _numbers(text: str) -> Iterator[Decimal]:
    for match in MARKED.finditer(text):
        written = match["mantissa"]
        is_readable = len(written) <= LONGEST and not _is_joined(text, match)
        plain = _without_groups(written) if is_readable else None
        if plain is not None:
            is_negative = match["sign"] in MINUS or match["inner"] in MINUS
            yield Decimal(f"{'-' if is_negative else ''}{plain}{match['exponent'] or ''}")


def _without_groups(written: str) -> str | None:
    """With a point as the only mark; None when it is no number in any country."""
    if GROUPED_BY_COMMA.fullmatch(written):
        return written.replace(",", "")
    if GROUPED_BY_POINT.fullmatch(written):
        return written.replace(".", "").replace(",", ".")
    if GROUPED_BY_SPACE.fullmatch(written):
        return "".join(each for each in written if each not in SPACES).replace(",", ".")
    return written.replace(",", ".") if PLAIN.fullmatch(written) else None


def _is_joined(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    is_marked = match.start("mantissa") > start + len(match["sign"])
    if before and _is_of_word(before[-1]) and not (is_marked and not match["sign"]):
        return True
    if len(before) > 1 and before[-1] in JOINING and _is_of_word(before[0]):
        return True
    return _is_joined_to(after)


def _is_joined_to(after: str) -> bool:
    if after[:1] and _is_of_word(after[0]):
        return True
    for mark, following in pairwise(after):
        if mark in JOINING_DIGITS:
            return following.isdigit()
        return mark in JOINING and _is_of_word(following)
    return False


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _outside_parentheses(text: str) -> str:
    """Blank what stands in pairs; a parenthesis without its partner is a character like others."""
    opened: list[int] = []
    steps = [0] * (len(text) + 1)
    for place, character in enumerate(text):
        if character == "(":
            opened.append(place)
        elif character == ")" and opened:
            steps[opened.pop()] += 1
            steps[place + 1] -= 1
    return "".join(
        " " if depth else character for character, depth in zip(text, accumulate(steps), strict=False)
    )


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
