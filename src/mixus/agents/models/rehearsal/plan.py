"""What a task means to the rehearsal: its steps, as values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREVIOUS: Final = "previous"
"""Stands in an expression for the result of the step before."""


class BeyondRehearsal(Exception):
    """The task holds a word or number that the grammar does not understand; the text is for people."""


class StepKind(StrEnum):
    """What a step does."""

    ARITHMETIC = "arithmetic"
    ROUND = "round"
    MAIL = "mail"
    NOT_REHEARSED = "not-rehearsed"


CALCULATIONS: Final = frozenset({StepKind.ARITHMETIC, StepKind.ROUND})


@dataclass(frozen=True)
class Step:
    """One step; `expression`, `currency`, `places` are for arithmetic, `to`, `cc`, `subject` for mail."""

    kind: StepKind
    description: str
    tool: str | None = None
    effect: str = "other"
    is_rehearsed: bool = True
    expression: str = ""
    currency: str | None = None
    places: int | None = None
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True)
class Rehearsal:
    """The steps of a task with its hints applied, and the hints that were not understood."""

    steps: tuple[Step, ...]
    unknown_hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanStep:
    """One line of the plan that people see."""

    step: int
    description: str
    effect: str
    stage: str | None = None


def plan_of(steps: tuple[Step, ...]) -> list[PlanStep]:
    return [
        PlanStep(number, step.description + ("" if step.is_rehearsed else " (not rehearsed)"), step.effect)
        for number, step in enumerate(steps, start=1)
    ]
