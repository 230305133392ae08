"""GET /api/eval/export: every execution of a selection as a stream, in whole lines or records."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

import orjson
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from pydantic import Field
from starlette.responses import StreamingResponse

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import to_ms
from mixus.core.database import Database, Row
from mixus.core.errors import MixusError
from mixus.evals import export
from mixus.evals.export import Place
from mixus.evals.lifecycle import Status, TestMode
from mixus.evals.queries import Filters
from mixus.server.answers import Document
from mixus.server.api.documents import status_document
from mixus.server.api.export_formats import CSV, FORMATS, JSONL, Format
from mixus.server.api.metric_schemas import ExportLine, Form
from mixus.server.api.metrics import IncludeRehearsal
from mixus.server.deps import Reader, Served, now, services_of
from mixus.server.openapi import refusals
from mixus.server.services import Services
from mixus.server.wire import Moment, Query

ROWS_AT_ONCE: Final = 200
# So much is sent at a time, and before each piece the key is asked for again.
PIECE_BYTES: Final = 64 * 1024

router = APIRouter(prefix="/api/eval", tags=["metrics"])


class ExportQuery(Query):
    format: Form = "jsonl"
    status: Status | None = None
    test_mode: TestMode | None = None
    q: Annotated[str, Field(max_length=200, description="Text in the name or the description.")] | None = None
    from_: Annotated[Moment, Field(description="Created at or after.")] | None = Field(None, alias="from")
    to: Annotated[Moment, Field(description="Created before; now if left out.")] | None = None
    include_rehearsal: IncludeRehearsal = False

    def filters(self) -> Filters:
        return Filters(self.status, self.test_mode, self.q, self.from_, self.to)


class ExportStream(StreamingResponse):
    media_type = JSONL


@dataclass(frozen=True)
class Export:
    """What was asked for."""

    filters: Filters
    include_rehearsal: bool
    form: Format
    now_ms: int


@router.get(
    "/export",
    response_class=ExportStream,
    responses={
        **refusals(),
        200: {
            "model": ExportLine,
            "description": "One document a line, and a last line with `complete`; or CSV.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
    },
    # The framework takes every stream for text.
    openapi_extra={"responses": {"200": {"content": {JSONL: {"schema": {"type": "object"}}}}}},
    summary="Export executions",
)
async def export_executions(
    request: Request,
    principal: Reader,
    services: Served,
    moment: Annotated[datetime, Depends(now)],
    query: Annotated[ExportQuery, QueryOf()],
) -> ExportStream:
    """Oldest first: what you own or review; admins get all. Rehearsal is left out unless asked for."""
    form = FORMATS[query.format]
    filters = replace(query.filters(), created_to=query.to or moment)
    records = _records(request, Export(filters, query.include_rehearsal, form, to_ms(moment)))
    name = f'attachment; filename="mixus-executions.{query.format}"'
    stream = _counted(services, principal, _stream(request, form, records))
    return ExportStream(stream, media_type=form.media_type, headers={"Content-Disposition": name})


async def _counted(
    services: Services, principal: Principal, stream: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    """The owner of the key is told how many streams are open with it."""
    with services.bookkeeper.usage.stream(principal.credential_id):
        async with aclosing(stream):
            async for piece in stream:
                yield piece


async def _stream(request: Request, form: Format, records: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Ends with an error where it is cut off, so that the connection is cut off too."""
    sent, piece, waiting = 0, bytearray(form.start), 0
    try:
        async with aclosing(records):
            async for record in records:
                piece += record
                waiting += 1
                if len(piece) >= PIECE_BYTES:
                    await _recognise(request)
                    yield bytes(piece)
                    sent, waiting = sent + waiting, 0
                    piece.clear()
        await _recognise(request)
    except MixusError as refused:
        closing = form.end(sent, refused.error_code)
        if closing:
            yield closing
        raise
    yield bytes(piece) + form.end(sent + waiting, None)


async def _records(request: Request, wanted: Export) -> AsyncGenerator[bytes]:
    """Each read is a transaction of its own, by whoever the caller is by then."""
    database = services_of(request).database
    place: Place | None = None
    while True:
        principal = await _recognise(request)
        places = await to_thread.run_sync(_find, database, principal, wanted, place)
        for start in range(0, len(places), ROWS_AT_ONCE):
            principal = await _recognise(request)
            page = places[start : start + ROWS_AT_ONCE]
            for record in await to_thread.run_sync(_read, database, principal, wanted, page):
                yield record
        if len(places) < export.PLACES_AT_ONCE:
            return
        place = places[-1]


async def _recognise(request: Request) -> Principal:
    """Who calls, now; raises when the key is no longer good for this."""
    principal = await services_of(request).door.recognise(request.scope)
    principal.require(Scope.READ)
    return principal


def _find(database: Database, principal: Principal, wanted: Export, place: Place | None) -> Sequence[Place]:
    with database.snapshot() as tx:
        return export.places_after(
            tx, principal, wanted.filters, place, include_rehearsal=wanted.include_rehearsal
        )


def _read(database: Database, principal: Principal, wanted: Export, places: Sequence[Place]) -> list[bytes]:
    with database.snapshot() as tx:
        found = export.read_at(tx, principal, places)
    return [wanted.form.record(exported(rows, wanted.now_ms)) for rows in found]


def exported(rows: Sequence[Row], now_ms: int) -> Document:
    """The status, and the task that it is the status of."""
    row = rows[0]
    return status_document(rows, now_ms) | {
        "taskDescription": row["task_description"],
        "template": row["template"],
        "parameters": row["parameters"] and orjson.Fragment(row["parameters"]),
        "expectedOutcome": row["expected_outcome"] and orjson.Fragment(row["expected_outcome"]),
        "metadata": orjson.Fragment(row["metadata"]),
        "assignedReviewer": row["assigned_reviewer"],
        "retryOf": row["retry_of"],
    }
