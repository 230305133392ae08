"""/account: one's own password and sessions."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from mixus.accounts import sessions
from mixus.accounts.principal import Principal
from mixus.server import signing_in
from mixus.server.api.session import SessionId
from mixus.server.signing_in import Entering, Entrance
from mixus.server.web import frame, roles
from mixus.server.web.devices import device
from mixus.server.web.forms import Fields, Form, Refused, parsed, tried, tried_alone
from mixus.server.web.sign_in import Secret, let_out
from mixus.server.web.visits import OwnFields, Posting, Seeing, Visit, Visitor

SESSIONS_SHOWN: Final = 50

router = APIRouter(include_in_schema=False)


class PasswordForm(Form):
    current_password: Secret = Field(alias="currentPassword")
    new_password: Secret = Field(alias="newPassword")


async def password_changed(principal: Visitor, at: Entering, fields: OwnFields) -> Refused | None:
    """Hashes, and so is over before the visit that shows its outcome takes its snapshot."""
    return await tried_alone(_change_password(at, principal, fields))


@router.get("/account")
def show_account(visit: Seeing, cursor: str | None = None) -> Response:
    return _page(visit, cursor=cursor)


@router.post("/account/password")
def change_password(refused: Annotated[Refused | None, Depends(password_changed)], visit: Seeing) -> Response:
    if refused is not None:
        return _page(visit, refused)
    return frame.see_other("/account?said=password-changed")


@router.post("/account/sessions/{sessionId}/end")  # noqa: FAST003 - an alias of SessionId
def end_session(visit: Posting, session_id: SessionId) -> Response:
    ended = tried(visit.tx, lambda: sessions.end(visit.tx, visit.principal, session_id, visit.now))
    if isinstance(ended, Refused):
        return _page(visit, ended)
    return frame.see_other("/account?said=session-ended")


@router.get("/account/sign-out")
def ask_to_sign_out(visit: Seeing) -> Response:
    return frame.page(visit, "sign_out.html")


@router.post("/account/sign-out")
def sign_out_everywhere(visit: Posting) -> Response:
    caller = visit.principal
    sessions.sign_out_everywhere(visit.tx, caller.user_id, caller.actor, visit.now)
    return let_out(visit, "signed-out-everywhere")


async def _change_password(at: Entrance, principal: Principal, fields: Fields) -> None:
    form = parsed(PasswordForm, fields)
    await signing_in.change_password(at, principal, form.current_password, form.new_password)


def _page(visit: Visit, refused: Refused | None = None, cursor: str | None = None) -> Response:
    open_ones = sessions.list_own(visit.tx, visit.principal, SESSIONS_SHOWN, cursor, visit.now)
    return frame.page(
        visit,
        "account.html",
        refused,
        sessions=[(each, device(each.agent)) for each in open_ones.items],
        next_cursor=open_ones.next_cursor,
        may=roles.MAY[visit.principal.role],
    )
