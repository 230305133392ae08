"""Reads a task into steps; what is not understood raises, what cannot be done is a step that says so."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from mixus.agents.models.rehearsal.clauses import Clause, split_clauses, strip_list_marks
from mixus.agents.models.rehearsal.harmless import check_tail
from mixus.agents.models.rehearsal.mail import read_addition, read_mail
from mixus.agents.models.rehearsal.plan import CALCULATIONS, PREVIOUS, BeyondRehearsal, Step, StepKind
from mixus.agents.models.rehearsal.rounding import read_rounding, rounded
from mixus.agents.models.rehearsal.tokens import Kind, Token, normalise, tokenize
from mixus.agents.models.rehearsal.verbs import read_expression
from mixus.agents.models.rehearsal.words import (
    CALCULATE_HEADS,
    CALCULATION_VERBS,
    CARBON_COPY,
    CONDITIONS,
    FRAMING_HEADS,
    MAIL_HEADS,
    MODALS,
    ROUND_HEADS,
    TENTATIVE_HEADS,
)

MAX_DESCRIPTION: Final = 200
CONTINUES: Final = re.compile(r"(?:,|\band)\s*$", re.IGNORECASE)
COMPUTED: Final = frozenset({Kind.NUMBER, Kind.PERCENT, Kind.OPERATOR, Kind.ODD})


@dataclass
class _Reading:
    """What was read so far; `last` is the step that “it” points at, `mail_place` that of a mail."""

    text: str
    steps: list[Step] = field(default_factory=list)
    numbers: list[Token] = field(default_factory=list)
    last: Step | None = None
    mail_place: int | None = None

    @property
    def has_previous(self) -> bool:
        return self.last is not None and self.last.kind in CALCULATIONS


@dataclass(frozen=True)
class Reading:
    """The steps of a text, and the numbers that its calculations use, with their places in `text`."""

    text: str
    steps: tuple[Step, ...]
    numbers: tuple[Token, ...]


def read_task(description: str) -> Reading:
    """The steps of a task.

    Raises:
        BeyondRehearsal: a number, an operator or a condition of it is not understood.
    """
    text = normalise(description)
    if not text.strip():
        raise BeyondRehearsal("The task is empty.")
    source = strip_list_marks(text)
    reading = _Reading(text)
    for clause in split_clauses(tokenize(source), source):
        _read_clause(clause, reading)
    if not reading.steps:
        reading.steps.append(not_rehearsed(text))
    return Reading(text, tuple(reading.steps), tuple(reading.numbers))


def not_rehearsed(text: str) -> Step:
    return Step(StepKind.NOT_REHEARSED, shortened(text), is_rehearsed=False)


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_DESCRIPTION else line[: MAX_DESCRIPTION - 1] + "…"


def _read_clause(clause: Clause, reading: _Reading) -> None:
    kind = _kind_of(clause, reading)
    if kind is StepKind.MAIL:
        _read_mail(clause, reading)
    elif kind is StepKind.ROUND:
        _read_round(clause, reading)
    elif kind is StepKind.ARITHMETIC:
        _read_arithmetic(clause, reading)
    elif kind is StepKind.NOT_REHEARSED:
        reading.last = not_rehearsed(clause.text)
        reading.steps.append(reading.last)
    else:
        _check_context(clause)
        if _continues_calculation(clause, reading):
            check_tail(clause.body)


def _kind_of(clause: Clause, reading: _Reading) -> StepKind | None:
    head, kinds = clause.head, {token.kind for token in clause.body}
    is_computed = bool(kinds & COMPUTED)
    if head in MAIL_HEADS:
        return StepKind.MAIL if Kind.EMAIL in kinds else StepKind.NOT_REHEARSED
    if _adds_to_mail(clause, reading):
        return StepKind.MAIL
    if head in ROUND_HEADS:
        return StepKind.ROUND
    if clause.is_label and not is_computed and _is_label(clause):
        return None
    if head in CALCULATE_HEADS or head in CALCULATION_VERBS or head in TENTATIVE_HEADS:
        needed = COMPUTED - {Kind.NUMBER, Kind.ODD} if head in TENTATIVE_HEADS else COMPUTED
        return StepKind.ARITHMETIC if kinds & needed else StepKind.NOT_REHEARSED
    return _kind_of_other(clause, is_computed=is_computed)


def _kind_of_other(clause: Clause, *, is_computed: bool) -> StepKind | None:
    words = {token.value for token in clause.tokens if token.kind is Kind.WORD}
    is_framing = not clause.head or clause.head in FRAMING_HEADS or bool(words & CONDITIONS)
    if not is_framing:
        return StepKind.NOT_REHEARSED
    if is_computed:
        return StepKind.ARITHMETIC
    return StepKind.NOT_REHEARSED if words & MODALS and clause.body else None


def _continues_calculation(clause: Clause, reading: _Reading) -> bool:
    """Whether a framing clause hangs by a comma or “and” on a calculation."""
    start = clause.tokens[0].start
    is_next = bool(reading.steps) and reading.steps[-1].kind in CALCULATIONS
    return is_next and bool(CONTINUES.search(reading.text[max(start - 10, 0) : start]))


def _is_label(clause: Clause) -> bool:
    return clause.head in CALCULATE_HEADS | FRAMING_HEADS | {"task", "step", "goal"} or (
        len(clause.tokens) == 1 and clause.head not in MODALS
    )


def _adds_to_mail(clause: Clause, reading: _Reading) -> bool:
    words = [token.value for token in clause.body[:4]]
    has_subject = "subject" in words and any(token.kind is Kind.QUOTED for token in clause.body)
    return reading.mail_place is not None and (clause.head in CARBON_COPY or has_subject)


def _check_context(clause: Clause) -> None:
    for token in clause.tokens:
        is_condition = token.kind is Kind.WORD and token.value in CONDITIONS
        if (is_condition and token in clause.body) or token.kind in COMPUTED or token.kind is Kind.EMAIL:
            raise BeyondRehearsal(
                f"It is not clear what “{token.text}” is for in “{shortened(clause.text)}”."
            )


def _read_mail(clause: Clause, reading: _Reading) -> None:
    place = reading.mail_place
    if clause.head in MAIL_HEADS or place is None:
        step = read_mail(clause.body[1:]) or not_rehearsed(clause.text)
        if step.kind is StepKind.MAIL:
            reading.mail_place = len(reading.steps)
        reading.steps.append(step)
    else:
        reading.steps[place] = read_addition(clause.body, reading.steps[place])


def _read_arithmetic(clause: Clause, reading: _Reading) -> None:
    expression = read_expression(clause.body, has_previous=reading.has_previous)
    reading.numbers += [token for token in clause.body if token.kind in {Kind.NUMBER, Kind.PERCENT}]
    _append(reading, _calculation(clause, reading, expression))


def _calculation(clause: Clause, reading: _Reading, expression: str) -> Step:
    currency = _currency(clause, reading, expression)
    description = shortened(clause.text)
    return Step(
        StepKind.ARITHMETIC,
        description,
        "calculate",
        "read",
        expression=expression,
        currency=currency,
    )


def _append(reading: _Reading, step: Step) -> None:
    reading.last = step
    reading.steps.append(step)


def _currency(clause: Clause, reading: _Reading, expression: str) -> str | None:
    used = {token.currency for token in clause.body if token.currency}
    if PREVIOUS in expression and reading.last and reading.last.currency:
        used.add(reading.last.currency)
    if len(used) > 1:
        raise BeyondRehearsal("A calculation mixes currencies, and rehearsal knows no exchange rates.")
    return next(iter(used), None)


def _read_round(clause: Clause, reading: _Reading) -> None:
    number, places = read_rounding(clause.body)
    if number is None and not reading.has_previous:
        raise BeyondRehearsal("There is no earlier result to round.")
    expression = rounded(number.value if number else PREVIOUS, places)
    reading.numbers += [number] if number else []
    step = _calculation(clause, reading, expression)
    _append(reading, replace(step, kind=StepKind.ROUND, places=places))
