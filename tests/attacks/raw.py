"""A client that sends exactly the bytes it is given, and the real server in a thread to send them to.

The usual clients correct or refuse most of what an attacker sends.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import orjson
import uvicorn
from fastapi import FastAPI

from mixus.cli.serve import _server_config

HOST = "127.0.0.1"
SELF = "/api/keys/self"
PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The one header of this name; two of them fail the test."""
        found = [value for each, value in self.headers if each == name]
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """Of a refusal; empty of a success."""
        return str(self.json.get("code", "")) if self.body else ""


class Wire:
    """One connection, from an address of this machine's loopback network."""

    def __init__(self, port: int, source: str = HOST) -> None:
        self.socket = socket.create_connection((HOST, port), PATIENCE_SECONDS, (source, 0))
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """The server may close while we still send; its answer is what matters."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self) -> Answer | None:
        """The next answer; None when the server closed the connection without one."""
        try:
            line = self.reader.readline()
            if not line:
                return None
            headers = tuple(self._headers())
            return Answer(int(line.split()[1]), headers, self._body(dict(headers)))
        except ConnectionResetError:
            return None

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for the server to close."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        while line := self.reader.readline().strip():
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip()

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding") == b"chunked":
            return b"".join(self._chunks())
        return self.reader.read(int(headers.get(b"content-length", b"0")))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.reader.readline(), 16):
            yield self.reader.read(size)
            self.reader.readline()
        self.reader.readline()


def request(*lines: bytes, method: bytes = b"GET", path: bytes = SELF.encode(), body: bytes = b"") -> bytes:
    """A request with exactly these header lines after its host."""
    head = [method + b" " + path + b" HTTP/1.1", b"Host: mixus.example", *lines, b"", b""]
    return b"\r\n".join(head) + body


def bearer(key: str) -> bytes:
    return b"Authorization: Bearer " + key.encode()


def ask(port: int, data: bytes, source: str = HOST) -> Answer | None:
    with Wire(port, source) as wire:
        wire.send(data)
        return wire.answer()


def asked(port: int, data: bytes, source: str = HOST) -> Answer:
    """The answer, which there must be."""
    answer = ask(port, data, source)
    assert answer is not None, "the server closed the connection"
    return answer


@contextmanager
def serving(app: FastAPI, trusted_proxies: str | None = None) -> Iterator[int]:
    """The port of a server as `mixus serve` sets it up."""
    with socket.create_server((HOST, 0), backlog=2048) as listener:
        ready = threading.Event()
        server = _Server(_server_config(app, trusted_proxies), ready)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(PATIENCE_SECONDS)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()
