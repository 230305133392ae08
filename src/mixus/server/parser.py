"""The HTTP parser, with an end to heads, and without trailers that pass for headers."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mixus.core.errors import BadRequest
from mixus.core.ids import new_id
from mixus.server import errors

LONGEST_HEAD: Final = 64 * 1024


class Parser(HttpToolsProtocol):
    """A head that does not end is cut off before it fills the memory.

    Trailers (RFC 9112, 7.1.2) are no headers: taken for some, they would bring a key past every proxy that
    looks at headers only.
    """

    _is_head = True
    # No head has ended in the chunk at hand, so that all of it belongs to one.
    _is_within_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._is_within_head = self._is_head
        super().data_received(data)
        if self._is_within_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self.send_400_response("The head of the request is too long; send less.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head = self._is_within_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be read as HTTP is refused like all else, with an id and a code."""
        request_id = new_id("req")
        refused = BadRequest(
            msg if msg.endswith("less.") else "This is no HTTP/1.1 request that can be read."
        )
        answer = errors.problem(refused, request_id)
        head = [b"HTTP/1.1 400 Bad Request", b"x-request-id: " + request_id.encode(), b"connection: close"]
        head += [b"%b: %b" % header for header in answer.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(answer.body)]))
        self.transport.close()
