"""When a request is sent again, and after how long: pure rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from random import SystemRandom
from time import monotonic
from typing import Final

from mixus.client.calls import Call
from mixus.client.errors import MixusError, Unreachable, read_problem

# The first digit of a status of success.
SUCCESS: Final = 2
CONFLICT: Final = 409
TOO_MANY_REQUESTS: Final = 429
PASSING_FAILURES: Final = frozenset({500, 502, 503, 504})
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 8.0
# The server's rate window is 60 s, so nothing honest asks for more.
LONGEST_RETRY_AFTER_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    # Not shown: a server may repeat in it what it was sent.
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return self.status // 100 == SUCCESS


@dataclass(frozen=True)
class NoAnswer:
    """The request got none; `was_sent` says whether the server may have acted on it all the same."""

    detail: str
    was_sent: bool

    def error(self) -> MixusError:
        return Unreachable(self.detail, code="timeout" if self.was_sent else "unreachable")


Outcome = Answer | NoAnswer


def full_jitter(ceiling_seconds: float) -> float:
    return SystemRandom().uniform(0, ceiling_seconds)


@dataclass(frozen=True)
class Pace:
    """How often and how fast a client repeats; tests bring their own time and chance."""

    max_retries: int = 4
    jitter: Callable[[float], float] = full_jitter
    now_seconds: Callable[[], float] = monotonic

    def delay_seconds(self, call: Call, outcome: Outcome, repeats: int) -> float | None:
        """Return how long to wait before the next attempt, or None when this outcome is the last."""
        if repeats >= self.max_retries or not may_repeat(call, outcome):
            return None
        asked = retry_after_seconds(outcome)
        return self.backoff_seconds(repeats) if asked is None else asked

    def backoff_seconds(self, repeats: int) -> float:
        return self.jitter(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(repeats, 10)))


def may_repeat(call: Call, outcome: Outcome) -> bool:
    if isinstance(outcome, NoAnswer):
        return call.is_repeatable or not outcome.was_sent
    if outcome.status == CONFLICT:
        # Only the first attempt, still being worked on, is in the way.
        return read_problem(outcome.body).get("code") == "idempotency-in-progress"
    # A 429 was refused before anything was done.
    return outcome.status == TOO_MANY_REQUESTS or (call.is_repeatable and outcome.status in PASSING_FAILURES)


def may_have_counted(outcome: Outcome) -> bool:
    """Say whether the server may have acted although this outcome brings no result."""
    return outcome.was_sent if isinstance(outcome, NoAnswer) else outcome.status in PASSING_FAILURES


def retry_after_seconds(outcome: Outcome) -> float | None:
    """Return what `Retry-After` asks for, in seconds or as a date, up to the cap."""
    if isinstance(outcome, NoAnswer) or "retry-after" not in outcome.headers:
        return None
    value = outcome.headers["retry-after"].strip()
    is_number = value.isascii() and value.isdigit()
    seconds = float(value) if is_number else seconds_until(value, outcome.headers.get("date"))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def seconds_until(moment: str, server_now: str | None) -> float | None:
    """Measure by the server's own `Date`: a clock here that is wrong does no harm."""
    if server_now is None:
        return None
    try:
        return (parsedate_to_datetime(moment) - parsedate_to_datetime(server_now)).total_seconds()
    except (ValueError, TypeError):
        return None
