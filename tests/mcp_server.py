"""A real MCP server for tests: over HTTP on loopback in a thread, or as a program over stdio.

python mcp_server.py LEDGER     speaks over stdio; each thing it does is a line in the file LEDGER
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server as LowLevelServer
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.responses import Response as Answer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ = ToolAnnotations(read_only_hint=True)
DELETE = ToolAnnotations(destructive_hint=True)
TEXT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 100}},
    "required": ["text"],
    "additionalProperties": False,
}

Act = Callable[[dict[str, Any]], Any]


@dataclass
class Book:
    """What the server offers and did; a test adds tools, and faults."""

    tools: list[Tool] = field(default_factory=list)
    acts: dict[str, Act] = field(default_factory=dict)
    done: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    on_done: Callable[[str], None] = lambda _name: None

    def add(self, name: str, act: Act, annotations: ToolAnnotations | None = None, **more: Any) -> None:
        fields = {"description": f"Does {name}.", "input_schema": TEXT_SCHEMA, **more}
        self.tools = [tool for tool in self.tools if tool.name != name]
        self.tools.append(Tool(name=name, annotations=annotations, **fields))
        self.acts[name] = act

    def server(self) -> LowLevelServer[Any]:
        return LowLevelServer("book", on_list_tools=self._list, on_call_tool=self._call)

    async def _list(self, _context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=self.tools)

    async def _call(self, _context: Any, params: CallToolRequestParams) -> CallToolResult:
        arguments = params.arguments or {}
        self.done.append((params.name, arguments))
        self.on_done(params.name)
        answer = self.acts[params.name](arguments)
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, CallToolResult):
            return answer
        return CallToolResult(content=[TextContent(text=str(answer))])


def book() -> Book:
    """The tools that most tests use."""
    made = Book()
    made.add("find", lambda arguments: f"found {arguments['text']}", READ)
    made.add("note", lambda arguments: f"noted {arguments['text']}")
    made.add("erase", lambda arguments: f"erased {arguments['text']}", DELETE)
    made.add("refuse", lambda _arguments: failed("no such customer"))
    made.add("picture", lambda _arguments: picture(), READ)
    made.add("table", lambda _arguments: structured({"rows": [1, 2]}), READ)
    made.add("huge", lambda _arguments: "x" * (6 * 1024 * 1024), READ)
    made.add("hang", lambda _arguments: anyio.sleep_forever(), READ)
    return made


def failed(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def picture() -> CallToolResult:
    image = ImageContent(data="QUJD", mime_type="image/png")
    return CallToolResult(content=[TextContent(text="a cat"), image])


def structured(value: Any) -> CallToolResult:
    return CallToolResult(content=[TextContent(text="as text")], structured_content=value)


class Hosted:
    """The server on a port of its own: to be stopped, and started again on the same one."""

    def __init__(self, book: Book, *, is_json: bool = False) -> None:
        self.book = book
        self.is_json = is_json
        self.headers: list[dict[str, str]] = []
        self.instead: Answer | None = None
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        app = self.book.server().streamable_http_app(json_response=self.is_json)
        config = uvicorn.Config(
            self._remembering(app), log_config=None, ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def restart(self) -> None:
        self.stop()
        self.start()

    def die(self, _arguments: dict[str, Any]) -> Any:
        """What a tool does that takes its server down in the middle of a call."""
        self.stop()
        return anyio.sleep_forever()

    def _remembering(self, app: ASGIApp) -> ASGIApp:
        """Keep the headers, and answer calls of tools with what a test wants `instead`."""

        async def remember(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            body = await receive()
            if self.instead is not None and b'"tools/call"' in body.get("body", b""):
                await self.instead(scope, receive, send)
            else:
                await app(scope, _with_first(body, receive), send)

        return remember


def _with_first(message: Message, receive: Receive) -> Receive:
    held = [message]

    async def receive_again() -> Message:
        return held.pop() if held else await receive()

    return receive_again


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def hosted(offered: Book | None = None, **options: Any) -> Iterator[Hosted]:
    server = Hosted(offered or book(), **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def main() -> None:
    """What it does with an effect is a line in a file; `die` ends it."""
    ledger = Path(sys.argv[1])
    made = book()

    def write(name: str) -> None:
        with ledger.open("a") as file:
            file.write(f"{os.getpid()} {name}\n")

    made.on_done = write
    made.add("die", lambda _arguments: os._exit(1))
    made.add("environment", lambda _arguments: structured(dict(os.environ)), READ)
    anyio.run(_serve, made)


async def _serve(made: Book) -> None:
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - only the program needs it

    server = made.server()
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


if __name__ == "__main__":
    main()
