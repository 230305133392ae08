"""Where a client is in an export: until it is open, what it has brought, and whether that was all."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mixus.client.calls import Call
from mixus.client.errors import AccessDenied, Unauthorized, Unreachable, unreadable
from mixus.client.flows import accept
from mixus.client.retries import Answer, Outcome, Pace
from mixus.client.wire import Json

JSONL: Final = "application/jsonl"
CSV: Final = "text/csv"
OK: Final = 200


class ExportStream:
    """Opened as often as it takes. Once it is open it is not taken up again: half of it is already out."""

    def __init__(self, call: Call, media_type: str, pace: Pace) -> None:
        self.call = call
        self._media_type = media_type
        self._pace = pace
        self._failures = 0
        self._end: Json | None = None
        self._rest = b""
        self.delay_seconds = 0.0

    def is_opened(self, status: int, headers: Mapping[str, str]) -> bool:
        content_type = headers.get("content-type", "")
        return status == OK and content_type.partition(";")[0].strip().lower() == self._media_type

    def failed(self, outcome: Outcome) -> None:
        """Take note that it was not opened; raises when that was the last attempt."""
        delay_seconds = self._pace.delay_seconds(self.call, outcome, self._failures)
        if delay_seconds is None:
            answer: Answer = accept(outcome)
            raise unreadable(answer.status, answer.headers)
        self._failures += 1
        self.delay_seconds = delay_seconds

    def received(self, piece: bytes) -> Iterator[Json]:
        """Yield the executions whose lines are whole. Only a line feed ends one: texts hold the others."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            wire = parsed(line)
            if "complete" in wire:
                self._end = wire
            else:
                yield wire

    def require_end(self) -> None:
        """Raise unless the server said that this was all. One that ends early says why, where it can."""
        if self._end is None:
            raise Unreachable(
                "The export broke off before it was complete; begin again, or go on with from_time.",
                code="unreachable",
            )
        if self._end.get("complete") is not True:
            code = str(self._end.get("code") or "unreachable")
            kind = Unauthorized if code.startswith("key-") else AccessDenied
            raise kind("The server ended the export: the key is no longer good for it.", code=code)


def parsed(line: bytes) -> Json:
    try:
        wire: Any = json.loads(line)
    except (ValueError, RecursionError):
        wire = None
    if not isinstance(wire, dict):
        raise unreadable(OK, {})
    return wire
