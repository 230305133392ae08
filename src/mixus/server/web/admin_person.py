"""/admin/users/{id}: one person's role and sign-ins, and what stops when the account is disabled."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mixus.accounts import changes, overview, service, sessions
from mixus.accounts.principal import Role
from mixus.evals.left_open import left_open
from mixus.keys import info
from mixus.keys.lifecycle import State
from mixus.server.api.users import UserId
from mixus.server.web import frame, roles
from mixus.server.web.forms import Form, Refused, parsed, tried
from mixus.server.web.visits import Posting, Seeing, Visit

# Of a key that is named where an account is to be disabled; the rest is counted.
MOST_KEYS: Final = 10

router = APIRouter(include_in_schema=False)


class RoleForm(Form):
    role: Annotated[Role, Field(strict=False)]


@router.get("/admin/users/{userId}")  # noqa: FAST003 - an alias of UserId
def show_person(visit: Seeing, user_id: UserId) -> Response:
    return _person(visit, user_id)


@router.post("/admin/users/{userId}/role")  # noqa: FAST003 - an alias of UserId
def change_role(visit: Posting, user_id: UserId) -> Response:
    def act() -> None:
        form = parsed(RoleForm, visit.fields)
        changes.set_role(visit.tx, user_id, form.role, visit.principal.actor, visit.now)

    return _after(visit, user_id, act, "role-saved")


@router.get("/admin/users/{userId}/disable")  # noqa: FAST003 - an alias of UserId
def ask_to_disable(visit: Seeing, user_id: UserId) -> Response:
    person = service.get(visit.tx, user_id)
    working = [key for key in info.list_keys(visit.tx, user_id) if key.state(visit.now) in _WORKING]
    return frame.page(
        visit,
        "admin_disable.html",
        person=person,
        sessions=overview.count_open_sessions(visit.tx, user_id, visit.now),
        keys=sorted(working, key=lambda key: key.last_used_at or key.created_at, reverse=True)[:MOST_KEYS],
        key_count=len(working),
        left=left_open(visit.tx, user_id, person.email),
    )


@router.post("/admin/users/{userId}/disable")  # noqa: FAST003 - an alias of UserId
def disable(visit: Posting, user_id: UserId) -> Response:
    def act() -> None:
        changes.disable(visit.tx, user_id, visit.principal.actor, visit.now)

    return _after(visit, user_id, act, "account-disabled")


@router.get("/admin/users/{userId}/enable")  # noqa: FAST003 - an alias of UserId
def ask_to_enable(visit: Seeing, user_id: UserId) -> Response:
    return frame.page(visit, "admin_enable.html", person=service.get(visit.tx, user_id))


@router.post("/admin/users/{userId}/enable")  # noqa: FAST003 - an alias of UserId
def enable(visit: Posting, user_id: UserId) -> Response:
    def act() -> None:
        changes.enable(visit.tx, user_id, visit.principal.actor, visit.now)

    return _after(visit, user_id, act, "account-enabled")


@router.get("/admin/users/{userId}/sign-out")  # noqa: FAST003 - an alias of UserId
def ask_to_sign_out(visit: Seeing, user_id: UserId) -> Response:
    count = overview.count_open_sessions(visit.tx, user_id, visit.now)
    return frame.page(visit, "admin_sign_out.html", person=service.get(visit.tx, user_id), sessions=count)


@router.post("/admin/users/{userId}/sign-out")  # noqa: FAST003 - an alias of UserId
def sign_out(visit: Posting, user_id: UserId) -> Response:
    def act() -> None:
        sessions.sign_out_everywhere(visit.tx, user_id, visit.principal.actor, visit.now)

    return _after(visit, user_id, act, "person-signed-out")


_WORKING: Final = frozenset({State.ACTIVE, State.REPLACED})


def _after(visit: Visit, user_id: str, act: Callable[[], None], word: str) -> Response:
    done = tried(visit.tx, act)
    if isinstance(done, Refused):
        return _person(visit, user_id, done)
    return frame.see_other(f"/admin/users/{user_id}?said={word}")


def _person(visit: Visit, user_id: str, refused: Refused | None = None) -> Response:
    person = service.get(visit.tx, user_id)
    working = [key for key in info.list_keys(visit.tx, user_id) if key.state(visit.now) in _WORKING]
    return frame.page(
        visit,
        "admin_user.html",
        refused,
        person=person,
        chosen=visit.fields.text("role") or person.role,
        roles=roles.MAY,
        sessions=overview.count_open_sessions(visit.tx, user_id, visit.now),
        keys=len(working),
    )
