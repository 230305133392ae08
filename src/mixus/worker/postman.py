"""Where the mails of the service are handed in, and what stands at their head."""

import logging
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

from mixus.core import smtp
from mixus.core.settings import Settings
from mixus.core.smtp import MailServer, Reason, Refusal, Unanswered
from mixus.worker.mails import Letterhead

logger = logging.getLogger(__name__)

# No fault of the one mail: the next would fare no better.
OF_THE_SERVER: Final = frozenset(
    {Reason.UNREACHABLE, Reason.TLS, Reason.NO_STARTTLS, Reason.SIGN_IN, Reason.SENDER}
)


@dataclass(frozen=True)
class Postman:
    server: MailServer
    head: Letterhead

    def send(self, message: EmailMessage, recipient: str) -> Refusal | None:
        """None when the server took it. Never inside a transaction: it may take minutes."""
        try:
            return smtp.hand_in(self.server, message, [recipient])
        except Unanswered:
            # It is sent again, with the same Message-ID.
            return Refusal(Reason.UNREACHABLE)


def employ(settings: Settings, secret: bytes) -> Postman | None:
    """None where mail is not set up; where it is in part, the log says once what is missing.

    `secret` signs the links in review mails.
    """
    server = smtp.server_of(settings)
    if server is None or settings.public_url is None:
        if settings.missing_for_mail:
            logger.warning("no mail leaves: %s not set", " and ".join(settings.missing_for_mail))
        return None
    place = server.sender, server.domain, settings.public_url
    return Postman(server, Letterhead(*place, settings.review_links, secret=secret))
