"""Reads text into tokens; whatever holds a digit and is no plain number becomes ODD, never a word."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from mixus.agents.models.rehearsal.words import (
    CURRENCY_SYMBOLS,
    CURRENCY_WORDS,
    MONEY_SCALES,
    NUMBER_LIKE,
    OTHER_CURRENCIES,
    PARTICIPLES,
    SCALES,
    TENS,
    UNITS,
    WORD_OPERATORS,
)

MAX_DIGITS: Final = 20


class Kind(StrEnum):
    """What a token is."""

    NUMBER = "number"
    PERCENT = "percent"
    PERCENT_SIGN = "percent-sign"
    CURRENCY = "currency"
    OPERATOR = "operator"
    OPEN = "open"
    CLOSE = "close"
    EMAIL = "email"
    QUOTED = "quoted"
    WORD = "word"
    COMMA = "comma"
    BREAK = "break"
    ODD = "odd"


@dataclass(frozen=True)
class Token:
    """A piece of the text from `start` to `end`; `value` is its canonical form."""

    kind: Kind
    text: str
    start: int
    end: int
    value: str = ""
    currency: str | None = None
    is_tight: bool = False

    @property
    def is_word(self) -> bool:
        """Whether an operator is said in words; the x of 12 x 40 is a sign."""
        return self.text[0].isalpha() and self.text.lower() != "x"


SCANNER: Final = re.compile(
    r"""
      (?P<space>[^\S\n]+)
    | (?P<email>(?<![\w.%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)
    | (?P<odd_link>(?:https?://|www\.)\S+)
    | (?P<quoted>"[^"\n]{0,300}"|“[^”\n]{0,300}”|«[^»\n]{0,300}»
        |(?<!\w)'[^'\n]{0,300}'(?!\w)|(?<!\w)\u2018[^\u2019\n]{0,300}\u2019(?!\w))
    | (?P<odd_date>[0-9]+[-/][0-9]+[-/][0-9][\w/-]*|[0-9]{1,2}:[0-9]{2}\w*|\.[0-9][\w.,]*)
    | (?P<odd_zero>0+[xX][0-9]\w*|0[0-9]{0,2},[0-9][\w.,]*)
    | (?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:(?:[kKmM]|[bB][nN])(?!\w))?
        (?=$|[^\w.,:'\u2019]|[.,:'\u2019](?!\w)|[xX][0-9]))
    | (?P<odd_range>(?<=[0-9%])\s*[\u2013\u2014]\s*(?=[$€£]?[0-9]))
    | (?P<odd_blob>[0-9](?:[.,:'\u2019]?\w)*)
    | (?P<currency>US\$|(?<!\w)[$€£]|[€£](?!\w))
    | (?P<times>(?<=[0-9)])[xX](?=[0-9])|(?<=[0-9)]\ )[xX](?=\ [$€£(]?[0-9(]))
    | (?P<word>[^\W\d_](?:\.[^\W\d_])+(?!\w)|[^\W\d_]+(?:[-'\u2019&][^\W\d_]+)*(?![\w]))
    | (?P<operator>\*\*|[+*/\u00d7\u00f7^\u2212-])
    | (?P<percent_sign>%)
    | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    | (?P<break>[.!?;:…\n]+|[\u2013\u2014])
    | (?P<quote_mark>["'\u2019\u2018“”`«»])
    | (?P<odd>\w+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
OPERATORS: Final = {"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "^": "**", "x": "*", "X": "*"}
LETTERS: Final = "kKmMbBnN"
UNCLEAR_POINT: Final = re.compile(r"(?!0\.)[0-9]+\.[0-9]{3}(?![0-9])")
MILLION: Final = re.compile(r"[0-9][mM]\b")
SCALED: Final = re.compile(r"[0-9] ?(?:[kKmM]|[bB][nN])$")
IGNORED: Final = frozenset({"space", "quote_mark"})


def normalise(text: str) -> str:
    """The text that all offsets refer to."""
    return unicodedata.normalize("NFC", text)


def tokenize(text: str) -> list[Token]:
    """Tokens of a normalised text, with currency, percent and number words joined to their numbers."""
    tokens = list(_scan(text))
    for join in (_join_operators, _join_number_words, _join_scales, _join_currency, _join_percent):
        tokens = join(tokens)
    tokens = [_strict(token) for token in tokens]
    following = [*(token.kind for token in tokens), Kind.BREAK][1:]
    # The colon of “to: a@example.org” and “subject: "May"” ends nothing.
    return [
        token
        for token, kind in zip(tokens, following, strict=True)
        if token.text != ":" or kind not in {Kind.EMAIL, Kind.QUOTED}
    ]


def _scan(text: str) -> Iterator[Token]:
    for match in SCANNER.finditer(text):
        name = str(match.lastgroup)
        if name not in IGNORED:
            yield _token(name, match)


def _token(name: str, match: re.Match[str]) -> Token:
    piece, start, end = match.group(), match.start(), match.end()
    if name == "word":
        return _word(piece, start, end)
    if name == "number":
        return _number(piece, start, end)
    if name in {"operator", "times"}:
        around = match.string[max(start - 1, 0) : start] + match.string[end : end + 1]
        is_tight = not any(character.isspace() for character in around)
        return Token(Kind.OPERATOR, piece, start, end, OPERATORS.get(piece, piece), is_tight=is_tight)
    if name == "currency":
        return Token(Kind.CURRENCY, piece, start, end, CURRENCY_SYMBOLS[piece])
    kind = Kind.ODD if name.startswith("odd") else Kind(name.replace("_", "-"))
    return Token(kind, piece, start, end, piece)


def _word(piece: str, start: int, end: int) -> Token:
    word = piece.lower().replace("\u2019", "'")
    if word in WORD_OPERATORS:
        return Token(Kind.OPERATOR, piece, start, end, WORD_OPERATORS[word])
    if word in CURRENCY_WORDS:
        return Token(Kind.CURRENCY, piece, start, end, CURRENCY_WORDS[word])
    if word in {"percent", "pct"}:
        return Token(Kind.PERCENT_SIGN, piece, start, end, "%")
    if any(character.isnumeric() for character in word):
        return Token(Kind.ODD, piece, start, end, word)
    return Token(Kind.WORD, piece, start, end, word)


def _number(piece: str, start: int, end: int) -> Token:
    digits = piece.rstrip(LETTERS).replace(",", "")
    if len(digits) > MAX_DIGITS:
        return Token(Kind.ODD, piece, start, end, piece)
    zeros = {"k": 3, "n": 9}.get(piece[-1].lower(), 0)
    value = _scaled(digits, zeros) if zeros else digits
    return Token(Kind.NUMBER, piece, start, end, _plain(value))


def _plain(digits: str) -> str:
    text = format(Decimal(digits), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(digits: str, zeros: int) -> str:
    return _plain(format(Decimal(digits) * 10**zeros, "f"))


def _join(first: Token, last: Token, text: str = "") -> Token:
    return replace(first, text=text or f"{first.text} {last.text}", end=last.end)


def _join_operators(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if before and before.value in PARTICIPLES and token.value == "by":
            joined[-1] = replace(_join(before, token), kind=Kind.OPERATOR, value=PARTICIPLES[before.value])
        else:
            joined.append(token)
    return joined


def _join_number_words(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        number = _word_value(token) if token.kind is Kind.WORD else None
        before = joined[-1] if joined else None
        if number is None:
            joined.append(token)
        elif before and before.text.lower() in TENS and 0 < number < len(TENS) + 2:
            joined[-1] = replace(_join(before, token), value=str(int(before.value) + number))
        else:
            joined.append(replace(token, kind=Kind.NUMBER, value=str(number)))
    return joined


def _word_value(token: Token) -> int | None:
    tens, _, unit = token.value.partition("-")
    if not unit:
        return TENS.get(tens, UNITS.get(tens))
    if tens in TENS and 0 < UNITS.get(unit, 0) < len(TENS) + 2:
        return TENS[tens] + UNITS[unit]
    return None


def _join_scales(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    for place, token in enumerate(tokens):
        before = joined[-1] if joined else None
        zeros = SCALES.get(token.value, 0) if token.kind is Kind.WORD else 0
        if token.kind is Kind.WORD and token.value in MONEY_SCALES:
            is_money = _is_money(joined, tokens[place + 1 : place + 2])
            zeros = MONEY_SCALES[token.value] if is_money else 0
        if before and zeros and _can_scale(before):
            joined[-1] = replace(_join(before, token), value=_scaled(before.value, zeros))
        else:
            joined.append(token)
    return joined


def _is_money(before: list[Token], after: list[Token]) -> bool:
    is_after_sign = len(before) > 1 and before[-2].kind is Kind.CURRENCY
    is_money = is_after_sign or any(token.kind is Kind.CURRENCY for token in after)
    return is_money and bool(before) and before[-1].text[-1].isdigit()


def _can_scale(number: Token) -> bool:
    """Not after a letter: “50k million” is unclear."""
    has_letter = number.text[0].isdigit() and SCALED.search(number.text)
    return number.kind is Kind.NUMBER and len(number.value) <= MAX_DIGITS and not has_letter


def _join_currency(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if before is None or Kind.CURRENCY not in {before.kind, token.kind}:
            joined.append(token)
        elif before.kind is Kind.CURRENCY and token.kind is Kind.NUMBER:
            joined[-1] = replace(
                token, start=before.start, text=before.text + token.text, currency=before.value
            )
        elif before.kind is Kind.NUMBER and before.currency in {None, token.value}:
            joined[-1] = replace(_join(before, token), currency=token.value)
        else:
            joined.append(token)
    return joined


def _join_percent(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if before and before.value == "per" and token.value == "cent" and before.kind is Kind.WORD:
            joined.pop()
            token = replace(before, kind=Kind.PERCENT_SIGN, text="per cent", end=token.end)  # noqa: PLW2901  # two words are one sign
            before = joined[-1] if joined else None
        is_percent = before and before.kind is Kind.NUMBER and before.currency is None
        if before and is_percent and token.kind is Kind.PERCENT_SIGN:
            joined[-1] = replace(_join(before, token), kind=Kind.PERCENT)
        else:
            joined.append(token)
    return joined


def _strict(token: Token) -> Token:
    """Make ODD what was left alone, and what two countries read in two ways."""
    has_million = token.kind in {Kind.NUMBER, Kind.PERCENT} and MILLION.search(token.text)
    if has_million and token.currency:
        return replace(token, value=_scaled(token.value, 6))
    is_odd = (
        token.kind in {Kind.CURRENCY, Kind.PERCENT_SIGN}
        or has_million
        or has_unclear_point(token)
        or (token.kind is Kind.WORD and _is_odd_word(token.value))
    )
    return replace(token, kind=Kind.ODD) if is_odd else token


def has_unclear_point(token: Token) -> bool:
    """Three decimals after a point, as in 50.000, which are thousands in many countries."""
    is_number = any(character.isdigit() for character in token.text) and "," not in token.text
    return is_number and bool(UNCLEAR_POINT.fullmatch(re.sub(r"[^0-9.]", "", token.text)))


def _is_odd_word(word: str) -> bool:
    parts = word.split("-")
    return any(part in NUMBER_LIKE or part in SCALES or part in OTHER_CURRENCIES for part in parts) or (
        len(parts) > 1 and any(part in UNITS or part in TENS for part in parts)
    )
