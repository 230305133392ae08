"""What a route asks for: the caller with his scope, a transaction, and the time."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, cast

from fastapi import Depends, Path, Query, Request, Security
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.security import HTTPBearer, SecurityScopes
from pydantic import AfterValidator

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import utc_now
from mixus.core.database import Transaction
from mixus.core.errors import NotFound, Unauthorized
from mixus.evals.access import missing, printable
from mixus.server.services import Services
from mixus.server.wire import NoQuery

_ID: Final = re.compile(r"[a-z]{3}_[0-9A-Za-z]{22}")

bearer = HTTPBearer(
    scheme_name="key",
    description="A personal API key, `mxs_eval_…`; each operation names the scope that it needs.",
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


def services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)


def principal_of(request: Request) -> Principal:
    """Whom the edge let in; nobody, should a route ever stand outside of what it guards."""
    principal = getattr(request.state, "principal", None)
    if principal is None:
        raise Unauthorized("Send your key in the header `Authorization: Bearer mxs_eval_…`.")
    return cast("Principal", principal)


async def caller(
    request: Request, scopes: SecurityScopes, _credentials: Annotated[object, Depends(bearer)]
) -> Principal:
    """Solved before the body is looked at: who may not ask is not told what is wrong with the question."""
    principal = principal_of(request)
    for scope in scopes.scopes:
        principal.require(Scope(scope))
    return principal


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


Creating = Annotated[Call, Security(call, scopes=[Scope.CREATE.value])]
Reading = Annotated[Call, Security(look, scopes=[Scope.READ.value])]
Managing = Annotated[Call, Security(call, scopes=[Scope.MANAGE.value])]
Asking = Annotated[Call, Security(look)]
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]


def known_execution_id(text: str) -> str:
    """What cannot be an id is not there; the database is not asked, which would choke on some."""
    if _ID.fullmatch(text) is None:
        raise missing(text)
    return text


def _checkpoint_id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise NotFound(f"This execution has no checkpoint {printable(text)}.")
    return text


ExecutionId = Annotated[str, Path(alias="executionId"), AfterValidator(known_execution_id)]
CheckpointId = Annotated[str, Path(alias="checkpointId"), AfterValidator(_checkpoint_id)]


async def served(request: Request) -> Services:
    return services_of(request)


Served = Annotated[Services, Depends(served)]


async def no_query(_query: Annotated[NoQuery, Query()]) -> None:
    """Refuse parameters where there are none to give, as every other route refuses unknown ones."""


BARE = [Depends(no_query)]
