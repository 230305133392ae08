"""Bad keys in masses: from a network that sends too many of them, few reach the database.

Nobody with a good key is refused for long for what others in his network do: while they are at it, the hashes
of all keys are kept at hand, a second old at most, and a key among them is looked for as ever. One that is
younger still has its turn among the few, or a second later. Memory of this process alone, because a bad key
must cost no write anywhere.
"""

import time
from collections.abc import Callable
from typing import Final

from mixus.core.errors import TooManyRequests
from mixus.core.limits import MemoryLimiter, Policy

SECOND_NS: Final = 1_000_000_000
MOST_NOISY: Final = 10_000
# Keys that are looked for although nobody has heard of them, from a network that is over its limit.
LOOKS: Final = Policy(10, 1)


class Flood:
    """What is known of networks that sent bad keys. `stored` reads the hashes of all keys there are."""

    def __init__(
        self,
        failures: Policy,
        stored: Callable[[], frozenset[bytes]],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._failures = failures
        self._read_stored = stored
        self._clock = clock
        self._log = MemoryLimiter(clock)
        self._noisy_until: dict[str, int] = {}
        # No answer is taken from here, only the right to be looked for.
        self._stored: frozenset[bytes] = frozenset()
        self._stored_at: int | None = None

    def require_calm(self, network: str | None, lookup_hash: bytes) -> None:
        """Before the database is asked for this key; raises TooManyRequests."""
        place = network or ""
        if not self._is_noisy(place) or lookup_hash in self._known():
            return
        if not self._log.admit(f"look:{place}", LOOKS).is_admitted:
            raise _too_many(1)

    def note_failure(self, network: str | None) -> None:
        """A key was refused; raises TooManyRequests when it is one too many."""
        place = network or ""
        allowance = self._log.admit(f"failed:{place}", self._failures)
        if allowance.is_admitted:
            return
        if len(self._noisy_until) >= MOST_NOISY:
            self._noisy_until.clear()
        self._noisy_until[place] = self._clock() + allowance.wait_seconds * SECOND_NS
        raise _too_many(allowance.wait_seconds)

    def remember(self, lookup_hash: bytes) -> None:
        """This key is good, and from now on looked for."""
        if self._noisy_until and lookup_hash not in self._stored:
            self._stored |= {lookup_hash}

    def _is_noisy(self, place: str) -> bool:
        until = self._noisy_until.get(place)
        if until is None:
            return False
        if self._clock() < until:
            return True
        self._noisy_until.pop(place, None)
        return False

    def _known(self) -> frozenset[bytes]:
        now = self._clock()
        if self._stored_at is None or now - self._stored_at >= SECOND_NS:
            self._stored_at = now
            self._stored = self._read_stored()
        return self._stored


def _too_many(seconds: int) -> TooManyRequests:
    return TooManyRequests(
        f"Too many keys from your network were refused; correct yours and come back in {seconds} s.",
        retry_after_seconds=seconds,
    )
