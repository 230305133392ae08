"""A web server on loopback that writes the bytes it is told to, and who else this process turns to."""

import asyncio
import socketserver
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from io import BytesIO
from typing import Any

# The bytes of an answer, all at once or in parts; an empty one closes the connection without a word.
Answer = bytes | Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: Message
    body: bytes


class Website:
    """Answers each target as `answers` says; keeps what it received, and how often it was connected to."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.answers: dict[str, Answer] = {}
        self.received: list[Received] = []
        self.connections = 0
        self.done = threading.Event()
        self._server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"site": self}))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def url(self, target: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{target}"

    def close(self) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or would not trust the certificate, is what some tests are about."""


class Handler(socketserver.StreamRequestHandler):
    site: Website

    def setup(self) -> None:
        self.site.connections += 1
        if self.site.tls is not None:
            self.request = self.site.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split(" ")
        head = b""
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
        headers = BytesParser().parse(BytesIO(head + b"\r\n"))
        body = self.rfile.read(int(headers.get("Content-Length", 0)))
        self.site.received.append(Received(method, target, headers, body))
        answer = self.site.answers.get(target, page(b"nothing here", status="404 Not Found"))
        with suppress(OSError):
            for part in [answer] if isinstance(answer, bytes) else answer():
                self.wfile.write(part)


@contextmanager
def website(tls: ssl.SSLContext | None = None) -> Iterator[Website]:
    made = Website(tls)
    try:
        yield made
    finally:
        made.close()


def page(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    content_type = [f"Content-Type: {kind}"] if kind else []
    lines = [
        f"HTTP/1.1 {status}",
        *content_type,
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(b"", f"Location: {location}", status=status)


def outcome(call: Awaitable[Any]) -> Any:
    """What a tool's call answers or raises."""

    async def wait() -> Any:
        return await call

    return asyncio.run(wait())


_watches: list[list[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _watches and event == "socket.connect" and isinstance(arguments[1], tuple):
        _watches[-1].append(f"{arguments[1][0]}:{arguments[1][1]}")
    elif _watches and event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _watches[-1].append(f"look-up {arguments[0]}")


@contextmanager
def watched_connections() -> Iterator[list[str]]:
    """Whom this process connects to or looks up meanwhile; Python lets no such hook be taken away again."""
    if not hasattr(sys, "_mixus_watch"):
        sys.addaudithook(_note)
        sys._mixus_watch = True  # type: ignore[attr-defined]  # once per process
    _watches.append([])
    try:
        yield _watches[-1]
    finally:
        _watches.pop()
