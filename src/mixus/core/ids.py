"""Opaque public ids whose prefix says what they name."""

import secrets
from typing import Literal

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22
COUNT = len(ALPHABET) ** LENGTH

Prefix = Literal["usr", "key", "exe", "chk", "act", "evt", "req", "wrk"]


def new_id(prefix: Prefix) -> str:
    """`prefix_` and 22 random base62 characters (131 bits): no order and no time can be read from it."""
    number = secrets.randbelow(COUNT)
    characters = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return f"{prefix}_{''.join(characters)}"
