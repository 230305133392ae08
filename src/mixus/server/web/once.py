"""A form that acts once, however often it is sent: by a double click, a reload, or a step back."""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

import orjson

from mixus.core.clock import from_ms, to_ms
from mixus.core.errors import Conflict
from mixus.core.idempotency import Kept, Ticket, claim, keep
from mixus.server.web.visits import Visit

FIELD: Final = "once"
# Well within the time for which it is remembered that a form was sent.
VALID_FOR: Final = timedelta(hours=12)
_WORD: Final = re.compile(r"([0-9]{1,15})\.[0-9a-f]{32}")

Made = TypeVar("Made")


class SentBefore(Conflict):
    """`madeId` is what this very form has made."""

    code = "already-created"


def word(now: datetime) -> str:
    """New for each form that is shown."""
    return f"{to_ms(now)}.{secrets.token_hex(16)}"


def once(visit: Visit, make: Callable[[], tuple[str, Made]], repeated: str) -> Made:
    """What `make` gave beside the id of what it made, the first time that this form is sent.

    Filled in otherwise and sent again, it acts again: that is what was meant. Raises SentBefore with the
    sentence `repeated`, or Conflict for a form so old that nobody remembers whether it was sent.
    """
    _require_fresh(visit.fields.text(FIELD) or "", visit.now)
    digest = _digest(visit)
    ticket = Ticket(visit.principal.user_id, f"form {digest}", digest)
    kept = claim(visit.tx, ticket, visit.now)
    if kept is not None:
        raise SentBefore(repeated, madeId=kept.body)
    made_id, made = make()
    keep(visit.tx, ticket, Kept(201, made_id))
    return made


def _require_fresh(given: str, now: datetime) -> None:
    found = _WORD.fullmatch(given)
    opened_at = from_ms(int(found[1])) if found and int(found[1]) <= to_ms(now) else None
    if opened_at is None or opened_at < now - VALID_FOR:
        raise Conflict("This form was opened too long ago and made nothing; look it over and send it again.")


def _digest(visit: Visit) -> str:
    sent = orjson.dumps(dict(visit.fields.values), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(f"{visit.request.url.path}\n".encode() + sent).hexdigest()
