"""Hands a mail to the mail server, and says in words of ours why it was not taken."""

import logging
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from mixus.core.settings import Settings
from mixus.worker.mails import Letterhead

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 20
PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class Reason(StrEnum):
    UNREACHABLE = "mail server unreachable"
    TLS = "TLS with the mail server failed"
    NO_STARTTLS = "mail server offers no STARTTLS"
    SIGN_IN = "mail server refused the sign-in"
    UNSUPPORTED = "mail server lacks AUTH or SMTPUTF8"
    SENDER = "mail server refused the sender"
    RECIPIENT = "mail server refused the recipient"
    MESSAGE = "mail server refused the mail"


# No fault of the one mail: the next would fare no better.
OF_THE_SERVER: Final = frozenset(
    {Reason.UNREACHABLE, Reason.TLS, Reason.NO_STARTTLS, Reason.SIGN_IN, Reason.SENDER}
)


class NoStartTls(smtplib.SMTPNotSupportedError):
    """Sending in the clear what was to be encrypted is no way out."""


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

    def __str__(self) -> str:
        return self.reason if self.code is None else f"{self.reason} ({self.code})"


@dataclass(frozen=True)
class Postman:
    """Where mails are handed in, and what stands at their head."""

    url: SecretStr
    head: Letterhead

    def send(self, message: EmailMessage, recipient: str) -> Refusal | None:
        """None when the server took it. Never inside a transaction: it may take minutes."""
        try:
            server = _connect(urlsplit(self.url.get_secret_value()), self.head.domain)
        except OSError as error:
            return _refusal(error)
        try:
            server.send_message(message, parseaddr(self.head.sender)[1], [recipient])
        except OSError as error:
            return _refusal(error)
        else:
            # It has been taken, whatever becomes of the good-bye.
            with suppress(OSError):
                server.quit()
            return None
        finally:
            server.close()


def employ(settings: Settings) -> Postman | None:
    """None where mail is not set up; where it is in part, the log says once what is missing."""
    if settings.smtp_url is None or settings.mail_from is None or settings.public_url is None:
        if settings.missing_for_mail:
            logger.warning("no mail leaves: %s not set", " and ".join(settings.missing_for_mail))
        return None
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2].encode("idna").decode()
    return Postman(settings.smtp_url, Letterhead(settings.mail_from, domain, settings.public_url))


def _connect(url: SplitResult, name: str) -> smtplib.SMTP:
    """`name` is how we introduce ourselves: the default would look up this machine's own name."""
    place = url.hostname or "", url.port or PORTS[url.scheme], name
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(*place, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(*place, timeout=TIMEOUT_SECONDS)
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
        return Refusal(reason, next(code for code, _ in error.recipients.values()))
    return Refusal(reason, error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None)
