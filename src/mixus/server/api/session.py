"""Signing in and out, one's own sessions and password, and one-time links."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from fastapi import Query as QueryOf
from pydantic import AfterValidator
from starlette.responses import Response

from mixus.accounts import sessions
from mixus.accounts.principal import Principal, Role
from mixus.accounts.sessions import Session
from mixus.accounts.sign_in import SignedIn
from mixus.core.clock import shown
from mixus.core.pages import Page
from mixus.server import cookies, signing_in
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api.people_schemas import (
    ListQuery,
    PasswordChange,
    Redemption,
    SessionAnswer,
    SessionPage,
    SignIn,
)
from mixus.server.deps import BARE, SignedInReading, own_origin, person
from mixus.server.deps import SignedIn as SignedInCall
from mixus.server.openapi import WITH_BODY, problems, refusals
from mixus.server.services import Services
from mixus.server.signing_in import Entering

_ID: Final = re.compile(r"ses_[0-9A-Za-z]{22}")

router = APIRouter(tags=["people"])


def _known(text: str) -> str:
    """What cannot be an id is not there; the database is not asked, which would choke on some."""
    if _ID.fullmatch(text) is None:
        raise sessions.missing()
    return text


SessionId = Annotated[str, Path(alias="sessionId"), AfterValidator(_known)]
Person = Annotated[Principal, Depends(person)]
STRANGERS = [*BARE, Depends(own_origin)]


@router.post(
    "/api/session",
    response_model=SessionAnswer,
    dependencies=STRANGERS,
    responses=problems(400, 401, 403, 422, 429, 500, 503, *WITH_BODY),
    summary="Sign in",
)
async def open_session(entrance: Entering, body: SignIn) -> Json:
    """Sets the cookie of a new session. One answer, after the same work, for everything that is wrong."""
    signed_in = await signing_in.open_by_password(entrance, body.email, body.password)
    return _signed_in(entrance.services, signed_in, 200)


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
async def change_password(principal: Person, entrance: Entering, body: PasswordChange) -> Response:
    """Ends all your other sessions. Wrong guesses at the current one count as those of a sign-in."""
    await signing_in.change_password(entrance, principal, body.current_password, body.new_password)
    return Response(status_code=204)


@router.post(
    "/api/links/redeem",
    status_code=201,
    response_model=SessionAnswer,
    dependencies=STRANGERS,
    responses=problems(400, 403, 404, 409, 422, 500, 503, *WITH_BODY),
    summary="Use a one-time link",
)
async def redeem_link(entrance: Entering, body: Redemption) -> Json:
    """Makes an account or sets a password, once, and signs in: sets the cookie of a new session."""
    link = await signing_in.find_link(entrance, body.token.get_secret_value())
    signed_in = await signing_in.open_by_link(entrance, link, body.email, body.password)
    return _signed_in(entrance.services, signed_in, 201)


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
