"""What a reviewer is told by mail: what is real, what is asked, what exactly would happen, and until when.

Every line that an agent or a client wrote stands behind a bar, so that none passes for one of ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

import orjson

from mixus.core.database import Row
from mixus.core.settings import ReviewLinks
from mixus.core.text import shortened, visible
from mixus.evals import asks, timeouts
from mixus.evals.lifecycle import Environment, OnTimeout
from mixus.evals.review_links import signature
from mixus.worker.mails import Envelope, Letterhead, in_one_line, spelled, written

LONGEST_NAME: Final = 80
LONGEST_QUESTION: Final = 200
MOST_SAID: Final = 4_000
MOST_ACTIONS: Final = 6_000
MOST_WORK: Final = 1_500
CUT: Final = "  (Cut here; open the page for all of it.)"
BAR: Final = "  | "
REAL: Final = {Environment.SANDBOX: "Practice", Environment.LIVE: "LIVE"}
MEANING: Final = {
    Environment.SANDBOX: "Practice (sandbox): nothing of it is done for real, whatever you decide.",
    Environment.LIVE: "LIVE: what you approve happens for real.",
}
INTRODUCTIONS: Final = {
    asks.AWAITING: "An agent waits for your decision.",
    asks.ESCALATED: "{before} has not decided in time.\nThe decision is yours now.",
    asks.REASSIGNED: "You are the reviewer of this from now on (before you: {before}).",
}
ENDS: Final = {
    OnTimeout.EXPIRE: "it expires, and nothing of it is done.",
    OnTimeout.REJECT: "it is rejected, and nothing of it is done.",
}
WITH_LINK: Final = {
    ReviewLinks.DECIDE: (
        "Opening it decides nothing: you decide on the page. The link is\n"
        "for you alone and for this one checkpoint. Whoever has it can\n"
        "decide in your name, so do not pass it on."
    ),
    ReviewLinks.VIEW: (
        "Opening it decides nothing: to decide you sign in. The link is\n"
        "for you alone and for this one checkpoint, so do not pass it on."
    ),
}
SIGN_IN: Final = "It needs a sign-in. Opening it decides nothing."
DIGEST: Final = (
    "{count} checkpoints wait for your decision.\n"
    "Each link opens one of them; opening it decides nothing.{rest}"
)


def compose(
    asked: Sequence[Row], recipient: str, delivery_id: str, head: Letterhead, now: datetime
) -> EmailMessage:
    """One checkpoint with all of what is needed, or a list of several: rows of `news.outstanding`."""
    envelope = Envelope(recipient, delivery_id, now)
    if len(asked) == 1:
        return _single(asked[0], envelope, head)
    real = sum(row["environment"] is Environment.LIVE for row in asked)
    subject = f"{len(asked)} reviews wait for you" + (f", {real} of them LIVE" if real else "")
    rest = (
        "\nThey are for you alone, so do not pass them on."
        if any(_is_signed(row, head) for row in asked)
        else ""
    )
    parts = [DIGEST.format(count=len(asked), rest=rest), *(_entry(row, head) for row in asked)]
    return written(head, envelope, subject, parts)


def _single(row: Row, envelope: Envelope, head: Letterhead) -> EmailMessage:
    name = _named(row["task_name"])
    parts = [
        MEANING[row["environment"]],
        INTRODUCTIONS[row["kind"]].format(before=visible(str(row["data"]["before"]))),
        _facts(row),
        *_section("The question:", row["verification_question"]),
        *_section("What it is about:", row["description"]),
        _actions(row["proposed_actions"]),
        *_section("The work so far, newest last:", row["work"], MOST_WORK, is_end=True),
        *_deadline(row),
        f"Open the page to decide:\n\n  {_address(row, head)}",
        WITH_LINK[head.links] if _is_signed(row, head) else SIGN_IN,
    ]
    return written(head, envelope, f"{REAL[row['environment']]}: please review “{name}”", parts)


def _entry(row: Row, head: Letterhead) -> str:
    question = _quoted(
        in_one_line(visible(row["verification_question"] or row["description"])), LONGEST_QUESTION
    )
    due = f"\n  until {spelled(row['due_at'])}" if row["due_at"] else ""
    return f"{REAL[row['environment']]}: {_named(row['task_name'])}\n{question}{due}\n  {_address(row, head)}"


def _named(name: str) -> str:
    return shortened(in_one_line(visible(name)), LONGEST_NAME)


def _facts(row: Row) -> str:
    facts = {"task": _named(row["task_name"]), "stage": _named(row["stage"]), "attempt": str(row["attempt"])}
    return "\n".join(f"  {label:<9}{fact}" for label, fact in facts.items())


def _section(title: str, text: str | None, most: int = MOST_SAID, *, is_end: bool = False) -> Iterator[str]:
    if text:
        yield f"{title}\n\n{_quoted(visible(text), most, is_end=is_end)}"


def _actions(actions: Sequence[Mapping[str, Any]]) -> str:
    if not actions:
        return "It holds no action back: it asks whether its work is right."
    shown = "\n".join(_action(number, action) for number, action in enumerate(actions, start=1))
    return f"If you approve, exactly this may happen:\n\n{_quoted(shown, MOST_ACTIONS)}"


def _action(number: int, action: Mapping[str, Any]) -> str:
    head = f"{number}. {in_one_line(visible(action['tool']))} ({action['effect']})"
    return "\n".join([head, *(_argument(name, value) for name, value in action["arguments"].items())])


def _argument(name: str, value: Any) -> str:
    """A text as it is, of many lines one below the other; all else as JSON."""
    label = in_one_line(visible(name))
    text = visible(value if isinstance(value, str) else orjson.dumps(value).decode())
    if "\n" not in text:
        return f"   {label}: {text}"
    return "\n".join([f"   {label}:", *(f"     {line}" for line in text.split("\n"))])


def _quoted(text: str, most: int, *, is_end: bool = False) -> str:
    """Behind bars, and at most so much of it: the beginning, or the end."""
    kept = text[-most:] if is_end else text[:most]
    bars = "\n".join(f"{BAR}{line}" for line in kept.split("\n"))
    if len(text) <= most:
        return bars
    return f"{CUT}\n{bars}" if is_end else f"{bars}\n{CUT}"


def _deadline(row: Row) -> Iterator[str]:
    if row["due_at"] is None:
        return
    end = ENDS[row["on_review_timeout"] or OnTimeout.EXPIRE]
    if timeouts.escalates(row):
        end = f"{visible(row['escalate_to'])} is asked in your place."
    yield f"Until {spelled(row['due_at'])}.\nIf nobody has decided by then, {end}"


def _address(row: Row, head: Letterhead) -> str:
    if not _is_signed(row, head):
        return f"{head.public_url}/review/{row['id']}"
    return f"{head.public_url}/r/{row['id']}/{signature(head.secret, row['id'], row['assigned_reviewer'])}"


def _is_signed(row: Row, head: Letterhead) -> bool:
    """What is real needs a sign-in."""
    return head.links is not ReviewLinks.OFF and row["environment"] is not Environment.LIVE
