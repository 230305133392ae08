"""Applies a reviewer's hints to a task: a hint changes exactly one thing, or it is not understood."""

import re
from dataclasses import dataclass, replace
from typing import Final

from mixus.agents.models.rehearsal.grammar import Reading, read_task
from mixus.agents.models.rehearsal.mail import clean_subject, mail_step, merged
from mixus.agents.models.rehearsal.plan import CALCULATIONS, BeyondRehearsal, Rehearsal, Step, StepKind
from mixus.agents.models.rehearsal.rounding import read_rounding, rounded
from mixus.agents.models.rehearsal.tokens import Kind, Token, normalise, tokenize

KNOWN_HINTS: Final = (
    "round to N decimals, use N % instead, use N instead, cc ADDRESS, send to ADDRESS, subject “…”"
)
MAX_HINT_CHARACTERS: Final = 1000
PART: Final = re.compile(
    r"\s*(?:[;\n]+|[.!]+(?=\s|$)|,?\s+(?:and then|and|then)\s+"
    r"(?=(?:also )?(?:round|use|take|cc|copy|send|e-?mail|subject|with)\b))\s*",
    re.IGNORECASE,
)
ADDRESS: Final = r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"
ADDRESSES: Final = rf"({ADDRESS}(?:(?:\s*,\s*|\s+and\s+){ADDRESS})*)"
COPY: Final = re.compile(
    rf"(?:also )?(?:cc|copy|add)(?: to)?:? {ADDRESSES}"
    r"(?: (?:in|on|as|to) (?:the )?(?:cc|copy))?(?: too| as well)?",
)
SEND: Final = re.compile(
    r"(also )?(?:send|e-?mail|mail)(?: it| the result| this| that| the e-?mail| the mail)?( also)?(?: to)? "
    rf"{ADDRESSES}( instead| too| as well)?",
)
QUOTES: Final = re.compile(r"\"[^\"]+\"|“[^”]+”|'[^']+'|\u2018[^\u2019]+\u2019|«[^»]+»")
SUBJECT: Final = re.compile(r"(?:(?:use|with|change|set) )?(?:the )?subject(?: line)?(?: to| is|:)? (\S.*\S)")
NUMBER: Final = re.compile(r"(?:(?:use|take) )(.+?)(?: instead)?(?: of (.+?))?(?: instead)?")
FILLER: Final = frozenset({"a", "an", "the", "rate", "of", "please"})


@dataclass(frozen=True)
class Draft:
    """A task's reading with what the hints so far changed."""

    reading: Reading
    steps: tuple[Step, ...]


def parse(description: str, hints: list[str]) -> Rehearsal:
    """The steps of a task with its hints applied in order.

    Raises:
        BeyondRehearsal: the task holds what the grammar does not understand.
    """
    reading = read_task(description)
    draft, unknown = Draft(reading, reading.steps), []
    for hint in hints:
        changed = _with_hint(draft, hint)
        if changed is None:
            unknown.append(hint)
        draft = changed or draft
    return Rehearsal(draft.steps, tuple(unknown))


def _with_hint(draft: Draft, hint: str) -> Draft | None:
    """The draft with every part of the hint applied, or None when one part is not understood."""
    if len(hint) > MAX_HINT_CHARACTERS:
        return None
    parts = [part for part in PART.split(normalise(hint)) if part.strip(" ,")]
    changed: Draft | None = draft if parts else None
    for part in parts:
        if changed is None:
            return None
        changed = _attempted(
            changed, re.sub(r"^(?:please|kindly)\s+|\s+please$", "", part.strip(" ,"), flags=re.IGNORECASE)
        )
    return changed


def _attempted(draft: Draft, part: str) -> Draft | None:
    try:
        return _with_part(draft, part)
    except BeyondRehearsal:
        return None


def _with_part(draft: Draft, part: str) -> Draft | None:
    text = " ".join(part.split())
    lowered = text.lower()
    if lowered.startswith("round"):
        return _with_rounding(draft, text)
    if match := COPY.fullmatch(lowered):
        return _with_mail(draft, cc=_addresses(text, match.span(1)))
    if match := SEND.fullmatch(lowered):
        is_more = bool(match.group(1) or match.group(2)) or match.group(4) in {" too", " as well"}
        return _with_recipients(draft, _addresses(text, match.span(3)), is_more=is_more)
    if match := SUBJECT.fullmatch(lowered):
        return _with_subject(draft, text[slice(*match.span(1))])
    if match := NUMBER.fullmatch(lowered):
        return _with_number(draft, match.group(1), match.group(2))
    return None


def _addresses(text: str, span: tuple[int, int]) -> tuple[str, ...]:
    return tuple(re.findall(ADDRESS, text[slice(*span)]))


def _with_rounding(draft: Draft, text: str) -> Draft | None:
    number, places = read_rounding(tuple(tokenize(text)))
    found = [place for place, step in enumerate(draft.steps) if step.kind in CALCULATIONS]
    if number is not None or not found:
        return None
    step = draft.steps[found[-1]]
    expression = step.expression
    if step.places is not None:
        # Rounding what is rounded already would not be rounding: the new one replaces the old one.
        expression = expression.removeprefix("round(").removesuffix(f", {step.places})")
    changed = replace(
        step,
        description=f"{step.description}, rounded to {places} decimals",
        expression=rounded(expression, places),
        places=places,
    )
    return _with_step(draft, found[-1], changed)


def _with_step(draft: Draft, place: int, step: Step) -> Draft:
    return replace(draft, steps=(*draft.steps[:place], step, *draft.steps[place + 1 :]))


def _mail_place(draft: Draft) -> int | None:
    found = [place for place, step in enumerate(draft.steps) if step.kind is StepKind.MAIL]
    return found[0] if len(found) == 1 else None


def _with_mail(draft: Draft, cc: tuple[str, ...]) -> Draft | None:
    place = _mail_place(draft)
    return None if place is None else _with_step(draft, place, merged(draft.steps[place], cc=cc))


def _with_recipients(draft: Draft, to: tuple[str, ...], *, is_more: bool) -> Draft | None:
    place = _mail_place(draft)
    if place is None:
        return None
    step = draft.steps[place]
    everyone = tuple(dict.fromkeys((*step.to, *to) if is_more else to))
    return _with_step(draft, place, merged(step, to=everyone))


def _with_subject(draft: Draft, quoted: str) -> Draft | None:
    place = _mail_place(draft)
    is_quoted = bool(QUOTES.fullmatch(quoted))
    if place is None or not is_quoted:
        return None
    step = draft.steps[place]
    return _with_step(draft, place, mail_step(step.to, step.cc, clean_subject(quoted)))


def _with_number(draft: Draft, new: str, old: str | None) -> Draft | None:
    fresh, stale = _lone_number(new), _lone_number(old) if old else None
    if fresh is None or (old and stale is None):
        return None
    found = [token for token in draft.reading.numbers if _fits(token, fresh, stale)]
    if len(found) != 1:
        return None
    token = found[0]
    text = draft.reading.text
    literal = fresh.text if fresh.currency or not token.currency else token.currency + fresh.value
    return _carried(draft, read_task(text[: token.start] + literal + text[token.end :]))


def _fits(token: Token, fresh: Token, stale: Token | None) -> bool:
    if token.kind is not fresh.kind or (fresh.currency and not token.currency):
        return False
    return stale is None or (stale.kind is token.kind and stale.value == token.value)


def _lone_number(text: str) -> Token | None:
    tokens = [token for token in tokenize(text) if token.value not in FILLER]
    is_number = len(tokens) == 1 and tokens[0].kind in {Kind.NUMBER, Kind.PERCENT}
    return tokens[0] if is_number else None


def _carried(draft: Draft, reading: Reading) -> Draft | None:
    """The new reading with what earlier hints changed in the steps of the old one."""
    if len(reading.steps) != len(draft.steps):
        return None
    steps = list(reading.steps)
    for place, (before, held) in enumerate(zip(draft.reading.steps, draft.steps, strict=True)):
        if held == before:
            continue
        if held.kind is StepKind.MAIL:
            steps[place] = held
        elif held.places is not None:
            plain = steps[place].expression
            if before.places is not None:
                plain = plain.removeprefix("round(").removesuffix(f", {before.places})")
            steps[place] = replace(
                steps[place],
                description=f"{steps[place].description}, rounded to {held.places} decimals",
                expression=rounded(plain, held.places),
                places=held.places,
            )
    return Draft(reading, tuple(steps))
