"""Who a request's key belongs to: the path of every request, cheapest check first, nothing cached.

One indexed read is the whole check of revocation, so that a revoked key is refused by every process at
its next request.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
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

_HASHES = Read(select(keys.c.lookup_hash))
_MAKE = "make a new one at /integrations/api-keys/new, or with `mixus keys create`"
_FIND = Read(
    select(
        keys.c.id,
        keys.c.lineage_id,
        keys.c.replaced_by,
        keys.c.lookup_hash,
        keys.c.scopes,
        keys.c.expires_at,
        keys.c.disabled_at,
        keys.c.revoked_at,
        keys.c.allow_live,
        accounts.c.id.label("owner_id"),
        accounts.c.email,
        accounts.c.role,
        accounts.c.disabled_at.label("owner_disabled_at"),
    )
    .join(accounts, accounts.c.id == keys.c.user_id)
    .where(keys.c.lookup_hash == bindparam("lookup_hash"))
)


@dataclass(frozen=True)
class Identified:
    """A good key: its owner as the caller, the line that shares a rate limit, whether a rotation ended it."""

    principal: Principal
    lineage_id: str
    is_replaced: bool


class KeyRefused(Unauthorized):
    """A key that is known and no longer good; its owner is told how often it was tried."""

    def __init__(self, detail: str, *, code: str, key_id: str) -> None:
        super().__init__(detail, code=code)
        self.key_id = key_id


def authenticate(
    database: Database, pepper: Pepper, authorization: Sequence[bytes], network: str | None, now: datetime
) -> Principal:
    """`authorization` is every header of that name, raw; `network` is kept for the audit."""
    return identify(database, lookup_hash_of(pepper, authorization), network, now).principal


def lookup_hash_of(pepper: Pepper, authorization: Sequence[bytes]) -> bytes:
    """What to look for; refuses all that cannot be a key before any database is asked."""
    return pepper.hash(tokens.parse_bearer(authorization))


def stored_hashes(database: Database) -> frozenset[bytes]:
    """Of all keys, in whatever state."""
    return frozenset(row["lookup_hash"] for row in database.rows(_HASHES))


def identify(database: Database, lookup_hash: bytes, network: str | None, now: datetime) -> Identified:
    row = _find(database, lookup_hash)
    _require_active(row, to_ms(now))
    role, scopes = _rights(row["role"], row["scopes"])
    principal = Principal(
        row["owner_id"],
        row["email"],
        role,
        scopes,
        row["id"],
        Via.KEY,
        network,
        row["expires_at"],
        may_go_live=bool(row["allow_live"]),
    )
    return Identified(principal, row["lineage_id"], row["replaced_by"] is not None)


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
    if state is not State.ACTIVE:
        raise KeyRefused(_became(row, state), code=f"key-{state}", key_id=row["id"])
    if row["owner_disabled_at"] is not None:
        raise KeyRefused(
            "The account of this key is disabled; ask an admin.", code="key-disabled", key_id=row["id"]
        )


def _became(row: Row, state: State) -> str:
    if state is State.REVOKED:
        return f"This key was revoked at {rfc3339(row['revoked_at'])}; {_MAKE}."
    if state is State.DISABLED:
        return "This key is disabled; ask its owner to enable it."
    if row["replaced_by"] is not None:
        ended = rfc3339(row["expires_at"])
        return f"This key was rotated and ended at {ended}; use its successor {row['replaced_by']}."
    return f"This key expired at {rfc3339(row['expires_at'])}; {_MAKE}."


@lru_cache(maxsize=64)
def _rights(role: str, scopes: str) -> tuple[Role, frozenset[Scope]]:
    """There are few combinations and each request needs one."""
    granted = frozenset(Scope(scope) for scope in orjson.loads(scopes))
    return Role(role), lifecycle.effective_scopes(granted, Role(role))
