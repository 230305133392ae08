"""What one method does over one or more requests, written once for both clients.

A flow yields attempts and is sent their outcomes; whoever drives it decides how to wait and how to send.
"""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, Generic, Literal, TypeVar

from mixus.client import calls
from mixus.client.answers import Execution, Status
from mixus.client.calls import Call
from mixus.client.errors import Conflict, ServerError, TimedOut, refusal, unreadable
from mixus.client.retries import Answer, NoAnswer, Outcome, Pace, may_have_counted
from mixus.client.wire import build

# How soon to ask again a server that answers a long poll at once although nothing changed.
UNHELD_DELAY_SECONDS: Final = 1.0
Result = TypeVar("Result")
Item = TypeVar("Item")
Until = Literal["checkpoint", "final"]


@dataclass(frozen=True)
class Attempt:
    call: Call
    delay_seconds: float = 0.0


Flow = Generator[Attempt, Outcome, Result]


@dataclass(frozen=True)
class Page(Generic[Item]):
    items: tuple[Item, ...]
    # The call for the next page.
    following: Call | None


def fetch(call: Call, model: type[Result], pace: Pace, delay_seconds: float = 0.0) -> Flow[Result]:
    answer = yield from exchange(call, pace, delay_seconds)
    return parse(answer, lambda wire: build(model, wire))


def finish(call: Call, pace: Pace) -> Flow[None]:
    yield from exchange(call, pace)


def page(call: Call, model: type[Item], pace: Pace) -> Flow[Page[Item]]:
    answer = yield from exchange(call, pace)

    def read(wire: Any) -> Page[Item]:
        cursor = wire.get("nextCursor")
        if cursor is not None and cursor == call.query.get("cursor"):
            raise ValueError("The page leads to itself.")
        following = replace(call, query={**call.query, "cursor": cursor}) if cursor else None
        return Page(tuple(build(model, item) for item in wire["items"]), following)

    return parse(answer, read)


def cancel(execution_id: str, pace: Pace) -> Flow[Status]:
    try:
        return (yield from fetch(calls.cancel(execution_id), Status, pace))
    except Conflict as conflict:
        if not conflict.is_after_lost_answer:
            raise
        status = yield from fetch(calls.status(execution_id), Status, pace)
        if status.status != "cancelled":
            raise
        return status


def wait(execution_id: str, until: Until, timeout_seconds: float | None, pace: Pace) -> Flow[Status]:
    return wait_until(execution_id, lambda status: has_reached(status, until), timeout_seconds, pace)


def wait_until(
    execution_id: str, is_so: Callable[[Status], bool], timeout_seconds: float | None, pace: Pace
) -> Flow[Status]:
    deadline = None if timeout_seconds is None else pace.now_seconds() + timeout_seconds
    status = yield from fetch(calls.status(execution_id), Status, pace)
    delay_seconds = 0.0
    while not is_so(status):
        wait_ms = held_ms(deadline, delay_seconds, pace)
        if wait_ms <= 0:
            raise TimedOut(
                f"The execution is still {status.status}; wait longer or read its status.", code="timed-out"
            )
        asked_at = pace.now_seconds() + delay_seconds
        call = calls.status(execution_id, wait_ms, status.version)
        status = yield from fetch(call, Status, pace, delay_seconds)
        was_held = pace.now_seconds() - asked_at >= min(UNHELD_DELAY_SECONDS, wait_ms / 1000)
        has_news = status.version != call.query["since"]
        delay_seconds = 0.0 if was_held or has_news else UNHELD_DELAY_SECONDS
    return status


def exchange(call: Call, pace: Pace, delay_seconds: float = 0.0) -> Flow[Answer]:
    """Send until there is an answer to keep, or raise what the last one stands for."""
    has_lost_answer = False
    for repeats in count():
        outcome = yield Attempt(call, delay_seconds)
        next_delay_seconds = pace.delay_seconds(call, outcome, repeats)
        if next_delay_seconds is None:
            break
        delay_seconds = next_delay_seconds
        has_lost_answer = has_lost_answer or may_have_counted(outcome)
    return accept(outcome, is_after_lost_answer=has_lost_answer)


def accept(outcome: Outcome, *, is_after_lost_answer: bool = False) -> Answer:
    if isinstance(outcome, Answer) and outcome.is_success:
        return outcome
    if isinstance(outcome, NoAnswer):
        error = outcome.error()
    else:
        error = refusal(outcome.status, outcome.headers, outcome.body)
    error.is_after_lost_answer = is_after_lost_answer
    raise error


def parse(answer: Answer, read: Callable[[Any], Result]) -> Result:
    problem: ServerError
    try:
        return read(json.loads(answer.body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        problem = unreadable(answer.status, answer.headers)
    raise problem


def has_reached(execution: Execution, until: Until) -> bool:
    return execution.is_final or (until == "checkpoint" and execution.is_awaiting)


def held_ms(deadline_seconds: float | None, delay_seconds: float, pace: Pace) -> int:
    if deadline_seconds is None:
        return calls.LONGEST_WAIT_MS
    left_seconds = deadline_seconds - pace.now_seconds() - delay_seconds
    return min(calls.LONGEST_WAIT_MS, int(left_seconds * 1000))
