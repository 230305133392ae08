"""Signing in and out, one's own sessions and password, and one-time links."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeVar, TypeVarTuple

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request
from fastapi import Query as QueryOf
from pydantic import AfterValidator, SecretStr
from starlette.responses import Response

from mixus.accounts import attempts, links, passwords, redeem, sessions, sign_in
from mixus.accounts.principal import Principal, Role
from mixus.accounts.sessions import Session
from mixus.accounts.sign_in import Origin, SignedIn, SignInRefused, WrongPassword
from mixus.core.clock import shown
from mixus.core.database import Transaction
from mixus.core.pages import Page
from mixus.keys import tokens
from mixus.server import cookies
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api.people_schemas import (
    ListQuery,
    PasswordChange,
    Redemption,
    SessionAnswer,
    SessionPage,
    SignIn,
)
from mixus.server.deps import BARE, Served, SignedInReading, now, person
from mixus.server.deps import SignedIn as SignedInCall
from mixus.server.hashing import Hasher, Hashing
from mixus.server.openapi import WITH_BODY, problems, refusals
from mixus.server.services import Services

LONGEST_AGENT: Final = 200
_ID: Final = re.compile(r"ses_[0-9A-Za-z]{22}")

router = APIRouter(tags=["people"])

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


async def own_origin(request: Request, services: Served) -> None:
    """Nobody may be signed in by another site, be it as somebody else."""
    cookies.require_own_origin(request.scope["headers"], services.settings.public_url)


def origin_of(request: Request) -> Origin:
    sent = tokens.without_keys(request.headers.get("user-agent", ""))
    agent = "".join(filter(str.isprintable, sent))[:LONGEST_AGENT]
    return Origin(request.state.network, agent or None)


def _known(text: str) -> str:
    """What cannot be an id is not there; the database is not asked, which would choke on some."""
    if _ID.fullmatch(text) is None:
        raise sessions.missing()
    return text


SessionId = Annotated[str, Path(alias="sessionId"), AfterValidator(_known)]
Now = Annotated[datetime, Depends(now)]
From = Annotated[Origin, Depends(origin_of)]
Person = Annotated[Principal, Depends(person)]
STRANGERS = [*BARE, Depends(own_origin)]


@router.post(
    "/api/session",
    response_model=SessionAnswer,
    dependencies=STRANGERS,
    responses=problems(400, 401, 403, 422, 429, 500, 503, *WITH_BODY),
    summary="Sign in",
)
async def open_session(services: Served, hasher: Hasher, origin: From, moment: Now, body: SignIn) -> Json:
    """Sets the cookie of a new session. One answer, after the same work, for everything that is wrong."""
    checked = await _checked(services, hasher, origin, body.email, body.password)
    signed_in = await _committed(services, sign_in.finish, checked, origin, moment)
    if signed_in is None:
        raise SignInRefused
    await to_thread.run_sync(attempts.forgive, services.limiter, origin.network, body.email)
    return _signed_in(services, signed_in, 200)


@router.get(
    "/api/session",
    response_model=SessionAnswer,
    dependencies=BARE,
    responses=refusals(),
    summary="Who is signed in",
)
def describe_session(call: SignedInReading) -> Json:
    """With the token that every request of this session needs that changes something."""
    session = sessions.describe(call.tx, call.principal.credential_id)
    token = cookies.session_cookie(call.request.scope["headers"], call.services.settings.public_url)
    caller = call.principal
    return success(_session_document(session, caller.user_id, caller.email, caller.role, token or ""))


@router.delete("/api/session", status_code=204, dependencies=BARE, responses=refusals(), summary="Sign out")
def close_session(call: SignedInCall) -> Response:
    sessions.sign_out(call.tx, call.principal, call.now)
    return _signed_out(call.services)


@router.get(
    "/api/account/sessions", response_model=SessionPage, responses=refusals(), summary="List your sessions"
)
def list_sessions(call: SignedInReading, query: Annotated[ListQuery, QueryOf()]) -> Json:
    """Those that are open, newest first."""
    page = sessions.list_own(call.tx, call.principal, query.limit, query.cursor, call.now)
    current = call.principal.credential_id
    return page_of(Page([_session(item, current) for item in page.items], page.next_cursor))


@router.delete(
    "/api/account/sessions",
    status_code=204,
    dependencies=BARE,
    responses=refusals(),
    summary="Sign out everywhere",
)
def close_sessions(call: SignedInCall) -> Response:
    """Ends this session too."""
    sessions.sign_out_everywhere(call.tx, call.principal.user_id, call.principal.actor, call.now)
    return _signed_out(call.services)


@router.delete(
    "/api/account/sessions/{sessionId}",  # noqa: FAST003 - an alias above
    status_code=204,
    dependencies=BARE,
    responses=refusals(404),
    summary="End one of your sessions",
)
def close_one_session(call: SignedInCall, session_id: SessionId) -> Response:
    sessions.end(call.tx, call.principal, session_id, call.now)
    return Response(status_code=204)


@router.post(
    "/api/account/password",
    status_code=204,
    dependencies=BARE,
    responses=refusals(429, *WITH_BODY),
    summary="Change your password",
)
async def change_password(
    principal: Person, services: Served, hasher: Hasher, origin: From, moment: Now, body: PasswordChange
) -> Response:
    """Ends all your other sessions. Wrong guesses at the current one count as those of a sign-in."""
    wanted = passwords.checked(body.new_password.get_secret_value(), principal.email, "newPassword")
    checked = await _checked(services, hasher, origin, principal.email, body.current_password)
    new_hash = None if checked.refusal else await hasher.run(hasher.passwords.hash, wanted)
    if not await _committed(services, sign_in.change_password, principal, checked, new_hash, moment):
        raise WrongPassword
    await to_thread.run_sync(attempts.forgive, services.limiter, origin.network, principal.email)
    return Response(status_code=204)


@router.post(
    "/api/links/redeem",
    status_code=201,
    response_model=SessionAnswer,
    dependencies=STRANGERS,
    responses=problems(400, 403, 404, 409, 422, 500, 503, *WITH_BODY),
    summary="Use a one-time link",
)
async def redeem_link(services: Served, hasher: Hasher, origin: From, moment: Now, body: Redemption) -> Json:
    """Makes an account or sets a password, once, and signs in: sets the cookie of a new session."""
    token = body.token.get_secret_value()
    link = await to_thread.run_sync(links.find, services.database, token, moment)
    email = redeem.address_of(link, body.email)
    password = passwords.checked(body.password.get_secret_value(), email)
    password_hash = await hasher.run(hasher.passwords.hash, password)
    signed_in = await _committed(services, redeem.redeem, link, email, password_hash, origin, moment)
    return _signed_in(services, signed_in, 201)


async def _checked(
    services: Services, hasher: Hashing, origin: Origin, email: str, password: SecretStr
) -> sign_in.Checked:
    """Counted first, so that of many guesses at once no more are compared than may be made."""
    await to_thread.run_sync(attempts.admit, services.limiter, origin.network, email)
    secret = password.get_secret_value()
    return await hasher.run(sign_in.check, services.database, hasher.passwords, email, secret)


async def _committed(
    services: Services, act: Callable[[Transaction, *Arguments], Answer], *arguments: *Arguments
) -> Answer:
    """A transaction after the hashing and not around it. A refusal that it returns is recorded for good."""

    def run() -> Answer:
        with services.database.transaction() as tx:
            return act(tx, *arguments)

    async with services.turns:
        return await to_thread.run_sync(run)


def _signed_in(services: Services, signed_in: SignedIn, status: int) -> Json:
    account = signed_in.account
    document = _session_document(signed_in.session, account.id, account.email, account.role, signed_in.token)
    answer = success(document, status)
    cookies.set_cookie(answer, signed_in.token, services.settings.public_url)
    return answer


def _signed_out(services: Services) -> Response:
    answer = Response(status_code=204)
    cookies.clear_cookie(answer, services.settings.public_url)
    return answer


def _session_document(session: Session, user_id: str, email: str, role: Role, token: str) -> Document:
    return {
        "session": _session(session, session.id),
        "account": {"id": user_id, "email": email, "role": role},
        "csrfToken": sessions.csrf_token(token),
    }


def _session(session: Session, current_id: str) -> Document:
    return {
        "id": session.id,
        "createdAt": shown(session.created_at),
        "expiresAt": shown(session.expires_at),
        "network": session.network,
        "agent": session.agent,
        "isCurrent": session.id == current_id,
    }
