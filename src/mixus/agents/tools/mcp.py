"""The MCP servers of a deployment: listed at the start, looked after while it runs, and called."""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import mcp_types
from mcp import ClientSession, MCPError
from pydantic import ValidationError

from mixus.agents.tools import mcp_tools
from mixus.agents.tools.mcp_session import CONNECT_SECONDS, STOP_SECONDS, Broken, Loop, NotSent, Route
from mixus.agents.tools.mcp_settings import Local, Remote, Server, read_servers
from mixus.agents.tools.mcp_stdio import MOST_BYTES
from mixus.agents.tools.registry import AnyArguments, Tool, ToolFailed
from mixus.agents.tools.servers import Servers, ServerState
from mixus.evals.lifecycle import Effect

START_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 30.0
LISTING_SECONDS: Final = 10.0
# A child may have to be downloaded before it starts.
CHILD_SECONDS: Final = 60.0
MOST_PAGES: Final = 20
# Somebody waits for the answer. Over HTTP it has come by then, or does not come.
LOOK_SECONDS: Final = CONNECT_SECONDS + LISTING_SECONDS + 1.0

# With these a server says that it did not even begin.
REFUSALS: Final = (mcp_types.INVALID_PARAMS, mcp_types.METHOD_NOT_FOUND, mcp_types.HEADER_MISMATCH)
BROKE_OFF: Final = f"broke off, or gave an answer of more than {MOST_BYTES // 1024**2} MiB"

logger = logging.getLogger(__name__)


class Unsure(Exception):
    """An effect was asked for and nothing certain came back; the text names the server and no more."""


class ServerWatch:
    """One server: what it listed last, whether it answers, and the way to it."""

    def __init__(self, server: Server, loop: Loop, reserved: Collection[str], refresh_seconds: float) -> None:
        self.server = server
        self._refresh_seconds = refresh_seconds
        self.tools: Mapping[str, Tool] = {}
        self.answers = False
        self._loop = loop
        self._route = Route(server)
        self._reserved = reserved
        self._calls = 0
        self._effects: dict[str, Effect] = {}
        self._listed: list[mcp_types.Tool] | None = None
        self.was_asked = threading.Event()

    async def look_after(self) -> None:
        """List its tools again and again: so it is seen to be away, to be back and to have changed."""
        while True:
            await self.look()
            self.was_asked.set()
            await asyncio.sleep(self._refresh_seconds)

    async def look(self) -> None:
        if not self._is_busy:
            await self._look()

    async def close(self) -> None:
        await self._route.close()

    @property
    def _is_busy(self) -> bool:
        """A child may do one thing at a time: its silence during a call is no reason to end it."""
        return self._calls > 0 and isinstance(self.server.target, Local)

    async def _look(self) -> None:
        try:
            seconds = CONNECT_SECONDS if isinstance(self.server.target, Remote) else CHILD_SECONDS
            self._take(await self._route.ask(_tools, seconds))
        except Exception as error:  # noqa: BLE001 - whatever a server does, it is asked again
            await self._lose(type(error).__name__)

    def absent(self, name: str) -> Tool:
        """Stands for a tool of an earlier listing: what was asked of it stays an effect, and is shown."""

        async def run(_arguments: Any, _context: Any) -> Any:
            raise ToolFailed(
                f"{name} is not there: its server is away, or lists it no more; nothing was done."
            )

        return Tool(name, "", self._effects.get(name, Effect.OTHER), AnyArguments, run)

    def _take(self, listed: list[mcp_types.Tool]) -> None:
        if not self.answers:
            logger.info("the MCP server %s answers", self.server.name)
        self.answers = True
        if listed == self._listed:
            return
        if self._listed is not None:
            logger.warning("the MCP server %s has changed its tools", self.server.name)
        tools = mcp_tools.tools_of(self.server, listed, self._reserved, self._call)
        self._listed = listed
        self.tools = {tool.name: self._bound(tool) for tool in tools}

    def _bound(self, tool: Tool) -> Tool:
        effect = mcp_tools.stricter(self._effects.get(tool.name, tool.effect), tool.effect)
        self._effects[tool.name] = effect
        return replace(tool, effect=effect)

    async def _lose(self, why: str) -> None:
        if self.answers or not self.was_asked.is_set():
            message = "the MCP server %s does not answer (%s); it is asked again every %g s"
            logger.warning(message, self.server.name, why, self._refresh_seconds)
        self.answers = False
        await self._route.close()

    async def _call(self, tool: mcp_types.Tool, arguments: dict[str, Any]) -> Any:
        """From the loop of whoever calls. A read that fails for any reason did nothing."""
        name = self.server.name
        try:
            answer = await self._loop.run(self._ask(tool, arguments))
        except NotSent:
            raise ToolFailed(f"The MCP server {name} cannot be reached; nothing was done.") from None
        except MCPError as error:
            if error.code in REFUSALS:
                raise ToolFailed(f"The MCP server {name} refuses the call; nothing was done.") from None
            raise self._unsure(tool, "answered with an error") from None
        except (Broken, ValidationError) as error:
            what = BROKE_OFF if isinstance(error, Broken) else "gave an answer that cannot be read"
            raise self._unsure(tool, what) from None
        return mcp_tools.result_of(self.server, answer)

    def _unsure(self, tool: mcp_types.Tool, what: str) -> Exception:
        """Of an effect nobody knows whether it happened; a read has none."""
        sentence = f"The MCP server {self.server.name} {what}."
        is_read = self._effects.get(mcp_tools.name_of(self.server, tool)) is Effect.READ
        return ToolFailed(sentence) if is_read else Unsure(sentence)

    async def _ask(self, tool: mcp_types.Tool, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        params = mcp_types.CallToolRequestParams(name=tool.name, arguments=arguments)
        request = mcp_types.CallToolRequest(params=params)

        async def question(session: ClientSession) -> mcp_types.CallToolResult:
            if "x-mcp-header" in str(tool.input_schema):
                # Some arguments go into headers too, and a session learns which from the listing.
                await session.list_tools()
            # Not `call_tool`: it checks the result with a schema of the server's, without a limit.
            return await session.send_request(request, mcp_types.CallToolResult)

        # A call that is late in opening must still be known to be not sent.
        seconds = self.server.timeout_seconds / 2
        if isinstance(self.server.target, Remote):
            seconds = min(CONNECT_SECONDS, seconds)
        self._calls += 1
        try:
            return await self._route.ask(question, seconds)
        finally:
            self._calls -= 1


async def _tools(session: ClientSession) -> list[mcp_types.Tool]:
    tools: list[mcp_types.Tool] = []
    cursor: str | None = None
    async with asyncio.timeout(LISTING_SECONDS):
        for _ in range(MOST_PAGES):
            page = await session.list_tools(params=mcp_types.PaginatedRequestParams(cursor=cursor))
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
    return tools


class McpServers(Servers):
    """The tools of all servers, as they are now; owns the sessions until `stop`.

    An absent tool of a known server is not listed, and can be looked up: see ServerWatch.absent.
    """

    def __init__(
        self, servers: Collection[Server], reserved: Collection[str], refresh_seconds: float
    ) -> None:
        """Come back when each has answered or START_SECONDS are over; the others go on being asked."""
        self._loop = Loop()
        self._stations = {
            server.name: ServerWatch(server, self._loop, reserved, refresh_seconds) for server in servers
        }
        self._watches = [self._loop.begin(station.look_after()) for station in self._stations.values()]
        deadline = time.monotonic() + START_SECONDS
        for station in self._stations.values():
            station.was_asked.wait(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """Within seconds, whatever the servers do; no child of ours stays behind."""
        for watch in self._watches:
            watch.cancel()
        closing = self._loop.begin(_close_all(list(self._stations.values())))
        with suppress(TimeoutError):
            closing.result(STOP_SECONDS)
        self._loop.stop()

    def __getitem__(self, name: str) -> Tool:
        station = self._stations.get(name.partition("_")[0])
        if station is None:
            raise KeyError(name)
        return station.tools.get(name) or station.absent(name)

    def __contains__(self, name: object) -> bool:
        return any(name in station.tools for station in self._stations.values())

    def __iter__(self) -> Iterator[str]:
        return (name for station in self._stations.values() for name in station.tools)

    def __len__(self) -> int:
        return sum(len(station.tools) for station in self._stations.values())

    def states(self) -> list[ServerState]:
        return [
            ServerState(name, station.answers, len(station.tools)) for name, station in self._stations.items()
        ]

    def ask_again(self, name: str) -> bool:
        asking = self._loop.begin(self._stations[name].look())
        try:
            asking.result(LOOK_SECONDS)
        except TimeoutError:
            # It goes on: a child may take a minute to start.
            return False
        return True


@contextmanager
def mcp_servers(
    path: Path,
    environment: Mapping[str, str],
    reserved: Collection[str] = (),
    refresh_seconds: float = REFRESH_SECONDS,
) -> Iterator[McpServers]:
    """The servers of a file, until the end of the block; no tool gets one of the `reserved` names."""
    servers = McpServers(read_servers(path, environment), reserved, refresh_seconds)
    try:
        yield servers
    finally:
        servers.stop()


async def _close_all(stations: Collection[ServerWatch]) -> None:
    await asyncio.gather(*(station.close() for station in stations))
