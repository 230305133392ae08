"""GET /api/eval/status/{executionId}: the hot path, and the long poll that makes it a cold one."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from mixus.accounts.principal import Scope
from mixus.core.clock import to_ms, utc_now
from mixus.core.database import Row
from mixus.evals import queries
from mixus.evals.lifecycle import FINAL
from mixus.server.answers import Json
from mixus.server.api.documents import status_document
from mixus.server.api.schemas import StatusDocument
from mixus.server.deps import ExecutionId, Reader, by_key, known_execution_id, services_of
from mixus.server.openapi import refusals
from mixus.server.reading import read
from mixus.server.wire import DIGITS, Query

LONGEST_WAIT_MS = 30_000
# A key that was revoked is noticed within this time, and its wait ended.
RECHECK_SECONDS = 5.0


class WaitQuery(Query):
    wait_ms: Annotated[
        int,
        Field(ge=0, le=LONGEST_WAIT_MS, description="Hold the answer until something changed."),
        DIGITS,
    ] = 0
    since: (
        Annotated[int, Field(ge=0, description="The version you know; the present one if left out."), DIGITS]
        | None
    ) = None


class PlainRoute(APIRoute):
    """Gives the request to its function as it is: solving dependencies would halve the speed of a read."""

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405)
        response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)


async def documented(
    execution_id: ExecutionId, query: Annotated[WaitQuery, QueryOf()], caller: Reader
) -> None:
    """What the route takes, for the reference: the route itself reads the request by hand."""


router = APIRouter(route_class=PlainRoute, tags=["executions"])


@router.get(
    "/api/eval/status/{executionId}",  # noqa: FAST003 - an alias in deps.py
    response_model=StatusDocument,
    responses=refusals(404),
    dependencies=[Depends(documented)],
    summary="Status, checkpoints, metrics",
)
async def execution_status(request: Request) -> Response:
    """With `waitMs` the answer is held until the version is not `since`, or the execution has ended."""
    services = services_of(request)
    principal = by_key(request, Scope.READ)
    asked = services.database, principal, known_execution_id(request.path_params["executionId"])
    rows = await read(services.database, queries.status_rows, *asked)
    if request.scope["query_string"]:
        with services.bookkeeper.usage.stream(principal.credential_id):
            await hold(request, rows[0], wait_query(request))
        # The caller may have lost his key, and the execution its place, while we waited.
        asked = asked[0], await services.door.recognise(request.scope), asked[2]
        rows = await read(services.database, queries.status_rows, *asked)
    return Json(status_document(rows, to_ms(utc_now())))


def wait_query(request: Request) -> WaitQuery:
    try:
        return WaitQuery.model_validate(dict(request.query_params))
    except ValidationError as invalid:
        found = [{**item, "loc": ("query", *item["loc"])} for item in invalid.errors()]
        raise RequestValidationError(found) from None


async def hold(request: Request, row: Row, query: WaitQuery) -> None:
    """Return when there is news, when the time is over, or when the client has gone."""
    seen = row["version"] if query.since is None else query.since
    if query.wait_ms == 0 or row["version"] != seen or row["status"] in FINAL:
        return
    seconds = query.wait_ms / 1000
    while seconds > 0 and not await _news(request, row["id"], seen, min(seconds, RECHECK_SECONDS)):
        seconds -= RECHECK_SECONDS
        await services_of(request).door.recognise(request.scope)


async def _news(request: Request, execution_id: str, seen: int, seconds: float) -> bool:
    """Whether the wait is over: there is news, or nobody waits for it any more."""
    watcher = services_of(request).watcher
    news = watcher.wait(execution_id, lambda pulse: pulse is None or pulse["version"] != seen, seconds)
    waiting = asyncio.ensure_future(news)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else True
    finally:
        for task in (waiting, leaving):
            task.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
