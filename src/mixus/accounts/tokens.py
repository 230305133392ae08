"""Secrets that open a session or a link: 256 random bits, of which only the SHA-256 is stored.

They are random and not chosen, so that a fast hash is enough: there is nothing to guess.
"""

import hashlib
import re
import secrets
from typing import Final

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def generate() -> tuple[str, bytes]:
    """A new token, and what is stored of it."""
    token = secrets.token_urlsafe(32)
    return token, _hash(token)


def digest(token: str) -> bytes | None:
    """What a token is found by; None for a text that cannot be one, for which no database is asked."""
    return _hash(token) if _SHAPE.fullmatch(token) else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
