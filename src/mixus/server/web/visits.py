"""What a page asks for: who is looking, what was filled in, and that the form is one of ours."""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Request

from mixus.accounts import sessions
from mixus.accounts.principal import Principal
from mixus.core.database import Transaction
from mixus.core.errors import Forbidden
from mixus.server import cookies
from mixus.server.cookies import CrossSite
from mixus.server.deps import Call, OpenCall, now, open_call, own_origin, services_of, snapshot, transaction
from mixus.server.web.forms import Fields, fields_of

CSRF_FIELD: Final = "csrf"


@dataclass(frozen=True)
class Visit(Call):
    """One request of somebody who is signed in. `fields` is what a form of ours sent, empty for a GET."""

    csrf: str
    fields: Fields


@dataclass(frozen=True)
class OpenVisit(OpenCall):
    """One request of somebody whom nobody knows."""

    fields: Fields


async def visitor(request: Request) -> Principal:
    """Raises SessionMissing or SessionExpired, for which the edge shows the page to sign in."""
    return await services_of(request).door.visitor(request.scope)


async def admin_visitor(principal: Annotated[Principal, Depends(visitor)]) -> Principal:
    if not principal.is_admin:
        raise Forbidden("Only admins may see this page; ask one of them.", code="not-an-admin")
    return principal


async def typed_fields(request: Request, _origin: Annotated[None, Depends(own_origin)]) -> Fields:
    """Read before it is known who sent it: whoever was signed out meanwhile is given back what he typed."""
    fields = await fields_of(request)
    request.state.typed = fields
    return fields


async def own_fields(
    request: Request,
    fields: Annotated[Fields, Depends(typed_fields)],
    _visitor: Annotated[Principal, Depends(visitor)],
) -> Fields:
    """What was filled in, when it comes from a page of ours that this session was shown."""
    presented = fields.text(CSRF_FIELD) or ""
    if not hmac.compare_digest(presented.encode(), csrf_of(request).encode()):
        raise CrossSite("This form was made for another sign-in; open the page again and repeat it there.")
    return fields.without(CSRF_FIELD)


def csrf_of(request: Request) -> str:
    public_url = services_of(request).settings.public_url
    return sessions.csrf_token(cookies.session_cookie(request.scope["headers"], public_url) or "")


async def seeing(
    request: Request,
    principal: Annotated[Principal, Depends(visitor)],
    tx: Annotated[Transaction, Depends(snapshot, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Visit:
    return Visit(request, principal, services_of(request), tx, moment, csrf_of(request), Fields())


async def visiting(
    request: Request,
    principal: Annotated[Principal, Depends(visitor)],
    tx: Annotated[Transaction, Depends(transaction, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Visit:
    return Visit(request, principal, services_of(request), tx, moment, csrf_of(request), Fields())


async def posting(
    fields: Annotated[Fields, Depends(own_fields)],
    visit: Annotated[Visit, Depends(visiting)],
) -> Visit:
    return replace(visit, fields=fields)


async def open_seeing(
    request: Request,
    tx: Annotated[Transaction, Depends(snapshot, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> OpenVisit:
    return OpenVisit(request, services_of(request), tx, moment, Fields())


async def open_posting(
    request: Request,
    _origin: Annotated[None, Depends(own_origin)],
    call: Annotated[OpenCall, Depends(open_call)],
) -> OpenVisit:
    return OpenVisit(call.request, call.services, call.tx, call.now, await fields_of(request))


# A page that only reads; one that also notes something; a form of ours.
Seeing = Annotated[Visit, Depends(seeing)]
Visiting = Annotated[Visit, Depends(visiting)]
Posting = Annotated[Visit, Depends(posting)]
OpenSeeing = Annotated[OpenVisit, Depends(open_seeing)]
OpenPosting = Annotated[OpenVisit, Depends(open_posting)]
Visitor = Annotated[Principal, Depends(visitor)]
OwnFields = Annotated[Fields, Depends(own_fields)]
