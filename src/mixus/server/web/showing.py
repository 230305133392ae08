"""How values read on a page: times, durations, money, states, and text that may hold anything."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from markupsafe import Markup

from mixus.core.clock import shown
from mixus.core.text import visible

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
# What follows from a form is said on the next page; the address carries a word of these and no sentence.
SAYINGS: Final[dict[str, str]] = {
    "saved": "Saved.",
    "role-saved": "The role is saved; it holds from the next request on.",
    "account-disabled": "The account is disabled. Its sessions have ended, and its keys are refused.",
    "account-enabled": "The account is enabled. Its password and its keys work again.",
    "person-signed-out": "All sessions of this person have ended.",
    "signed-out": "You are signed out.",
    "key-disabled": "The key is disabled: it is refused from its next request on.",
    "key-enabled": "The key is enabled again.",
    "asked": "The server was asked again; what stands below is how it is now.",
    "still-asked": "No answer came in time; the server is still being asked. Look again in a minute.",
    "cancelled": "The execution is cancelled.",
    "retried": "The same task runs again, as this new execution.",
    "deleted": "The execution is deleted.",
    "started": "The evaluation is started. This page follows it.",
    "started-unreached": (
        "The evaluation is started, but a reviewer of it cannot be reached: there is no account that may "
        "decide, and no mail that would arrive. Ask an admin for one, or assign another reviewer."
    ),
    "signed-out-everywhere": "You are signed out on all your devices.",
    "session-ended": "That session has ended.",
    "password-changed": "Your password is changed, and your other sessions have ended.",
    "password-set": "Your new password is set, and your older sessions have ended.",
    "first-account": "Your account is made, and you are signed in. The next step is an API key.",
    "welcome": "Welcome. Your account is made, and you are signed in.",
}


def said(word: str | None) -> str | None:
    return SAYINGS.get(word or "")


def when(moment: datetime) -> Markup:
    """An exact time; a script puts it into the reader's zone."""
    return _time(moment, f"{moment.day} {moment:%b %Y, %H:%M} UTC", "at")


# So that what was given for 90 days a moment ago ends in 90 days, and not in 89.
MINUTE: Final = timedelta(minutes=1)


def ago(moment: datetime, now: datetime) -> Markup:
    """How far away it is, before or after now; exact where the pointer rests."""
    distance = now - moment
    words = f"{span(distance)} ago" if distance >= timedelta() else f"in {span(MINUTE - distance)}"
    return _time(moment, "just now" if abs(distance) < timedelta(seconds=10) else words, "ago")


def after(moment: datetime, start: datetime) -> Markup:
    """How long after the start it was; exact where the pointer rests."""
    # The clock of another process may be behind ours.
    milliseconds = max((moment - start) // timedelta(milliseconds=1), 0)
    return _time(moment, f"+{duration(milliseconds)}", "after")


def span(distance: timedelta) -> str:
    """In the largest unit that fits: `3 days`."""
    milliseconds = distance // timedelta(milliseconds=1)
    for size, word in ((DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute")):
        if milliseconds >= size:
            return counted(milliseconds // size, word)
    return counted(max(milliseconds // SECOND_MS, 0), "second")


def duration(milliseconds: int | None) -> str:
    """`340 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    if milliseconds is None:
        return "—"
    if milliseconds < SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < MINUTE_MS:
        return f"{milliseconds / SECOND_MS:.1f} s"
    pairs = (
        (DAY_MS, "d", HOUR_MS, "h"),
        (HOUR_MS, "h", MINUTE_MS, "min"),
        (MINUTE_MS, "min", SECOND_MS, "s"),
    )
    for size, word, smaller, small_word in pairs:
        if milliseconds >= size:
            rest = milliseconds % size // smaller
            return f"{milliseconds // size} {word}" + (f" {rest} {small_word}" if rest else "")
    raise AssertionError("unreachable: a minute is at least a minute")


def counted(number: int, word: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {word}" if number == 1 else f"{number:,} {word}s"


def money(amount: float | None) -> str:
    """In dollars; what is not known is not zero."""
    if amount is None:
        return "—"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def number(value: float | None) -> str:
    return "—" if value is None else f"{value:,}"


def pretty(value: Any) -> str:
    """JSON in lines, with nothing hidden in it."""
    return visible(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _time(moment: datetime, text: str, kind: str) -> Markup:
    exact = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}" data-time="{}">{}</time>').format(
        shown(moment), exact, kind, text
    )


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "when": when,
    "ago": ago,
    "after": after,
    "span": span,
    "duration": duration,
    "counted": counted,
    "money": money,
    "number": number,
    "visible": visible,
    "pretty": pretty,
}
