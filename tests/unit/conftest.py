"""A loopback HTTP server that answers as it was told, for tests of what goes over the wire."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass(frozen=True)
class Reply:
    """One answer; `is_dropped` closes the connection instead, `is_cut` breaks off before the end."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    is_cut: bool = False
    held_until: threading.Event | None = None


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class ScriptedServer:
    """Gives the replies of a route in order, the last one again and again; keeps what it received."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._replies: dict[tuple[str, str], list[Reply]] = {}
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("BoundHandler", (Handler,), {"scripted": self})
        )
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self._replies[method, path] = list(replies)

    def answer(self, received: Received) -> Reply:
        with self._lock:
            self.received.append(received)
            replies = self._replies.get((received.method, received.path))
            if not replies:
                return Reply(404, {"code": "not-found", "detail": "No such thing here."})
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def paths(self) -> list[str]:
        return [f"{received.method} {received.path}" for received in self.received]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    scripted: ScriptedServer

    def handle_any(self) -> None:
        target = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.scripted.answer(
            Received(
                self.command,
                target.path,
                {name: values[0] for name, values in parse_qs(target.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(content) if content else None,
            )
        )
        if reply.held_until is not None:
            reply.held_until.wait(10)
        if not reply.is_dropped:
            # A client that did not wait that long is gone.
            with suppress(ConnectionError):
                self.send(reply)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 -- the names of http.server

    def send(self, reply: Reply) -> None:
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(content) + (1 if reply.is_cut else 0)))
        self.end_headers()
        if reply.status != 204:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
