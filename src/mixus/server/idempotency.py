"""The header Idempotency-Key: the same request sent twice acts once and gets the same answer twice."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Final

import orjson
from fastapi import Header

from mixus.core.errors import Conflict
from mixus.core.idempotency import Kept, Ticket, claim, keep
from mixus.server.answers import Document, Json
from mixus.server.deps import Call
from mixus.server.wire import Body

REPLAYED: Final = {"Idempotency-Replayed": "true"}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]+$",
        description="Any text of yours, new for each request: for 24 hours a repeat gets the first answer.",
    ),
]


def once(call: Call, key: str | None, body: Body | None, create: Callable[[], Document]) -> Json:
    """201 with what `create` made, or with what it made the first time.

    The answer is kept in the transaction that creates, so a refusal keeps nothing.
    """
    if key is None:
        return Json(create(), 201)
    ticket = Ticket(call.principal.user_id, key, _digest(call, body))
    kept = claim(call.tx, ticket, call.now)
    if kept is not None:
        return Json(kept.body, kept.status, REPLAYED)
    document = create()
    keep(call.tx, ticket, Kept(201, document))
    return Json(document, 201)


def once_secret(call: Call, key: str | None, body: Body, create: Callable[[], tuple[str, Document]]) -> Json:
    """201 with a secret, the first time only: what is kept is the id, which is all that a repeat is told."""
    if key is None:
        return Json(create()[1], 201)
    ticket = Ticket(call.principal.user_id, key, _digest(call, body))
    kept = claim(call.tx, ticket, call.now)
    if kept is not None:
        raise Conflict(
            f"This request made the key {kept.body['keyId']} before, and a secret is shown once; "
            "revoke that key and make another.",
            code="already-created",
            keyId=kept.body["keyId"],
        )
    key_id, document = create()
    keep(call.tx, ticket, Kept(201, {"keyId": key_id}))
    return Json(document, 201)


def _digest(call: Call, body: Body | None) -> str:
    """Of method, path and what was sent: neither spaces nor the order of members make another request."""
    sent = {} if body is None else body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    text = orjson.dumps(sent, option=orjson.OPT_SORT_KEYS)
    line = f"{call.request.method} {call.request.url.path}\n".encode()
    return hashlib.sha256(line + text).hexdigest()
