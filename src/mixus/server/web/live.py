"""What an open page listens to: it is told that something changed, and fetches itself again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from mixus.core.errors import MixusError
from mixus.evals import queries
from mixus.server.deps import ExecutionId, Served, services_of
from mixus.server.reading import read
from mixus.server.web.visits import Visitor

# A session that was ended is noticed within this time.
RECHECK_SECONDS: Final = 5.0
CHANGED: Final = b"event: changed\ndata: {}\n\n"
CLOSED: Final = b"event: closed\ndata: {}\n\n"
KEEP_ALIVE: Final = b": keep-alive\n\n"
HEADERS: Final = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}

router = APIRouter(include_in_schema=False)

# Waits for news, so long at most; whether there was any.
Wait = Callable[[], Awaitable[bool]]


@router.get("/live/executions")
async def follow_all(request: Request, _visitor: Visitor, services: Served) -> StreamingResponse:
    seen = await read(services.database, queries.latest_moves, services.database)

    async def wait() -> bool:
        nonlocal seen
        is_news = await services.changes.wait(seen, RECHECK_SECONDS)
        seen = services.changes.seen if is_news else seen
        return is_news

    return _stream(request, wait)


@router.get("/live/executions/{executionId}")  # noqa: FAST003 - an alias in deps.py
async def follow_one(
    request: Request,
    visitor: Visitor,
    services: Served,
    execution_id: ExecutionId,
    seen: Annotated[int, Query(ge=0)] = 0,
) -> StreamingResponse:
    """`seen` is the length of the trace and the version, added, that the page was made with."""
    await read(services.database, queries.status_rows, services.database, visitor, execution_id)
    known = seen

    async def wait() -> bool:
        nonlocal known
        is_news = await services.watcher.wait(
            execution_id,
            lambda pulse: pulse is None or pulse["trace_count"] + pulse["version"] != known,
            RECHECK_SECONDS,
        )
        if is_news:
            pulse = queries.pulses(services.database, [execution_id]).get(execution_id)
            known = 0 if pulse is None else pulse["trace_count"] + pulse["version"]
        return is_news

    return _stream(request, wait)


def _stream(request: Request, wait: Wait) -> StreamingResponse:
    return StreamingResponse(_told(request, wait), media_type="text/event-stream", headers=HEADERS)


async def _told(request: Request, wait: Wait) -> AsyncIterator[bytes]:
    """Each round asks again who is looking."""
    door = services_of(request).door
    yield KEEP_ALIVE
    while True:
        is_news = await wait()
        try:
            await door.visitor(request.scope)
        except MixusError:
            yield CLOSED
            return
        yield CHANGED if is_news else KEEP_ALIVE
