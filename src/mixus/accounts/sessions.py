"""Sign-ins: a secret in a cookie, a row that can end at any moment, and nothing else that remembers."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, insert, literal, select, tuple_, update

from mixus.accounts import service, tokens
from mixus.accounts.principal import SCOPES_OF, Principal, Role, Via
from mixus.accounts.tables import accounts, sessions
from mixus.core.clock import from_ms, shown, to_ms
from mixus.core.database import Database, Read, Row, Transaction
from mixus.core.errors import NotFound, Unauthorized
from mixus.core.events import Actor, record
from mixus.core.ids import new_id
from mixus.core.pages import Page, cut, place_of

# Absolute: using it does not prolong it, so that a stolen one ends too.
LIFETIME: Final = timedelta(days=7)
# Ended and expired ones are kept for this long, so that an event can be looked up.
KEPT: Final = timedelta(days=30)
OPEN: Final = {"open": True}
ENDED: Final = {"open": False}

_FIND = Read(
    select(
        sessions.c.id,
        sessions.c.token_hash,
        sessions.c.expires_at,
        sessions.c.ended_at,
        accounts.c.id.label("user_id"),
        accounts.c.email,
        accounts.c.role,
        accounts.c.disabled_at,
    )
    .join(accounts, accounts.c.id == sessions.c.user_id)
    .where(sessions.c.token_hash == bindparam("token_hash"))
)


class SessionMissing(Unauthorized):
    code = "session-missing"


class SessionExpired(Unauthorized):
    """It is unknown, ended or expired, or its account is disabled; which of these, a stranger is not told."""

    code = "session-expired"


@dataclass(frozen=True)
class Session:
    id: str
    user_id: str
    created_at: datetime
    expires_at: datetime
    network: str | None
    agent: str | None


def open_session(
    tx: Transaction, user_id: str, network: str | None, agent: str | None, now: datetime
) -> tuple[str, Session]:
    """The token, which goes into the cookie and is kept nowhere, and what is kept."""
    token, token_hash = tokens.generate()
    session = Session(new_id("ses"), user_id, now, now + LIFETIME, network, agent)
    tx.execute(insert(sessions).values(token_hash=token_hash, **vars(session)))
    actor = Actor(user_id, network, session.id)
    after = {"expiresAt": shown(session.expires_at), "agent": agent}
    record(tx, "session.opened", session.id, actor, now, before=None, after=after)
    return token, session


def authenticate(database: Database, token: str, network: str | None, now: datetime) -> Principal:
    """Whose session it is: one indexed read, so that what was ended is refused at the next request."""
    if not token:
        raise SessionMissing("Nobody is signed in; sign in with POST /api/session.")
    row = _find(database, token)
    is_over = row is None or row["ended_at"] is not None or row["expires_at"] <= to_ms(now)
    if row is None or is_over or row["disabled_at"] is not None:
        raise SessionExpired("This sign-in is over; sign in again.")
    role = Role(row["role"])
    who = row["user_id"], row["email"], role, SCOPES_OF[role]
    return Principal(*who, row["id"], Via.SESSION, network, row["expires_at"])


def csrf_token(token: str) -> str:
    """What a page of ours knows and a page of others cannot: derived from the session, stored nowhere."""
    mac = hmac.digest(token.encode(), b"csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def list_own(
    tx: Transaction, principal: Principal, limit: int, cursor: str | None, now: datetime
) -> Page[Session]:
    """The caller's sessions that are open now, newest first."""
    statement = (
        select(*_shown())
        .where(*_open(now), sessions.c.user_id == principal.user_id)
        .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, session_id = place_of(cursor)
        place = tuple_(literal(from_ms(at), sessions.c.created_at.type), literal(session_id))
        statement = statement.where(tuple_(sessions.c.created_at, sessions.c.id) < place)
    found = [_session(row) for row in tx.execute(statement)]
    return cut(found, limit, lambda session: (to_ms(session.created_at), session.id))


def describe(tx: Transaction, session_id: str) -> Session:
    return _session(tx.execute(select(*_shown()).where(sessions.c.id == session_id)).one())


def end(tx: Transaction, principal: Principal, session_id: str, now: datetime) -> None:
    """One session of the caller; another's is not there."""
    if not _end(tx, now, sessions.c.id == session_id, sessions.c.user_id == principal.user_id):
        raise missing()
    record(tx, "session.ended", session_id, principal.actor, now, before=OPEN, after=ENDED)


def missing() -> NotFound:
    """The same for what is not there, what is over and what is another's."""
    return NotFound("You have no open session with this id; look at the list of those that are open.")


def sign_out(tx: Transaction, principal: Principal, now: datetime) -> None:
    """The session that is calling. It may have ended a moment ago, which is as good."""
    if _end(tx, now, sessions.c.id == principal.credential_id):
        session_id = principal.credential_id
        record(tx, "session.ended", session_id, principal.actor, now, before=OPEN, after=ENDED)


def sign_out_everywhere(tx: Transaction, user_id: str, actor: Actor, now: datetime) -> int:
    """How many sessions were open. One act and one event, however many."""
    # Waits for a sign-in of this person that is on its way, so that it is ended too.
    service.locked(tx, user_id)
    ended = end_all(tx, user_id, now)
    if ended:
        before = {"openSessions": ended}
        record(tx, "account.signed-out", user_id, actor, now, before=before, after={"openSessions": []})
    return len(ended)


def end_all(tx: Transaction, user_id: str, now: datetime, but: str | None = None) -> list[str]:
    """The ids of those that were open, for the event of whoever ends them; one may be spared."""
    spared = [] if but is None else [sessions.c.id != but]
    return _end(tx, now, sessions.c.user_id == user_id, *spared)


def forget_old(tx: Transaction, now: datetime) -> int:
    """Delete what ended or expired long ago; how many there were."""
    return tx.execute(delete(sessions).where(sessions.c.expires_at <= now - KEPT)).rowcount


def _find(database: Database, token: str) -> Row | None:
    token_hash = tokens.digest(token)
    if token_hash is None:
        return None
    for row in database.rows(_FIND, token_hash=token_hash):
        if hmac.compare_digest(row["token_hash"], token_hash):
            return row
    return None


def _end(tx: Transaction, now: datetime, *which: ColumnElement[bool]) -> list[str]:
    """Of rivals one ends it: the row must still be open."""
    statement = update(sessions).where(*_open(now), *which).values(ended_at=now).returning(sessions.c.id)
    return sorted(tx.execute(statement).scalars())


def _open(now: datetime) -> Sequence[ColumnElement[bool]]:
    return sessions.c.ended_at.is_(None), sessions.c.expires_at > now


def _shown() -> list[Any]:
    return [column for column in sessions.c if column.name not in {"token_hash", "ended_at"}]


def _session(row: Any) -> Session:
    return Session(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
