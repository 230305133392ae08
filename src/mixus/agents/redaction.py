"""Secrets in foreign text: what a model says or a tool answers is stored, shown and sent without them.

They are replaced before anything is proposed, so that what a reviewer approves is what happens.
"""

import json
import re
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import quote, quote_plus

from mixus.core.text import storable
from mixus.keys.tokens import without_keys

REDACTED: Final = "[redacted]"
SHORTEST: Final = 8

# Formats that name themselves: https://docs.github.com/code-security, RFC 7468 for the keys in blocks.
_FORMATS: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,8000}?-----END [A-Z ]{0,40}PRIVATE KEY-----"
    r"|\bsk-(?:ant-|proj-|or-v1-)?[0-9A-Za-z_-]{20,200}"
    r"|\bgh[pousr]_[0-9A-Za-z]{36,255}|\bgithub_pat_[0-9A-Za-z_]{22,255}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,250}|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\bgsk_[0-9A-Za-z]{20,200}",
    re.DOTALL,
)


def _spellings(value: str) -> set[str]:
    """As it stands in a text, in JSON that a text holds, and in an address."""
    in_json = {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {value, *in_json, quote(value, safe=""), quote_plus(value)}


class Redactor:
    """Replaces the secrets of this deployment, given by value, and others by their format."""

    def __init__(self, values: Collection[str] = ()) -> None:
        spelled = {each for value in values if len(value) >= SHORTEST for each in _spellings(value)}
        known = sorted(spelled, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(value) for value in known)) if known else None

    def __call__(self, value: Any) -> Any:
        """The JSON value as it may be kept: storable, and without secrets."""
        return self._redacted(storable(value))

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self._redacted(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self._redacted(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _FORMATS.sub(REDACTED, without_keys(text))
