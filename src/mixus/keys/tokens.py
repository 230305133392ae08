"""The text of a key: how one is made, and what exactly is wrong with one that cannot be."""

import re
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from mixus.core.errors import BadRequest, Unauthorized
from mixus.core.ids import ALPHABET

PREFIX = "mxs_eval_"
RANDOM_LENGTH = 26
CHECKSUM_LENGTH = 6
LENGTH = len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
# Printed in documents, so never issued, and refused before the database is asked.
PUBLISHED = frozenset(
    {
        "mxs_eval_000000000000000000000000003ioNjy",
        "mxs_eval_zzzzzzzzzzzzzzzzzzzzzzzzzz3mmaxv",
        "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH",
    }
)
LONGEST_HEADER = 256
HOW_TO_SEND = f"send `Authorization: Bearer {PREFIX}…`"

_SHAPE = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")
_PRINTABLE = re.compile(rb"[\x20-\x7e]*")
_FOREIGN = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True)
class Defect:
    """Why a text is no key: a code for programs, a sentence for people, and no part of the text."""

    code: str
    detail: str


def generate() -> str:
    """A new key of 155 random bits, from the system's source of randomness."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 in base62. It covers the prefix, so that a body under another prefix fails too."""
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def check(text: str) -> Defect | None:
    """What is wrong with a key, as far as its text alone can tell."""
    if _SHAPE.fullmatch(text) is None:
        return Defect("key-malformed", _misshape(text))
    if checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return Defect(
            "key-checksum",
            "The key's checksum does not fit: a character is wrong or misplaced; copy the whole key again.",
        )
    if text in PUBLISHED:
        return Defect("key-unknown", "This key is an example from the documentation; use one of your own.")
    return None


def parse_bearer(values: Sequence[bytes]) -> str:
    """The key in a request's `Authorization` headers, all of them, as raw bytes.

    Bytes, because text is treacherous here: `str.strip` removes 0x85, and `str.lower` turns the Kelvin sign
    into a `k`.
    """
    if not values:
        raise Unauthorized(f"The request has no key; {HOW_TO_SEND}.")
    if len(values) > 1:
        raise BadRequest("The request has more than one Authorization header; send exactly one.")
    token = _credentials(values[0])
    defect = check(token)
    if defect is not None:
        raise Unauthorized(defect.detail, code=defect.code)
    return token


def mask(token: str) -> str:
    """What of a key may be shown: the last four characters, which belong to the checksum."""
    return f"{PREFIX}…{token[-4:]}"


def contains_key(text: str) -> bool:
    return _SHAPE.search(text) is not None


def without_keys(text: str) -> str:
    """The text with each key in it masked, wherever it came from: nobody is told a secret again."""
    return _SHAPE.sub(f"{PREFIX}…", text) if PREFIX in text else text


def _credentials(header: bytes) -> str:
    """What follows the word Bearer. A header that carries no key at all counts as none (RFC 6750, 3.1)."""
    if len(header) > LONGEST_HEADER:
        raise Unauthorized(
            f"The Authorization header is longer than {LONGEST_HEADER} bytes; {HOW_TO_SEND}.",
            code="key-malformed",
        )
    if _PRINTABLE.fullmatch(header) is None:
        raise Unauthorized(
            "The Authorization header holds a character that is not printable ASCII, such as a tab, a line "
            "break or a letter of another alphabet; copy the key again.",
            code="key-malformed",
        )
    scheme, _, rest = header.partition(b" ")
    if scheme.lower() != b"bearer":
        raise _without_bearer(header)
    token = rest.lstrip(b" ").decode("ascii")
    if not token:
        raise Unauthorized(f"The Authorization header has no key after the word Bearer; {HOW_TO_SEND}.")
    return token


def _without_bearer(header: bytes) -> Unauthorized:
    if PREFIX.encode() in header.lower():
        return Unauthorized(
            f"The word Bearer and a space must stand before the key; {HOW_TO_SEND}.", code="key-malformed"
        )
    return Unauthorized(f"The Authorization header does not use the scheme Bearer; {HOW_TO_SEND}.")


def _misshape(text: str) -> str:
    """The first thing to mend, most telling first: quotes and spaces also spoil prefix and length."""
    if text[:1] in {'"', "'", "<", "`"}:
        return "The key stands in quotation marks or brackets; send it without them."
    if " " in text.strip(" "):
        return "The key has a space inside; copy it again in one piece."
    if text != text.strip(" "):
        return "The key has a space before or after it; send it without."
    if not text.startswith(PREFIX):
        return f"The key does not start with {PREFIX} in small letters; copy the whole key again."
    if _FOREIGN.search(text, len(PREFIX)):
        return f"After {PREFIX} the key has a character other than 0-9, A-Z, a-z; copy the whole key again."
    return f"The key has {len(text)} of {LENGTH} characters; copy the whole key again."
