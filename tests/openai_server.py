"""An OpenAI-compatible server on loopback, which answers each request as the test has written it down.

It speaks Chat Completions, as server-sent events and whole, and keeps every request with its headers.
"""

import json
import select
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
Arguments = Mapping[str, Any] | str


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a model says: text, and calls as (tool, arguments); arguments that are text go out as they are."""

    text: str = ""
    calls: Sequence[tuple[str, Arguments]] = ()
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    # How many characters of a call's arguments go into each piece of a stream.
    piece: int = 7
    # The connection breaks after so many pieces.
    cut_after: int | None = None
    # It falls silent after so many pieces, until the server is closed.
    hang_after: int | None = None
    # It answers whole, whatever was asked for.
    is_whole: bool = False


@dataclass(frozen=True)
class Refusal:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    # Made of the request, so that a test can send back what it was sent.
    say: Callable[[Asked], str] = lambda _asked: "refused"


@dataclass(frozen=True)
class Garbage:
    """200, and then anything."""

    body: bytes
    content_type: str = "application/json"


Reply = Answer | Refusal | Garbage


def text(said: str, **more: Any) -> Answer:
    return Answer(text=said, **more)


def calls(*wanted: tuple[str, Arguments], **more: Any) -> Answer:
    return Answer(calls=wanted, **more)


class OpenAIServer:
    """Replies in the order of the script; the last one is for all that follow."""

    def __init__(self, *script: Reply) -> None:
        self.script: list[Reply] = list(script)
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        # A client waits for an answer that does not come; and then no longer.
        self.hanging, self.left = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"server_of": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def next_reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Cut(Exception):
    """The connection ends here, and not as it should."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        reply = self.server_of.next_reply(asked)
        # A client's pool may belong to an event loop that is gone at the next request.
        self.close_connection = True
        try:
            self._reply(reply, asked)
        except (_Cut, BrokenPipeError, ConnectionResetError):
            self.connection.close()

    def _reply(self, reply: Reply, asked: Asked) -> None:
        if isinstance(reply, Refusal):
            error = {"message": reply.say(asked), "type": "test"}
            self._send(reply.status, "application/json", json.dumps({"error": error}).encode(), reply.headers)
        elif isinstance(reply, Garbage):
            self._send(200, reply.content_type, reply.body, {})
        elif asked.body.get("stream") and not reply.is_whole:
            self._stream(reply, asked)
        else:
            self._hang_or_cut(reply, 0)
            whole = json.dumps(_completion(reply, asked)).encode()
            self._send(200, "application/json", whole, {})

    def _send(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Answer, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for number, piece in enumerate(_pieces(reply, asked)):
            self._hang_or_cut(reply, number)
            self._write_chunk(f"data: {json.dumps(piece)}\n\n".encode())
        self._write_chunk(b"data: [DONE]\n\n")
        self._write_chunk(b"")

    def _hang_or_cut(self, reply: Answer, number: int) -> None:
        self.wfile.flush()
        if number == reply.hang_after:
            self._hang()
            raise _Cut
        if number == reply.cut_after:
            raise _Cut

    def _hang(self) -> None:
        self.server_of.hanging.set()
        while not self.server_of.closing.wait(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable:
                self.server_of.left.set()
                return

    def _write_chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def log_message(self, *arguments: object) -> None:
        pass


def _head(kind: str, asked: Asked) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_790_000_000, "model": asked.body["model"]}


def _written(arguments: Arguments) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _completion(reply: Answer, asked: Asked) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [
            {"id": f"call_{index}", "type": "function", "function": _function(name, arguments)}
            for index, (name, arguments) in enumerate(reply.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _reason(reply)}
    usage = {} if reply.usage is None else {"usage": reply.usage}
    return {**_head("chat.completion", asked), "choices": [choice], **usage}


def _function(name: str, arguments: Arguments) -> dict[str, str]:
    return {"name": name, "arguments": _written(arguments)}


def _reason(reply: Answer) -> str:
    return "tool_calls" if reply.calls else "stop"


def _pieces(reply: Answer, asked: Asked) -> Iterator[dict[str, Any]]:
    """As OpenAI sends them: the role, the words, each call in pieces, the reason it ends, the usage."""
    head = _head("chat.completion.chunk", asked)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in reply.text.splitlines(keepends=True)]
    for index, (name, arguments) in enumerate(reply.calls):
        deltas += _call_deltas(index, name, _written(arguments), reply.piece)
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _reason(reply)}]}
    if reply.usage is not None and asked.body.get("stream_options", {}).get("include_usage"):
        yield {**head, "choices": [], "usage": reply.usage}


def _call_deltas(index: int, name: str, written: str, piece: int) -> Iterator[dict[str, Any]]:
    function: dict[str, Any] = {"name": name, "arguments": ""}
    first = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    yield {"tool_calls": [first]}
    for start in range(0, len(written), piece):
        part = {"arguments": written[start : start + piece]}
        yield {"tool_calls": [{"index": index, "function": part}]}


def cut(reply: Answer, after: int) -> Answer:
    return replace(reply, cut_after=after)


def hung(reply: Answer, after: int) -> Answer:
    return replace(reply, hang_after=after)
