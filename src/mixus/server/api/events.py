"""GET …/events: the trace as server-sent events, from where the client left off."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from mixus.accounts.principal import Principal
from mixus.core.database import Database, Row
from mixus.core.errors import MixusError, NotFound
from mixus.evals import queries
from mixus.evals.lifecycle import FINAL
from mixus.server.api.documents import trace_entry
from mixus.server.deps import BARE, ExecutionId, Reader, Served, services_of
from mixus.server.openapi import refusals
from mixus.server.reading import read
from mixus.server.services import Services
from mixus.server.watcher import IsNews

KEEP_ALIVE_SECONDS: Final = 15.0
# A key that was revoked is noticed within this time, and a stream of it ended.
RECHECK_SECONDS: Final = 5.0
ENTRIES_AT_ONCE: Final = 100
KEEP_ALIVE: Final = b": keep-alive\n\n"
HEADERS: Final = {"X-Accel-Buffering": "no"}

router = APIRouter(prefix="/api/eval/executions", tags=["trace"])

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", pattern=r"^[0-9]{1,9}$", description="The number of the last entry you have."
    ),
]


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


@router.get(
    "/{executionId}/events",  # noqa: FAST003 - an alias in deps.py
    response_class=EventStream,
    dependencies=BARE,
    responses=refusals(404),
    summary="Follow the trace as it grows",
)
async def follow_trace(
    request: Request,
    principal: Reader,
    services: Served,
    execution_id: ExecutionId,
    last_event_id: LastEventId = None,
) -> EventStream:
    """`id` is an entry's number, `event` its kind, `data` the entry. Ends with `closed` and a reason."""
    await read(services.database, queries.status_rows, services.database, principal, execution_id)
    entries = _events(request, execution_id, int(last_event_id or 0))
    return EventStream(_counted(services, principal, entries), headers=HEADERS)


async def _counted(
    services: Services, principal: Principal, entries: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The owner of the key is told how many streams are open with it."""
    with services.bookkeeper.usage.stream(principal.credential_id):
        async for entry in entries:
            yield entry


async def _events(request: Request, execution_id: str, after: int) -> AsyncIterator[bytes]:
    """Each round asks again who is calling and what he may see."""
    services = services_of(request)
    quiet_seconds = 0.0
    while True:
        try:
            principal = await services.door.recognise(request.scope)
            row, entries = await read(
                services.database, _look, services.database, principal, execution_id, after
            )
        except MixusError as refused:
            yield _closed(refused)
            return
        for entry in entries:
            yield _event(entry)
            after = entry["number"]
        if not entries and row["status"] in FINAL:
            yield _closed(None)
            return
        if entries or await services.watcher.wait(execution_id, _is_beyond(after), RECHECK_SECONDS):
            quiet_seconds = 0.0
            continue
        quiet_seconds += RECHECK_SECONDS
        if quiet_seconds >= KEEP_ALIVE_SECONDS:
            quiet_seconds = 0.0
            yield KEEP_ALIVE


def _look(
    database: Database, principal: Principal, execution_id: str, after: int
) -> tuple[Row, Sequence[Row]]:
    """The state first: when it is final and nothing follows, nothing ever will."""
    row = queries.status_rows(database, principal, execution_id)[0]
    return row, queries.trace_after(database, execution_id, after, ENTRIES_AT_ONCE)


def _is_beyond(after: int) -> IsNews:
    return lambda pulse: pulse is None or pulse["trace_count"] > after or pulse["status"] in FINAL


def _event(entry: Row) -> bytes:
    data = orjson.dumps(trace_entry(entry))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (entry["number"], entry["kind"].encode(), data)


def _closed(refused: MixusError | None) -> bytes:
    reason = "finished"
    if refused is not None:
        reason = "deleted" if isinstance(refused, NotFound) else "credential"
    return b'event: closed\ndata: {"reason":"%b"}\n\n' % reason.encode()
