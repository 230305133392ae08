"""A mail server on loopback that takes mails as it is told, for tests of what is sent."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from catcher import KEY

NAME, PASSWORD = "mixus", "p@ss/word of the tests"
ENCODED = "p%40ss%2Fword%20of%20the%20tests"


@dataclass(frozen=True)
class Received:
    """One mail, as its envelope and its content say. `is_encrypted`: whether it came over TLS."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    is_encrypted: bool = False

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class Listening(Controller):
    """On a socket that exists already, so that its port is known before it listens."""

    def __init__(self, receiver: "Receiver", listener: socket.socket) -> None:
        super().__init__(
            receiver,
            hostname="127.0.0.1",
            port=listener.getsockname()[1],
            authenticator=_authenticate,
            auth_require_tls=False,
            ssl_context=receiver.tls if receiver.is_tls_at_once else None,
            tls_context=None if receiver.is_tls_at_once else receiver.tls,
        )
        self.listener = listener

    def _create_server(self) -> Coroutine[Any, Any, asyncio.Server]:
        return self.loop.create_server(self._factory_invoker, sock=self.listener, ssl=self.ssl_context)


class Receiver:
    """Refuses connections until it is started. `tls`: its certificate, for STARTTLS or at once."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, is_tls_at_once: bool = False) -> None:
        self.tls = tls
        self.is_tls_at_once = is_tls_at_once
        self.received: list[Received] = []
        self.refused: set[str] = set()
        self.is_holding = False
        self.held = threading.Event()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._controller: Listening | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url(self, scheme: str = "smtp", user: str = "") -> str:
        return f"{scheme}://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        self._controller = Listening(self, self._listener)
        self._controller.start()

    def close(self) -> None:
        self.is_holding = False
        if self._controller is not None:
            self._controller.stop()
        self._listener.close()
        assert not any(KEY.search(str(received.message)) for received in self.received), "a mail holds a key"

    # The names that aiosmtpd calls.
    async def handle_RCPT(  # noqa: N802 - aiosmtpd's signature
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return f"550 no {PASSWORD} for {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - see above
        message = message_from_bytes(envelope.original_content or b"", EmailMessage, policy=policy.default)
        self.received.append(
            Received(
                envelope.mail_from or "",
                tuple(envelope.rcpt_tos),
                message,
                is_encrypted=session.ssl is not None or self.is_tls_at_once,
            )
        )
        self.held.set()
        while self.is_holding:  # noqa: ASYNC110 - a test in another thread decides
            await asyncio.sleep(0.02)
        return "250 taken"


@contextmanager
def receiver(
    tls: ssl.SSLContext | None = None, *, is_tls_at_once: bool = False, is_started: bool = True
) -> Iterator[Receiver]:
    made = Receiver(tls, is_tls_at_once=is_tls_at_once)
    if is_started:
        made.start()
    try:
        yield made
    finally:
        made.close()


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (
        NAME.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=is_right, handled=False)
