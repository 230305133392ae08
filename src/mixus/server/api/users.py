"""The people of the team, for admins: invite, change, let in again, sign out."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path
from fastapi import Query as QueryOf
from pydantic import AfterValidator
from starlette.responses import Response

from mixus.accounts import changes, links, service, sessions
from mixus.accounts.service import Account
from mixus.core.clock import shown
from mixus.core.errors import NotFound
from mixus.core.pages import Page
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api.people_schemas import (
    InvitationAnswer,
    ListQuery,
    NewUser,
    PasswordLinkAnswer,
    UserAnswer,
    UserChange,
    UserPage,
)
from mixus.server.deps import BARE, Admin, AdminReading
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import NothingBody

_ID: Final = re.compile(r"usr_[0-9A-Za-z]{22}")

router = APIRouter(prefix="/api/users", tags=["people"])


def _known(text: str) -> str:
    """What cannot be an id is not there; the database is not asked, which would choke on some."""
    if _ID.fullmatch(text) is None:
        raise NotFound("There is no account with this id.")
    return text


UserId = Annotated[str, Path(alias="userId"), AfterValidator(_known)]


@router.get("", response_model=UserPage, responses=refusals(), summary="List the accounts")
def list_users(call: AdminReading, query: Annotated[ListQuery, QueryOf()]) -> Json:
    """Oldest first. Whoever has not used his invitation has no account yet."""
    page = service.page_of_accounts(call.tx, query.limit, query.cursor)
    return page_of(Page([_user(account) for account in page.items], page.next_cursor))


@router.post(
    "",
    status_code=201,
    response_model=InvitationAnswer,
    dependencies=BARE,
    responses=refusals(409, *WITH_BODY),
    summary="Invite a person",
)
def invite_user(call: Admin, body: NewUser) -> Json:
    """The token is for POST /api/links/redeem, within seven days. A new invitation replaces the older one."""
    token, link = links.invite(call.tx, body.email, body.role, call.principal.actor, call.now)
    document = {
        "linkId": link.id,
        "email": link.email,
        "role": link.role,
        "inviteToken": token,
        "expiresAt": shown(link.expires_at),
    }
    return success(document, 201)


@router.patch(
    "/{userId}",  # noqa: FAST003 - an alias above
    response_model=UserAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Change a role, disable or enable",
)
def change_user(call: Admin, user_id: UserId, body: UserChange) -> Json:
    """In force at the next request of that person; disabling ends all sessions, and the keys stop working."""
    account = changes.update_account(call.tx, user_id, body.change(), call.principal.actor, call.now)
    return success(_user(account))


@router.post(
    "/{userId}/password-link",  # noqa: FAST003 - an alias above
    status_code=201,
    response_model=PasswordLinkAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Let a person set a new password",
)
def make_password_link(call: Admin, user_id: UserId, _body: NothingBody | None = None) -> Json:
    """The token is for POST /api/links/redeem, within seven days. The password of today stays until then."""
    token, link = links.make_for_password(call.tx, user_id, call.principal.actor, call.now)
    document = {
        "linkId": link.id,
        "userId": user_id,
        "email": link.email,
        "passwordToken": token,
        "expiresAt": shown(link.expires_at),
    }
    return success(document, 201)


@router.post(
    "/{userId}/sign-out",  # noqa: FAST003 - an alias above
    status_code=204,
    dependencies=BARE,
    responses=refusals(404, *WITH_BODY),
    summary="Sign a person out everywhere",
)
def sign_user_out(call: Admin, user_id: UserId, _body: NothingBody | None = None) -> Response:
    sessions.sign_out_everywhere(call.tx, user_id, call.principal.actor, call.now)
    return Response(status_code=204)


def _user(account: Account) -> Document:
    return {
        "id": account.id,
        "email": account.email,
        "role": account.role,
        "hasPassword": account.has_password,
        "createdAt": shown(account.created_at),
        "disabledAt": account.disabled_at and shown(account.disabled_at),
    }
