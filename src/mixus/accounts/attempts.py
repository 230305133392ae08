"""How often passwords may be guessed: per network and address, per network, and per address."""

import hashlib
from typing import Final

from mixus.core.errors import TooManyRequests
from mixus.core.limits import Limiter, Policy

QUARTER_SECONDS, HOUR_SECONDS = 900, 3600

PER_PAIR: Final = Policy(10, QUARTER_SECONDS)
# Bounds how many names one network can make: each is kept for as long as its window.
PER_NETWORK_TRIES: Final = Policy(600, QUARTER_SECONDS)
PER_NETWORK: Final = Policy(60, QUARTER_SECONDS)
PER_EMAIL: Final = Policy(100, HOUR_SECONDS)


def admit(limiter: Limiter, network: str | None, email: str) -> None:
    """Count an attempt before its password is looked at, so that parallel guesses count too.

    The narrowest first: whoever has used up his own guesses takes none from his network or from the person.
    """
    where = network or "unknown"
    windows = (
        (_name("tries", where), PER_NETWORK_TRIES),
        (_pair(network, email), PER_PAIR),
        (_name("network", where), PER_NETWORK),
        (_name("email", email), PER_EMAIL),
    )
    for name, policy in windows:
        allowance = limiter.admit(name, policy)
        if not allowance.is_admitted:
            raise TooManyRequests(
                f"There were too many attempts to sign in; try again in {allowance.wait_seconds} s.",
                retry_after_seconds=allowance.wait_seconds,
            )


def forgive(limiter: Limiter, network: str | None, email: str) -> None:
    """After the right password: the person's own slips do not add up over the day."""
    limiter.forget(_pair(network, email))


def _pair(network: str | None, email: str) -> str:
    return _name("pair", f"{network or 'unknown'} {email}")


def _name(kind: str, text: str) -> str:
    """Hashed, because the names are stored and an address is nobody else's business."""
    return f"sign-in:{kind}:{hashlib.sha256(text.encode()).hexdigest()}"
