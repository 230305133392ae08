"""How an export is read, by either client, without ever holding more than a piece of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2

from mixus.client.connection import Connection, headers_of, no_answer
from mixus.client.export_stream import ExportStream
from mixus.client.retries import Answer
from mixus.client.wire import Json

Sleep = Callable[[float], None]
AsyncSleep = Callable[[float], Awaitable[None]]


def documents(
    http: httpx2.Client, connection: Connection, stream: ExportStream, sleep: Sleep
) -> Iterator[Json]:
    with _opened(http, connection, stream, sleep) as response:
        for piece in response.iter_bytes():
            yield from stream.received(piece)
    stream.require_end()


def pieces(
    http: httpx2.Client, connection: Connection, stream: ExportStream, sleep: Sleep
) -> Iterator[bytes]:
    with _opened(http, connection, stream, sleep) as response:
        yield from response.iter_bytes()


async def async_documents(
    http: httpx2.AsyncClient, connection: Connection, stream: ExportStream, sleep: AsyncSleep
) -> AsyncIterator[Json]:
    async with _async_opened(http, connection, stream, sleep) as response:
        async for piece in response.aiter_bytes():
            for document in stream.received(piece):
                yield document
    stream.require_end()


async def async_pieces(
    http: httpx2.AsyncClient, connection: Connection, stream: ExportStream, sleep: AsyncSleep
) -> AsyncIterator[bytes]:
    async with _async_opened(http, connection, stream, sleep) as response:
        async for piece in response.aiter_bytes():
            yield piece


@contextmanager
def _opened(
    http: httpx2.Client, connection: Connection, stream: ExportStream, sleep: Sleep
) -> Iterator[httpx2.Response]:
    response = _open(http, connection, stream, sleep)
    try:
        yield response
    except httpx2.RequestError:
        stream.require_end()
    finally:
        response.close()


@asynccontextmanager
async def _async_opened(
    http: httpx2.AsyncClient, connection: Connection, stream: ExportStream, sleep: AsyncSleep
) -> AsyncIterator[httpx2.Response]:
    response = await _async_open(http, connection, stream, sleep)
    try:
        yield response
    except httpx2.RequestError:
        stream.require_end()
    finally:
        await response.aclose()


def _open(http: httpx2.Client, connection: Connection, stream: ExportStream, sleep: Sleep) -> httpx2.Response:
    while True:
        sleep(stream.delay_seconds)
        request = connection.request(http, stream.call)
        try:
            response = http.send(request, auth=connection.auth, stream=True)
            if stream.is_opened(response.status_code, headers_of(response)):
                return response
            stream.failed(Answer(response.status_code, headers_of(response), response.read()))
        except httpx2.RequestError as error:
            stream.failed(no_answer(error))


async def _async_open(
    http: httpx2.AsyncClient, connection: Connection, stream: ExportStream, sleep: AsyncSleep
) -> httpx2.Response:
    while True:
        await sleep(stream.delay_seconds)
        request = connection.request(http, stream.call)
        try:
            response = await http.send(request, auth=connection.auth, stream=True)
            if stream.is_opened(response.status_code, headers_of(response)):
                return response
            stream.failed(Answer(response.status_code, headers_of(response), await response.aread()))
        except httpx2.RequestError as error:
            stream.failed(no_answer(error))
