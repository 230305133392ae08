"""Reads a clause that sends the result by mail."""

from dataclasses import dataclass
from typing import Final

from mixus.agents.models.rehearsal.plan import BeyondRehearsal, Step, StepKind
from mixus.agents.models.rehearsal.tokens import Kind, Token
from mixus.agents.models.rehearsal.words import CARBON_COPY, CONDITIONS, MAIL_WORDS, OPERATOR_LIKE

MAX_ADDRESSES: Final = 50
MAX_SUBJECT: Final = 200
FREE_AFTER: Final = frozenset({"for", "as"})
SUBJECT_WORDS: Final = frozenset({"subject", "titled", "line"})
IGNORED: Final = frozenset({Kind.COMMA, Kind.OPEN, Kind.CLOSE})


@dataclass
class _Draft:
    """What was read so far of one mail clause."""

    to: list[str]
    cc: list[str]
    descriptor: list[str]
    subject: str | None = None
    is_copy: bool = False
    mode: str = ""
    last_word: str = ""
    is_foreign: bool = False


def read_mail(tokens: tuple[Token, ...]) -> Step | None:
    """The mail of a clause, or None when it should carry something else than the result.

    Raises:
        BeyondRehearsal: a number or a condition stands in it.
    """
    draft = _Draft([], [], [])
    for token in tokens:
        _read(draft, token)
    _close_descriptor(draft)
    if draft.is_foreign:
        return None
    if not draft.to:
        raise BeyondRehearsal("A mail has a copy but nobody it is sent to.")
    return mail_step(tuple(dict.fromkeys(draft.to)), tuple(dict.fromkeys(draft.cc)), draft.subject)


def read_addition(tokens: tuple[Token, ...], step: Step) -> Step:
    """The mail before, with the copy or subject that a clause of its own adds."""
    draft = _Draft([], [], [], subject=step.subject)
    for token in tokens:
        _read(draft, token)
    _close_descriptor(draft)
    if draft.is_foreign or draft.to:
        raise BeyondRehearsal(f"“{tokens[0].text} …” is not clear for a mail.")
    return mail_step(step.to, tuple(dict.fromkeys((*step.cc, *draft.cc))), draft.subject)


def mail_step(to: tuple[str, ...], cc: tuple[str, ...], subject: str | None) -> Step:
    if len(to) > MAX_ADDRESSES or len(cc) > MAX_ADDRESSES:
        raise BeyondRehearsal(f"A mail goes to at most {MAX_ADDRESSES} addresses.")
    description = f"Send the result to {' and '.join(to)}"
    if cc:
        description += f", cc {' and '.join(cc)}"
    if subject is not None:
        description += f", with subject “{subject}”"
    return Step(StepKind.MAIL, description, "send_email", "send", to=to, cc=cc, subject=subject)


def clean_subject(quoted: str) -> str:
    """The words between quotation marks on one line, without control characters."""
    line = " ".join(quoted[1:-1].split())
    return "".join(character for character in line if character.isprintable())[:MAX_SUBJECT]


def merged(step: Step, *, to: tuple[str, ...] | None = None, cc: tuple[str, ...] = ()) -> Step:
    everyone = tuple(dict.fromkeys((*step.cc, *cc)))
    return mail_step(step.to if to is None else to, everyone, step.subject)


def _read(draft: _Draft, token: Token) -> None:
    if token.kind is Kind.WORD:
        _read_word(draft, token)
    elif token.kind is Kind.EMAIL:
        (draft.cc if draft.is_copy else draft.to).append(token.text)
        draft.mode = ""
        draft.descriptor.clear()
    elif token.kind is Kind.QUOTED and draft.last_word in SUBJECT_WORDS and draft.subject is None:
        draft.subject = clean_subject(token.text)
    elif token.kind not in IGNORED:
        raise BeyondRehearsal(f"“{token.text}” is not understood in a mail.")


def _read_word(draft: _Draft, token: Token) -> None:
    word = draft.last_word = token.value
    if word == "bcc" or word in CONDITIONS or word in OPERATOR_LIKE:
        raise BeyondRehearsal(f"The word “{token.text}” is beyond rehearsal in a mail.")
    if word in CARBON_COPY:
        _close_descriptor(draft)
        draft.is_copy, draft.mode = True, "to"
    elif word == "to":
        _close_descriptor(draft)
        draft.mode, draft.is_copy = "to", draft.is_copy and not draft.cc
    elif word in FREE_AFTER:
        _close_descriptor(draft)
        draft.mode = "free"
    elif word in SUBJECT_WORDS:
        draft.mode = ""
    elif draft.mode == "to":
        draft.descriptor.append(word)
    elif draft.mode != "free":
        draft.is_foreign = draft.is_foreign or word not in MAIL_WORDS


def _close_descriptor(draft: _Draft) -> None:
    """Words after “to” that reach no address do not describe a recipient."""
    draft.is_foreign = draft.is_foreign or any(word not in MAIL_WORDS for word in draft.descriptor)
    draft.descriptor.clear()
