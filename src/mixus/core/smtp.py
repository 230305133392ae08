"""Hands a mail to the mail server, for all of its recipients or for none, and says why it was not taken."""

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from enum import StrEnum
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from mixus.core.settings import Settings

TIMEOUT_SECONDS = 20
PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
GO_ON: Final = 354
TAKEN: Final = 250
RECIPIENT_TAKEN: Final = frozenset({250, 251})


class Reason(StrEnum):
    UNREACHABLE = "mail server unreachable"
    TLS = "TLS with the mail server failed"
    NO_STARTTLS = "mail server offers no STARTTLS"
    SIGN_IN = "mail server refused the sign-in"
    UNSUPPORTED = "mail server lacks AUTH or SMTPUTF8"
    SENDER = "mail server refused the sender"
    RECIPIENT = "mail server refused the recipient"
    MESSAGE = "mail server refused the mail"


class NoStartTls(smtplib.SMTPNotSupportedError):
    """Sending in the clear what was to be encrypted is no way out."""


class Unanswered(Exception):
    """The mail was handed over and no answer came: nobody knows whether it was taken."""


# The first that fits; each is some kind of OSError.
REASONS: Final = (
    (NoStartTls, Reason.NO_STARTTLS),
    (smtplib.SMTPNotSupportedError, Reason.UNSUPPORTED),
    (smtplib.SMTPAuthenticationError, Reason.SIGN_IN),
    (smtplib.SMTPSenderRefused, Reason.SENDER),
    (smtplib.SMTPRecipientsRefused, Reason.RECIPIENT),
    (smtplib.SMTPDataError, Reason.MESSAGE),
    (ssl.SSLError, Reason.TLS),
)


@dataclass(frozen=True)
class Refusal:
    """Why a mail was not taken, without a word of the server's own: it may quote what was sent to it."""

    reason: Reason
    code: int | None = None
    recipient: str | None = None

    def __str__(self) -> str:
        return self.reason if self.code is None else f"{self.reason} ({self.code})"


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed in, and who sends them."""

    url: SecretStr
    sender: str

    @property
    def domain(self) -> str:
        return parseaddr(self.sender)[1].rpartition("@")[2].encode("idna").decode()


def server_of(settings: Settings) -> MailServer | None:
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    return MailServer(settings.smtp_url, settings.mail_from)


def hand_in(server: MailServer, message: EmailMessage, recipients: Sequence[str]) -> Refusal | None:
    """None when the server took it for all of them. Never inside a transaction: it may take minutes.

    Raises:
        Unanswered: the connection was lost between the mail and the answer to it.
    """
    try:
        connection = _connect(urlsplit(server.url.get_secret_value()), server.domain)
    except OSError as error:
        return _refusal(error)
    try:
        connection.send_message(message, parseaddr(server.sender)[1], recipients)
    except OSError as error:
        return _refusal(error)
    else:
        # It has been taken, whatever becomes of the good-bye.
        with suppress(OSError):
            connection.quit()
        return None
    finally:
        connection.close()


class Connection(smtplib.SMTP):
    """One recipient that is refused ends it, before the mail is handed over for any other."""

    def rcpt(self, recip: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        code, reply = super().rcpt(recip, options)
        if code not in RECIPIENT_TAKEN:
            raise smtplib.SMTPRecipientsRefused({recip: (code, reply)})
        return code, reply

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Tells a loss before the mail from one after it (RFC 5321 §4.1.1.4); smtplib's own does not."""
        code, reply = self.docmd("DATA")
        if code != GO_ON:
            raise smtplib.SMTPDataError(code, reply)
        try:
            self.send(_stuffed(msg))
            code, reply = self.getreply()
        except OSError as lost:
            raise Unanswered from lost
        if code // 100 not in (2, 4, 5):
            raise Unanswered
        return (TAKEN if code // 100 == 2 else code), reply  # noqa: PLR2004 - the kinds of RFC 5321 §4.2.1


class EncryptedConnection(Connection, smtplib.SMTP_SSL):
    pass


def _stuffed(content: bytes) -> bytes:
    """With a second dot where a line begins with one, and the dot that ends it (RFC 5321 §4.5.2)."""
    lines = b"\r\n" + content.removesuffix(b"\r\n")
    return lines.replace(b"\r\n.", b"\r\n..")[2:] + b"\r\n.\r\n"


def _connect(url: SplitResult, name: str) -> smtplib.SMTP:
    """`name` is how we introduce ourselves: the default would look up this machine's own name."""
    place = url.hostname or "", url.port or PORTS[url.scheme], name
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = EncryptedConnection(*place, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = Connection(*place, timeout=TIMEOUT_SECONDS)
    try:
        if url.scheme == "smtp+starttls":
            _encrypt(server, context)
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except OSError:
        server.close()
        raise
    return server


def _encrypt(server: smtplib.SMTP, context: ssl.SSLContext) -> None:
    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        raise NoStartTls
    server.starttls(context=context)


def _refusal(error: OSError) -> Refusal:
    reason = next((reason for kind, reason in REASONS if isinstance(error, kind)), Reason.UNREACHABLE)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        [(recipient, (code, _))] = error.recipients.items()
        return Refusal(reason, code, recipient)
    return Refusal(reason, error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None)
