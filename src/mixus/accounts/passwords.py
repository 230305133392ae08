"""Passwords: which ones are taken, and Argon2id, which is slow on purpose and stands in no transaction."""

import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from mixus.core.errors import Invalid

SHORTEST, LONGEST = 12, 200
# Composing shortens a text; what is far too long is not even composed, which can take long.
LONGEST_UNCOMPOSED: Final = 4 * LONGEST
NOBODYS: Final = "the password of nobody"


def checked(password: str, email: str, field: str = "password") -> str:
    """The password in its one spelling (NFC). NFKC would make different passwords the same."""
    composed = _composed(password)
    if not SHORTEST <= len(composed) <= LONGEST:
        raise Invalid(
            f"A password has from {SHORTEST} to {LONGEST} characters; a few words in a row are easy to keep.",
            field=field,
        )
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in composed):
        raise Invalid("The password has a character that cannot be typed; choose another.", field=field)
    if _composed(composed.lower()) == email:
        raise Invalid("The password is the e-mail address; choose another.", field=field)
    return composed


class Passwords:
    """Argon2id with its costs; about 50 ms and 64 MiB for each call (RFC 9106, second recommendation)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        # Verified where there is no password, so that the time of an answer does not tell who has one.
        self._nobodys = self._hasher.hash(NOBODYS)

    def hash(self, checked_password: str) -> str:
        """The hash with its parameters and salt, of what `checked` has returned."""
        return self._hasher.hash(checked_password)

    def rehash(self, password: str) -> str:
        """Of one that was let in, whatever the rules are today."""
        return self._hasher.hash(_composed(password))

    def fits(self, password: str, stored: str | None) -> bool:
        text = _composed(password).encode("utf-8", "surrogatepass")
        try:
            self._hasher.verify(self._nobodys if stored is None else stored, text)
        except VerifyMismatchError:
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other costs than those of today."""
        return self._hasher.check_needs_rehash(stored)


def _composed(password: str) -> str:
    return password if len(password) > LONGEST_UNCOMPOSED else unicodedata.normalize("NFC", password)
