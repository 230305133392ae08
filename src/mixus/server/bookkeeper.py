"""Counts every answered request of a key, and writes the counts down once a second."""

import logging
import threading
from functools import lru_cache
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from mixus.core.clock import to_ms, utc_now
from mixus.core.database import Database
from mixus.keys import tokens, usage
from mixus.keys.usage import Batch, Cell, Last, Usage

WRITE_SECONDS: Final = 1.0
# What the door refused has come to no route; what it let in may have found none.
NO_ROUTE, UNKNOWN_ROUTE = "", "unknown"

log = logging.getLogger(__name__)


class Bookkeeper:
    """Owns the thread that writes. A killed process loses what it counted within the last second."""

    def __init__(self, database: Database) -> None:
        self.usage = Usage()
        self._database = database
        self._pending: Batch | None = None
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mixus-usage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """An orderly stop loses nothing."""
        self._stopping.set()
        self._thread.join()
        # What could not be written before, and then what was counted since.
        self.write()
        if self._pending is None and self.usage.is_due():
            self.write()

    def note(self, scope: Scope, key_id: str, status: int, refusal: str = "") -> None:
        """One answered request; `refusal` is the code with which the key itself was refused."""
        now_ms = to_ms(utc_now())
        state = scope["state"]
        route = NO_ROUTE if refusal else _route(scope)
        cell = Cell(key_id, usage.day_of(now_ms), route, status, refusal, state.get("asked_scope"))
        self.usage.note(cell, Last(now_ms, state["network"], _agent(scope)))

    def last_use(self, key_id: str) -> Last | None:
        """What this process has counted and may not have written yet: a receipt need not wait for it."""
        return self.usage.last_use(key_id)

    def write(self) -> None:
        """Write what was counted so far. What cannot be written is kept, and written with the next try."""
        with self._writing:
            try:
                if self._pending is None:
                    self._pending = self.usage.take()
                with self._database.transaction() as tx:
                    usage.write(tx, self.usage.writer_id, self._pending, utc_now())
                self._pending = None
            except SQLAlchemyError as error:
                log.warning("the use of keys could not be written (%s); trying again", type(error).__name__)

    def _run(self) -> None:
        while not self._stopping.wait(WRITE_SECONDS):
            if self._pending is not None or self.usage.is_due():
                try:
                    self.write()
                except Exception:
                    # Without this thread the counts would pile up unwritten, and nobody would know.
                    log.exception("counting the use of keys failed; trying again")


def _route(scope: Scope) -> str:
    """Its template: what a client writes into an address would make a row of its own each time."""
    route = scope.get("route")
    return UNKNOWN_ROUTE if route is None else f"{scope['method']} {route.path}"[:120]


def _agent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return _printable(value)[: usage.LONGEST_AGENT]
    return None


@lru_cache(maxsize=1024)
def _printable(agent: bytes) -> str:
    """There are few programs, and each calls often."""
    text = tokens.without_keys(agent.decode("ascii", "replace"))
    return "".join(character if character.isprintable() else "?" for character in text)
