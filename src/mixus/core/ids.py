"""Opaque public ids whose prefix says what they name."""

import secrets
from typing import Literal

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22
# Each character has four bytes; the eight bytes that are left over are thrown away, so that none is likelier.
CHARACTERS = (ALPHABET * 4 + ALPHABET[:8]).encode()
UNEVEN = bytes(range(4 * len(ALPHABET), 256))
SPARE_LENGTH = 32

Prefix = Literal["usr", "key", "exe", "chk", "act", "evt", "req", "wrk", "ses", "lnk", "dlv"]


def new_id(prefix: Prefix) -> str:
    """`prefix_` and 22 random base62 characters (131 bits): no order and no time can be read from it."""
    characters = b""
    while len(characters) < LENGTH:
        characters += secrets.token_bytes(SPARE_LENGTH).translate(CHARACTERS, UNEVEN)
    return f"{prefix}_{characters[:LENGTH].decode()}"
