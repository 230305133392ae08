"""Splits a task into clauses, each of which is one step or none."""

import re
from dataclasses import dataclass
from typing import Final

from mixus.agents.models.rehearsal.tokens import Kind, Token
from mixus.agents.models.rehearsal.words import CARBON_COPY, LEAD

ENUMERATOR: Final = re.compile(r"(?:^|(?<=\n)|(?<=[.;:!?] ))[ \t]*(?:[Ss]tep )?([0-9]{1,2})[.):](?=\s)")
BULLET: Final = re.compile(r"(?m)^[ \t]*[-*•](?=[ \t])")
KEPT_AFTER_AND: Final = frozenset({Kind.NUMBER, Kind.PERCENT, Kind.EMAIL, Kind.OPEN})
KEPT_AFTER_COMMA: Final = KEPT_AFTER_AND | {Kind.OPERATOR, Kind.QUOTED, Kind.ODD}
ARTICLES: Final = frozenset({"a", "an", "the"})


@dataclass(frozen=True)
class Clause:
    """Tokens between two separators, those after its polite words, and the text it was written as."""

    tokens: tuple[Token, ...]
    body: tuple[Token, ...]
    text: str
    is_label: bool = False

    @property
    def head(self) -> str:
        """The first word after the polite words, or the empty string."""
        return self.body[0].value if self.body and self.body[0].kind is Kind.WORD else ""


def strip_list_marks(text: str) -> str:
    """Blank out bullets, and numbers that count a list from 1, without moving any other character."""
    text = BULLET.sub(lambda match: " " * len(match.group()), text)
    expected = 1
    pieces = list(text)
    for match in ENUMERATOR.finditer(text):
        if int(match.group(1)) == expected:
            expected += 1
            pieces[match.start() : match.end()] = "\n" * (match.end() - match.start())
    # A lone "1." is no list: it stays a number that must be understood.
    return "".join(pieces) if expected > 2 else text  # noqa: PLR2004  # two items make a list


def split_clauses(tokens: list[Token], text: str) -> list[Clause]:
    clauses: list[Clause] = []
    pending: list[Token] = []
    for index, token in enumerate(tokens):
        if not _separates(tokens, index):
            pending.append(token)
            if not _starts_anew(tokens, index + 1):
                continue
        if pending:
            clauses.append(_clause(pending, text, token))
        pending = []
    if pending:
        clauses.append(_clause(pending, text, pending[-1]))
    return clauses


def _clause(pending: list[Token], text: str, end: Token) -> Clause:
    words = []
    for token in pending:
        if token.kind is not Kind.WORD:
            break
        words.append(token.value)
    match = LEAD.match(" ".join(words))
    skipped = len(match.group().split()) if match else 0
    is_label = end.kind is Kind.BREAK and end.text.startswith(":")
    source = text[pending[0].start : pending[-1].end]
    return Clause(tuple(pending), tuple(pending[skipped:]), source, is_label)


def _separates(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.kind is Kind.BREAK or (token.kind is Kind.WORD and token.value in {"then", "but"}):
        return True
    if token.kind is Kind.COMMA:
        has_and = index + 1 < len(tokens) and tokens[index + 1].value == "and"
        return not _is_kept(tokens, index + 1 + has_and, KEPT_AFTER_AND if has_and else KEPT_AFTER_COMMA)
    if token.kind is Kind.WORD and token.value == "and":
        return not _is_kept(tokens, index + 1, KEPT_AFTER_AND)
    return False


def _is_kept(tokens: list[Token], index: int, kept: frozenset[Kind]) -> bool:
    """Whether what follows continues the clause: a number, an address, a cc."""
    following = tokens[index : index + 2]
    if following and following[0].value in ARTICLES:
        following = following[1:]
    if not following:
        return False
    first = following[0]
    return first.value in CARBON_COPY if first.kind is Kind.WORD else first.kind in kept


def _starts_anew(tokens: list[Token], index: int) -> bool:
    """A trailing “rounded to 2 decimals” is a step of its own."""
    return index < len(tokens) and tokens[index].value in {"rounded", "rounding"}
