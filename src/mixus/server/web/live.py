"""What an open page listens to: it is told that something changed, and fetches itself again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from mixus.accounts.principal import Principal
from mixus.core.database import Row, Transaction
from mixus.core.errors import MixusError
from mixus.evals import queries
from mixus.evals.lifecycle import FINAL
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
# Raises what this person would be told who asked for it now.
Require = Callable[[Principal], Awaitable[object]]


def of_all(tx: Transaction) -> str:
    """Where a list listens: to what came after the rows that it shows."""
    return f"/live/executions?seen={queries.moves_within(tx)}"


def of_one(execution: Row) -> str | None:
    """Where its page listens; of what has ended there is no more to hear."""
    return (
        None
        if execution["status"] in FINAL
        else f"/live/executions/{execution['id']}?seen={_pulse(execution)}"
    )


@router.get("/live/executions")
async def follow_all(
    request: Request,
    _visitor: Visitor,
    services: Served,
    seen: Annotated[str, Query(max_length=64)] = "",
) -> StreamingResponse:
    """`seen` is the word of `of_all` that the page was made with."""
    latest = await services.changes.look()
    known = seen or latest

    async def wait() -> bool:
        nonlocal known
        is_news = await services.changes.wait(known, RECHECK_SECONDS)
        known = services.changes.seen if is_news else known
        return is_news

    async def require(_principal: Principal) -> None:
        """That he is signed in is enough."""

    return _stream(request, wait, require)


@router.get("/live/executions/{executionId}")  # noqa: FAST003 - an alias in deps.py
async def follow_one(
    request: Request,
    visitor: Visitor,
    services: Served,
    execution_id: ExecutionId,
    seen: Annotated[int, Query(ge=0)] = 0,
) -> StreamingResponse:
    """`seen` is the pulse that the page was made with."""
    database = services.database

    async def require(principal: Principal) -> None:
        await read(database, queries.status_rows, database, principal, execution_id)

    await require(visitor)
    known = seen

    async def wait() -> bool:
        nonlocal known
        is_news = await services.watcher.wait(
            execution_id,
            lambda pulse: pulse is None or _pulse(pulse) != known,
            RECHECK_SECONDS,
        )
        if is_news:
            pulse = (await read(database, queries.pulses, database, [execution_id])).get(execution_id)
            known = 0 if pulse is None else _pulse(pulse)
        return is_news

    return _stream(request, wait, require)


def _pulse(row: Row) -> int:
    """Grows with every entry of the trace and every change that the status shows."""
    beats: int = row["trace_count"] + row["version"]
    return beats


def _stream(request: Request, wait: Wait, require: Require) -> StreamingResponse:
    return StreamingResponse(_told(request, wait, require), media_type="text/event-stream", headers=HEADERS)


async def _told(request: Request, wait: Wait, require: Require) -> AsyncIterator[bytes]:
    """Each round asks again who is looking, and whether he still may."""
    door = services_of(request).door
    yield KEEP_ALIVE
    while True:
        is_news = await wait()
        try:
            await require(await door.visitor(request.scope))
        except MixusError:
            yield CLOSED
            return
        yield CHANGED if is_news else KEEP_ALIVE
