"""A mail that an admin sends to himself, to see whether the mail server takes what we hand in."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Final

from mixus.core import smtp
from mixus.core.ids import new_id
from mixus.core.settings import Settings
from mixus.core.smtp import MailServer, Reason, Unanswered


class Outcome(StrEnum):
    """What became of it: a word that an address can carry."""

    TAKEN = "taken"
    NOT_SET_UP = "not-set-up"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    NO_STARTTLS = "no-starttls"
    SIGN_IN = "sign-in"
    UNSUPPORTED = "unsupported"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"


OUTCOMES: Final = {reason: Outcome[reason.name] for reason in Reason}
TEXT: Final = """\
Hello,

you asked mixus for this mail, to see whether mail works.
It does: there is nothing more to do.
"""


def send(settings: Settings, recipient: str, now: datetime) -> Outcome:
    """Never inside a transaction: it may take minutes."""
    server = smtp.server_of(settings)
    if server is None:
        return Outcome.NOT_SET_UP
    try:
        refusal = smtp.hand_in(server, _composed(server, recipient, now), [recipient])
    except Unanswered:
        return Outcome.UNANSWERED
    return Outcome.TAKEN if refusal is None else OUTCOMES[refusal.reason]


def _composed(server: MailServer, recipient: str, now: datetime) -> EmailMessage:
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = recipient
    message["Subject"] = "A test mail of mixus"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{new_id('dlv')}@{server.domain}>"
    # RFC 3834: keeps absence notices and other programs from answering.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEXT, cte="quoted-printable")
    return message
