"""Sessions with MCP servers, in a thread and an event loop of their own.

A scope of the library must be left by the task that entered it, and calls come from several loops. So each
session lives in one task here, and what is asked of it is handed over to this loop.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, Final, TypeVar

import httpx2
import orjson
from mcp import ClientSession, MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, Implementation

from mixus.agents.tools.mcp_settings import Local, Remote, Server
from mixus.agents.tools.mcp_stdio import MOST_BYTES, child

CONNECT_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 3.0
STOP_SECONDS: Final = 5.0
CLIENT: Final = Implementation(name="mixus", version="1")

logger = logging.getLogger(__name__)
# Its lines quote what servers say and where they are; ours name the server and no more.
logging.getLogger("mcp").setLevel(logging.CRITICAL)

T = TypeVar("T")
Question = Callable[[ClientSession], Awaitable[T]]


class NotSent(Exception):
    """The server was not reached: for certain nothing was done."""


class Broken(Exception):
    """The session ended in the middle of a call: nobody knows what was done."""


class Loop:
    """Owns the thread; everything that was begun here is over when `stop` comes back."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="mixus-mcp", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Raises NotSent when it has been stopped: nothing that is handed over may wait for ever."""
        with self._lock:
            if self._is_stopped:
                work.close()
                raise NotSent
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From any other loop; to be cancelled there cancels it here. Raises Broken when this loop stops."""
        try:
            return await asyncio.wrap_future(self.begin(work))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Broken from None

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
        ending = asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop)
        with suppress(TimeoutError):
            ending.result(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Bounds what a server answers, and knows whether a call was refused before it was sent."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.refused_call = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            # Other requests of a session say nothing of the call: it may have been sent before.
            self.refused_call |= _is_call(request)
            raise
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("compressed, though it was asked not to be", request=request)
        # The events of a stream are bounded one by one.
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - of an asynchronous client
            response.stream = Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class Bounded(httpx2.AsyncByteStream):
    """An answer that is too long ends here, and not in memory."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > MOST_BYTES:
                raise httpx2.ReadError("too long")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _is_call(request: httpx2.Request) -> bool:
    try:
        return bool(orjson.loads(request.content).get("method") == "tools/call")
    except orjson.JSONDecodeError:
        return False


class Link:
    """One session, from its opening to its closing in one task. To be used within the loop only."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._watched = BoundedTransport(_transport(server))
        self._session: ClientSession | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._hold())

    @property
    def is_usable(self) -> bool:
        return not self._task.done() and not self._closing.is_set()

    async def ask(self, question: Question[T], open_seconds: float) -> T:
        """Raises NotSent, Broken, or what the question raises."""
        session = await self._open(open_seconds)
        asking = asyncio.ensure_future(question(session))
        asking.add_done_callback(_look_at)
        try:
            await asyncio.wait({asking, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise self._ended()
            return await asking
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise self._ended() from None
            raise
        finally:
            asking.cancel()

    def close(self) -> None:
        """At once for us; the session says good-bye behind, for a while."""
        self._closing.set()
        if self._session is None:
            self._task.cancel()
        else:
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._task.cancel)

    async def wait_closed(self) -> None:
        await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)

    async def _open(self, seconds: float) -> ClientSession:
        opening = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({opening, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
        if self._session is None or self._closing.is_set():
            raise NotSent
        return self._session

    def _ended(self) -> Exception:
        return NotSent() if self._watched.refused_call else Broken()

    async def _hold(self) -> None:
        try:
            async with _opened(self._server, self._watched) as session:
                self._session = session
                self._opened.set()
                try:
                    await self._closing.wait()
                finally:
                    # Also when it broke: nothing more is asked of it while it is being wound up.
                    self._closing.set()
        except Exception as error:  # noqa: BLE001 - the library raises groups of what it likes
            # Its words may quote an address or a header.
            logger.debug(
                "a session with the MCP server %s ended: %s", self._server.name, type(error).__name__
            )


class Route:
    """The way to one server: over HTTP each question has a session of its own, a child keeps one.

    So no state is shared between calls over HTTP and nothing is stale after a restart of the server; a child
    takes too long to start for that.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept: Link | None = None

    async def ask(self, question: Question[T], open_seconds: float) -> T:
        """Raises NotSent, also after `open_seconds`, Broken, or what the question raises."""
        if isinstance(self._server.target, Local):
            if self._kept is None or not self._kept.is_usable:
                self._kept = Link(self._server)
            return await self._kept.ask(question, open_seconds)
        link = Link(self._server)
        try:
            return await link.ask(question, open_seconds)
        finally:
            link.close()

    async def close(self) -> None:
        """What is kept is ended; the next question begins anew."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
            await kept.wait_closed()


def _look_at(task: asyncio.Future[Any]) -> None:
    """What comes of a question that nobody waits for any more is not reported as lost."""
    if not task.cancelled():
        task.exception()


def _transport(server: Server) -> httpx2.AsyncBaseTransport:
    is_secure = isinstance(server.target, Remote) and server.target.url.startswith("https:")
    # Neither proxies nor passwords that happen to be in the environment.
    return httpx2.AsyncHTTPTransport(verify=_certificates() if is_secure else False, trust_env=False)


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


@asynccontextmanager
async def _opened(server: Server, watched: BoundedTransport) -> AsyncIterator[ClientSession]:
    if isinstance(server.target, Local):
        async with Client(child(server.target), client_info=CLIENT, cache=None) as client:
            yield client.session
        return
    async with httpx2.AsyncClient(
        transport=watched,
        headers={**server.target.headers, "accept-encoding": "identity"},
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=server.timeout_seconds + CLOSE_SECONDS),
        trust_env=False,
    ) as http:
        transport = streamable_http_client(server.target.url, http_client=http)
        async with Client(transport, client_info=CLIENT, cache=None) as client:
            yield client.session
