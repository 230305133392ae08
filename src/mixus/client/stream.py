"""Where a client is in an execution's events, over any number of connections."""

import json
from dataclasses import replace
from typing import Final

import httpx2

from mixus.client import calls
from mixus.client.answers import Event
from mixus.client.calls import Call
from mixus.client.errors import unreadable
from mixus.client.flows import accept
from mixus.client.retries import LONGEST_RETRY_AFTER_SECONDS, Outcome, Pace

# On top of the usual time-out. The server comments every 15 s: when two are missing, the connection is dead.
SILENCE_SECONDS: Final = 30.0
CLOSING_KINDS: Final = frozenset({"end", "closed", "deleted", "revoked"})
NO_CONTENT: Final = 204


class EventStream:
    """Counts what was delivered, and says when to connect again and when all is over."""

    def __init__(self, execution_id: str, last_event_id: str | None, pace: Pace) -> None:
        self.execution_id = execution_id
        self._last_event_id = last_event_id
        self._pace = pace
        self._failures = 0
        self._quiet_ends = 0
        self._retry_seconds: float | None = None
        self.is_closed = False
        self.delay_seconds = 0.0

    def call(self) -> Call:
        return replace(calls.events(self.execution_id, self._last_event_id), held_seconds=SILENCE_SECONDS)

    def opened(self) -> None:
        self._failures = 0

    def received(self, message: httpx2.ServerSentEvent) -> Event | None:
        if message.retry is not None:
            self._retry_seconds = min(message.retry / 1000, LONGEST_RETRY_AFTER_SECONDS)
        if message.id:
            self._last_event_id = message.id
        if not message.data:
            return None
        self._quiet_ends = 0
        self.is_closed = message.event in CLOSING_KINDS
        return read(message, is_closing=self.is_closed)

    def failed(self, outcome: Outcome) -> None:
        """Take note that no stream was opened; raises when that was the last attempt."""
        delay_seconds = self._pace.delay_seconds(self.call(), outcome, self._failures)
        if delay_seconds is None:
            answer = accept(outcome)
            if answer.status != NO_CONTENT:
                raise unreadable(answer.status, answer.headers)
            # 204 is how a server ends a stream for good.
            self.is_closed = True
            return
        self._failures += 1
        self.delay_seconds = delay_seconds

    def ended(self) -> bool:
        """Take note that an open stream ended or broke; say whether to ask if the execution did too."""
        self._quiet_ends += 1
        backoff_seconds = self._pace.backoff_seconds(self._quiet_ends - 1)
        self.delay_seconds = backoff_seconds if self._retry_seconds is None else self._retry_seconds
        # The first end may be a restart of the server; a second one without any news may be the end of all.
        return self._quiet_ends > 1


def read(message: httpx2.ServerSentEvent, *, is_closing: bool) -> Event:
    try:
        data = json.loads(message.data)
    except (ValueError, RecursionError):
        data = {}
    data = data if isinstance(data, dict) else {}
    kind = message.event if message.event != "message" else str(data.get("kind", "message"))
    return Event(id=message.id, kind=kind, data=data, is_closing=is_closing)
