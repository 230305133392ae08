"""/admin/users/invite and …/password-link: links that let somebody in, each shown once."""

from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mixus.accounts import links, service
from mixus.accounts.links import Link
from mixus.accounts.principal import Role
from mixus.server.api.users import UserId
from mixus.server.web import frame, roles
from mixus.server.web.forms import Form, Refused, parsed, tried
from mixus.server.web.once import FIELD, once, word
from mixus.server.web.sign_in import join_address
from mixus.server.web.visits import Posting, Seeing, Visit
from mixus.server.wire import Email

REPEATED: Final = (
    "This form has made its link, which was shown once and still works. "
    "Send it again only for another link; the earlier one is void then."
)

router = APIRouter(include_in_schema=False)

# A token and its link.
Made = tuple[str, Link]


class InvitationForm(Form):
    email: Email
    role: Annotated[Role, Field(strict=False)]


class LinkForm(Form):
    """Nothing to fill in."""


@router.get("/admin/users/invite")
def ask_whom_to_invite(visit: Seeing) -> Response:
    return _invitation(visit)


@router.post("/admin/users/invite")
def invite(visit: Posting) -> Response:
    def make() -> tuple[str, Made]:
        form = parsed(InvitationForm, visit.fields.without(FIELD))
        made = links.invite(visit.tx, form.email, form.role, visit.principal.actor, visit.now)
        return made[1].id, made

    made = tried(visit.tx, lambda: once(visit, make, REPEATED))
    if isinstance(made, Refused):
        return _invitation(visit, made)
    return _link(visit, made, back="/admin/users")


@router.get("/admin/users/{userId}/password-link")  # noqa: FAST003 - an alias of UserId
def ask_for_password_link(visit: Seeing, user_id: UserId) -> Response:
    return _password_link(visit, user_id)


@router.post("/admin/users/{userId}/password-link")  # noqa: FAST003 - an alias of UserId
def make_password_link(visit: Posting, user_id: UserId) -> Response:
    def make() -> tuple[str, Made]:
        parsed(LinkForm, visit.fields.without(FIELD))
        made = links.make_for_password(visit.tx, user_id, visit.principal.actor, visit.now)
        return made[1].id, made

    made = tried(visit.tx, lambda: once(visit, make, REPEATED))
    if isinstance(made, Refused):
        return _password_link(visit, user_id, made)
    return _link(visit, made, back=f"/admin/users/{user_id}")


def _invitation(visit: Visit, refused: Refused | None = None) -> Response:
    return _form(
        visit,
        "admin_invite.html",
        refused,
        email=visit.fields.text("email") or "",
        role=visit.fields.text("role") or Role.MEMBER,
        roles=roles.MAY,
    )


def _password_link(visit: Visit, user_id: str, refused: Refused | None = None) -> Response:
    person = service.get(visit.tx, user_id)
    return _form(visit, "admin_password_link.html", refused, person=person)


def _form(visit: Visit, template: str, refused: Refused | None, **values: Any) -> Response:
    return frame.page(
        visit,
        template,
        refused,
        once=word(visit.now),
        **values,
    )


def _link(visit: Visit, made: Made, back: str) -> Response:
    token, link = made
    return frame.page(
        visit, "admin_link.html", link=link, address=join_address(visit.request, token), back=back
    )
