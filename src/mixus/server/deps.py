"""What a route asks for: the caller with his scope, a transaction, and the time."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, cast

from fastapi import Depends, Path, Query, Request, Security
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.security import APIKeyCookie, HTTPBearer, SecurityScopes
from pydantic import AfterValidator

from mixus.accounts.principal import Principal, Scope, Via
from mixus.core.clock import utc_now
from mixus.core.database import Transaction
from mixus.core.errors import Forbidden, NotFound, Unauthorized
from mixus.evals.access import missing, missing_checkpoint, missing_effect
from mixus.evals.errors import ReviewLinkUnusable
from mixus.evals.review_queries import missing_review
from mixus.keys.tokens import HOW_TO_SEND
from mixus.server import cookies
from mixus.server.services import Services
from mixus.server.wire import NoQuery

_ID: Final = re.compile(r"[a-z]{3}_[0-9A-Za-z]{22}")

bearer = HTTPBearer(
    scheme_name="key",
    description="A personal API key, `mxs_eval_…`; each operation names the scope that it needs.",
    auto_error=False,
)


session = APIKeyCookie(
    name="mixus_session",
    scheme_name="session",
    description="A sign-in; every request that changes something also needs the header `X-CSRF-Token`.",
    auto_error=False,
)


@dataclass(frozen=True)
class Call:
    """One request of a known caller, and the transaction that it is answered in."""

    request: Request
    principal: Principal
    services: Services
    tx: Transaction
    now: datetime


@dataclass(frozen=True)
class OpenCall:
    """One request of somebody whom nobody knows."""

    request: Request
    services: Services
    tx: Transaction
    now: datetime

    @property
    def network(self) -> str | None:
        network: str | None = self.request.state.network
        return network


def services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)


def principal_of(request: Request) -> Principal:
    """Whom the edge let in; nobody, should a route ever stand outside of what it guards."""
    principal = getattr(request.state, "principal", None)
    if principal is None:
        raise Unauthorized(f"The request has no key; {HOW_TO_SEND}.")
    return cast("Principal", principal)


async def caller(
    request: Request, scopes: SecurityScopes, _credentials: Annotated[object, Depends(bearer)]
) -> Principal:
    """Solved before the body is looked at: who may not ask is not told what is wrong with the question."""
    return by_key(request, *scopes.scopes)


def by_key(request: Request, *scopes: str) -> Principal:
    """Whoever calls with a key that has these scopes; the use of the key is counted under them."""
    principal = principal_of(request)
    if principal.via is not Via.KEY:
        raise Unauthorized(f"This address takes a key and no sign-in; {HOW_TO_SEND}.")
    for scope in scopes:
        request.scope["state"]["asked_scope"] = scope
        principal.require(Scope(scope))
    return principal


async def decider(
    request: Request,
    scopes: SecurityScopes,
    _credentials: Annotated[object, Depends(bearer)],
    _cookie: Annotated[object, Depends(session)],
) -> Principal:
    """A reviewer: signed in, or by a key of his that may manage."""
    principal = principal_of(request)
    return by_key(request, *scopes.scopes) if principal.via is Via.KEY else principal


async def person(request: Request, _cookie: Annotated[object, Depends(session)]) -> Principal:
    """Somebody who is signed in: no key, whatever its scopes, makes or changes keys and accounts."""
    principal = principal_of(request)
    if principal.via is not Via.SESSION:
        raise Forbidden(
            "Keys and accounts are managed by people who are signed in, or by commands on the server; "
            "no key may.",
            code="session-required",
        )
    return principal


async def admin(principal: Annotated[Principal, Depends(person)]) -> Principal:
    if not principal.is_admin:
        raise Forbidden("Only admins may do this; ask one of them.", code="not-an-admin")
    return principal


async def own_origin(request: Request) -> None:
    """Nobody may be signed in by another site, be it as somebody else, nor fill in a form of ours there."""
    cookies.require_own_origin(request.scope["headers"], services_of(request).settings.public_url)


async def transaction(request: Request) -> AsyncIterator[Transaction]:
    services = services_of(request)
    async with services.turns, contextmanager_in_threadpool(services.database.transaction()) as tx:
        yield tx


async def snapshot(request: Request) -> AsyncIterator[Transaction]:
    """For a route that only reads: it waits for no writer and holds none up."""
    async with contextmanager_in_threadpool(services_of(request).database.snapshot()) as tx:
        yield tx


async def now() -> datetime:
    return utc_now()


async def call(
    request: Request,
    principal: Annotated[Principal, Security(caller)],
    tx: Annotated[Transaction, Depends(transaction, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Call:
    """The transaction ends with the route and before the answer leaves: what was answered is committed."""
    return Call(request, principal, services_of(request), tx, moment)


async def look(
    request: Request,
    principal: Annotated[Principal, Security(caller)],
    tx: Annotated[Transaction, Depends(snapshot, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Call:
    return Call(request, principal, services_of(request), tx, moment)


async def signed_in(
    request: Request,
    principal: Annotated[Principal, Depends(person)],
    tx: Annotated[Transaction, Depends(transaction, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Call:
    return Call(request, principal, services_of(request), tx, moment)


async def deciding(
    request: Request,
    principal: Annotated[Principal, Security(decider)],
    tx: Annotated[Transaction, Depends(transaction, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Call:
    return Call(request, principal, services_of(request), tx, moment)


async def signed_in_reading(
    request: Request,
    principal: Annotated[Principal, Depends(person)],
    tx: Annotated[Transaction, Depends(snapshot, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Call:
    return Call(request, principal, services_of(request), tx, moment)


async def administering(
    _admin: Annotated[Principal, Depends(admin)], call: Annotated[Call, Depends(signed_in)]
) -> Call:
    return call


async def administering_reading(
    _admin: Annotated[Principal, Depends(admin)], call: Annotated[Call, Depends(signed_in_reading)]
) -> Call:
    return call


async def open_call(
    request: Request,
    tx: Annotated[Transaction, Depends(transaction, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> OpenCall:
    return OpenCall(request, services_of(request), tx, moment)


SignedIn = Annotated[Call, Depends(signed_in)]
Deciding = Annotated[Call, Security(deciding, scopes=[Scope.MANAGE.value])]
SignedInReading = Annotated[Call, Depends(signed_in_reading)]
Admin = Annotated[Call, Depends(administering)]
AdminReading = Annotated[Call, Depends(administering_reading)]
Open = Annotated[OpenCall, Depends(open_call)]
Creating = Annotated[Call, Security(call, scopes=[Scope.CREATE.value])]
Reading = Annotated[Call, Security(look, scopes=[Scope.READ.value])]
Managing = Annotated[Call, Security(call, scopes=[Scope.MANAGE.value])]
Asking = Annotated[Call, Security(look)]
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]


def _known(missing_one: Callable[[str], NotFound]) -> Callable[[str], str]:
    """What cannot be an id is not there; the database is not asked, which would choke on some."""

    def known(text: str) -> str:
        if _ID.fullmatch(text) is None:
            raise missing_one(text)
        return text

    return known


known_execution_id = _known(missing)
ExecutionId = Annotated[str, Path(alias="executionId"), AfterValidator(known_execution_id)]
CheckpointId = Annotated[str, Path(alias="checkpointId"), AfterValidator(_known(missing_checkpoint))]
ActionId = Annotated[str, Path(alias="actionId"), AfterValidator(_known(missing_effect))]
# A checkpoint, or an execution that has one.
ReviewId = Annotated[str, Path(alias="reviewId"), AfterValidator(_known(missing_review))]
LinkedCheckpointId = Annotated[
    str, Path(alias="checkpointId"), AfterValidator(_known(lambda _: ReviewLinkUnusable()))
]


async def served(request: Request) -> Services:
    return services_of(request)


Served = Annotated[Services, Depends(served)]


async def no_query(_query: Annotated[NoQuery, Query()]) -> None:
    """Refuse parameters where there are none to give, as every other route refuses unknown ones."""


BARE = [Depends(no_query)]
