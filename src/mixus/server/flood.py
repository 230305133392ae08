"""Bad keys in masses: from a network that sends too many of them, few reach the database.

Nobody with a good key is refused for what others in his network do: a key that was good before is always
looked for, and a new one has its turn among the few. Memory of this process alone, because a bad key must
cost no write anywhere.
"""

import time
from collections.abc import Callable
from typing import Final

from mixus.core.errors import TooManyRequests
from mixus.core.limits import MemoryLimiter, Policy

# Keys that are still looked for, from a network that is over its limit.
LOOKS: Final = Policy(10, 1)
MOST_KNOWN: Final = 10_000
MOST_NOISY: Final = 10_000


class Flood:
    """What is known of networks that sent bad keys, and of keys that were good."""

    def __init__(self, failures: Policy, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._failures = failures
        self._clock = clock
        self._log = MemoryLimiter(clock)
        self._noisy_until: dict[str, int] = {}
        # No answer is taken from here, only the right to be looked for.
        self._known: dict[bytes, None] = {}

    def require_calm(self, network: str | None, lookup_hash: bytes) -> None:
        """Before the database is asked; raises TooManyRequests."""
        place = network or ""
        until = self._noisy_until.get(place)
        if until is None or lookup_hash in self._known:
            return
        if self._clock() >= until:
            self._noisy_until.pop(place, None)
        elif not self._log.admit(f"look:{place}", LOOKS).is_admitted:
            raise _too_many(1)

    def note_failure(self, network: str | None) -> None:
        """A key was refused; raises TooManyRequests when it is one too many."""
        place = network or ""
        allowance = self._log.admit(f"failed:{place}", self._failures)
        if allowance.is_admitted:
            return
        if len(self._noisy_until) >= MOST_NOISY:
            self._noisy_until.clear()
        self._noisy_until[place] = self._clock() + allowance.wait_seconds * 1_000_000_000
        raise _too_many(allowance.wait_seconds)

    def remember(self, lookup_hash: bytes) -> None:
        """This key is good."""
        if lookup_hash not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[lookup_hash] = None


def _too_many(seconds: int) -> TooManyRequests:
    return TooManyRequests(
        f"Too many keys from your network were refused; correct yours and come back in {seconds} s.",
        retry_after_seconds=seconds,
    )
