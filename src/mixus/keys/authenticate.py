"""Who a request's key belongs to: the path of every request, cheapest check first, nothing cached.

One indexed read is the whole check of revocation, so that a revoked key is refused by every process at
its next request.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import orjson
from sqlalchemy import bindparam, select

from mixus.accounts.principal import Principal, Role, Scope, Via
from mixus.accounts.tables import accounts
from mixus.core.clock import rfc3339, to_ms
from mixus.core.database import Database, Read, Row
from mixus.core.errors import Unauthorized
from mixus.keys import lifecycle, tokens
from mixus.keys.lifecycle import State
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys

_FIND = Read(
    select(
        keys.c.id,
        keys.c.lookup_hash,
        keys.c.scopes,
        keys.c.expires_at,
        keys.c.disabled_at,
        keys.c.revoked_at,
        accounts.c.id.label("owner_id"),
        accounts.c.email,
        accounts.c.role,
        accounts.c.disabled_at.label("owner_disabled_at"),
    )
    .join(accounts, accounts.c.id == keys.c.user_id)
    .where(keys.c.lookup_hash == bindparam("lookup_hash"))
)


def authenticate(
    database: Database, pepper: Pepper, authorization: Sequence[bytes], network: str | None, now: datetime
) -> Principal:
    """`authorization` is every header of that name, raw; `network` is kept for the audit."""
    lookup_hash = pepper.hash(tokens.parse_bearer(authorization))
    row = _find(database, lookup_hash)
    _require_active(row, to_ms(now))
    role, scopes = _rights(row["role"], row["scopes"])
    return Principal(
        row["owner_id"], row["email"], role, scopes, row["id"], Via.KEY, network, row["expires_at"]
    )


def _find(database: Database, lookup_hash: bytes) -> Row:
    for row in database.rows(_FIND, lookup_hash=lookup_hash):
        if hmac.compare_digest(row["lookup_hash"], lookup_hash):
            return row
    raise Unauthorized(
        "This key is not known to this server; use one of its own, or make one with `mixus keys create`.",
        code="key-unknown",
    )


def _require_active(row: Row, now_ms: int) -> None:
    """Only who holds the whole secret gets here, so the answer may say what became of the key."""
    state = lifecycle.state(row["revoked_at"], row["disabled_at"], row["expires_at"], now_ms)
    if state is State.REVOKED:
        raise Unauthorized(
            f"This key was revoked at {rfc3339(row['revoked_at'])}; make a new one with `mixus keys create`.",
            code="key-revoked",
        )
    if state is State.DISABLED:
        raise Unauthorized("This key is disabled; ask its owner to enable it.", code="key-disabled")
    if state is State.EXPIRED:
        raise Unauthorized(
            f"This key expired at {rfc3339(row['expires_at'])}; make a new one with `mixus keys create`.",
            code="key-expired",
        )
    if row["owner_disabled_at"] is not None:
        raise Unauthorized("The account of this key is disabled; ask an admin.", code="key-disabled")


@lru_cache(maxsize=64)
def _rights(role: str, scopes: str) -> tuple[Role, frozenset[Scope]]:
    """There are few combinations and each request needs one."""
    granted = frozenset(Scope(scope) for scope in orjson.loads(scopes))
    return Role(role), lifecycle.effective_scopes(granted, Role(role))
