"""The HTTP parser, with an end to heads, and without trailers that pass for headers."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD: Final = 64 * 1024


class Parser(HttpToolsProtocol):
    """A head that does not end is cut off before it fills the memory.

    Trailers (RFC 9112, 7.1.2) are no headers: taken for some, they would bring a key past every proxy that
    looks at headers only.
    """

    _is_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        was_head = self._is_head
        super().data_received(data)
        if was_head and self._is_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self.send_400_response("The head of the request is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head_bytes = True, 0
        super().on_message_complete()
