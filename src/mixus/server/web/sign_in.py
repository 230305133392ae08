"""/signin, /signout and /join/{token}: in and out, and the one-time links that let somebody in."""

from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, SecretStr
from starlette.responses import Response

from mixus.accounts import links, sessions
from mixus.accounts.links import Link
from mixus.accounts.principal import Principal
from mixus.accounts.sign_in import SignedIn
from mixus.accounts.tables import Purpose
from mixus.core.errors import Unauthorized
from mixus.server import cookies, signing_in
from mixus.server.api.create import base_url
from mixus.server.deps import own_origin, services_of
from mixus.server.signing_in import Entering, Entrance
from mixus.server.web import frame, roles
from mixus.server.web.forms import Fields, Form, Refused, fields_of, parsed, tried_alone
from mixus.server.web.refusals import safe_next
from mixus.server.web.visits import OpenSeeing, OpenVisit, Posting, Visit
from mixus.server.wire import Email

# Where a link leads to, once it is used.
AFTER: Final = {
    Purpose.FIRST_ACCOUNT: "/integrations/api-keys?said=first-account",
    Purpose.INVITATION: "/eval?said=welcome",
    Purpose.PASSWORD: "/eval?said=password-set",
}
# Our own pages and scripts are asked for without the address, and so without the token in it. With
# `no-referrer` a browser would not say either which origin a form comes from.
WITHOUT_PATH: Final = {"Referrer-Policy": "strict-origin"}

router = APIRouter(include_in_schema=False)

Secret = Annotated[SecretStr, Field(max_length=1000)]


class SignInForm(Form):
    email: Email
    password: Secret
    # Checked where it is used.
    next: str | None = None


class JoinForm(Form):
    """`email` is for the first account only; every other link knows whose it is."""

    password: Secret
    email: Email | None = None


def join_address(request: Request, token: str) -> str:
    """What an admin hands on, by whatever way he trusts: whoever opens it is asked for a password."""
    return links.address(base_url(request), token)


async def known(request: Request) -> Principal | None:
    """Whoever is signed in, if anybody is."""
    try:
        return await services_of(request).door.visitor(request.scope)
    except Unauthorized:
        return None


Known = Annotated[Principal | None, Depends(known)]


async def arriving(entrance: Entering, principal: Known) -> Entrance:
    return replace(entrance, replaced=principal)


@dataclass(frozen=True)
class Attempt:
    """What somebody filled in, and what became of it before anything is shown."""

    fields: Fields
    outcome: SignedIn | Refused


Arriving = Annotated[Entrance, Depends(arriving)]
OWN: Final = [Depends(own_origin)]


async def signed_in(request: Request, at: Arriving) -> Attempt:
    """Hashes, and so is over before the visit that shows its outcome takes its snapshot."""
    fields = await fields_of(request)
    return Attempt(fields, await tried_alone(_open_by_password(at, fields)))


async def found(token: str, at: Arriving) -> Link | Refused:
    return await tried_alone(signing_in.find_link(at, token))


Found = Annotated[Link | Refused, Depends(found)]


async def joined(request: Request, at: Arriving, link: Found) -> Attempt:
    fields = await fields_of(request)
    outcome = link if isinstance(link, Refused) else await tried_alone(_open_by_link(at, link, fields))
    return Attempt(fields, outcome)


@router.get("/signin")
def show_sign_in(
    principal: Known, visit: OpenSeeing, wanted: Annotated[str | None, Query(alias="next")] = None
) -> Response:
    if principal is not None:
        return frame.see_other(safe_next(wanted))
    return _sign_in_page(visit, wanted)


@router.post("/signin", dependencies=OWN)
def sign_in(attempt: Annotated[Attempt, Depends(signed_in)], visit: OpenSeeing) -> Response:
    wanted = attempt.fields.text("next")
    if isinstance(attempt.outcome, Refused):
        return _sign_in_page(visit, wanted, attempt.fields.text("email"), attempt.outcome)
    return _let_in(visit, attempt.outcome, safe_next(wanted))


@router.post("/signout")
def sign_out(visit: Posting) -> Response:
    sessions.sign_out(visit.tx, visit.principal, visit.now)
    return let_out(visit, "signed-out")


@router.get("/join/{token}")  # noqa: FAST003 - `found` takes it
def show_link(link: Found, principal: Known, visit: OpenSeeing) -> Response:
    """Uses nothing up: scanners of mails open every link."""
    return _link_page(visit, link, principal)


@router.post("/join/{token}", dependencies=OWN)  # noqa: FAST003 - `found` takes it
def use_link(
    link: Found, attempt: Annotated[Attempt, Depends(joined)], principal: Known, visit: OpenSeeing
) -> Response:
    if isinstance(link, Refused) or isinstance(attempt.outcome, Refused):
        return _link_page(visit, link, principal, attempt)
    return _let_in(visit, attempt.outcome, AFTER[link.purpose])


def let_out(visit: Visit, word: str) -> Response:
    answer = frame.see_other(f"/signin?said={word}")
    cookies.clear_cookie(answer, visit.services.settings.public_url)
    return answer


def _let_in(visit: OpenVisit, signed_in: SignedIn, path: str) -> Response:
    answer = frame.see_other(path)
    cookies.set_cookie(answer, signed_in.token, visit.services.settings.public_url)
    return answer


async def _open_by_password(at: Entrance, fields: Fields) -> SignedIn:
    form = parsed(SignInForm, fields)
    return await signing_in.open_by_password(at, form.email, form.password)


async def _open_by_link(at: Entrance, link: Link, fields: Fields) -> SignedIn:
    form = parsed(JoinForm, fields)
    return await signing_in.open_by_link(at, link, form.email, form.password)


def _sign_in_page(
    visit: OpenVisit, wanted: str | None, email: str | None = None, refused: Refused | None = None
) -> Response:
    return frame.open_page(
        visit,
        "sign_in.html",
        refused,
        email=email or "",
        next=safe_next(wanted),
        has_accounts=links.has_accounts(visit.tx),
    )


def _link_page(
    visit: OpenVisit, link: Link | Refused, principal: Principal | None, attempt: Attempt | None = None
) -> Response:
    if isinstance(link, Refused):
        return frame.open_page(visit, "join_over.html", link)
    refused = attempt.outcome if attempt and isinstance(attempt.outcome, Refused) else None
    email = (attempt and attempt.fields.text("email")) or ""
    values = {"link": link, "email": email, "principal": principal, "may": link.role and roles.MAY[link.role]}
    answer = frame.open_page(visit, "join.html", refused, **values)
    answer.headers.update(WITHOUT_PATH)
    return answer
