"""`send_email`: recorded in the sandbox, and handed to the deployment's mail server when live."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from mixus.agents.tools.registry import Arguments, Context, Tool, ToolFailed
from mixus.core import smtp
from mixus.core.clock import utc_now
from mixus.core.smtp import MailServer
from mixus.evals.lifecycle import Effect

# A server may take its time with each of a mail's steps.
TIMEOUT_SECONDS: Final = 120.0

# The dot-atoms of RFC 5322 §3.4.1, in any letters: the forms with quotes and comments are read differently
# by different programs, and a mail could go to another address than the one that was shown.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@[^@]{{1,255}}\Z){_ATOM}(?:\.{_ATOM})*@[\w-]+(?:\.[\w-]+)*")


def _address(text: str) -> str:
    """One that a header holds as it is: an encoded word (RFC 2047) would become another."""
    if not _ADDRESS.fullmatch(text) or "=?" in text:
        raise ValueError("not an e-mail address")
    return text


def _one_line(text: str) -> str:
    """A line break in a header would start another header."""
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


Address = Annotated[str, AfterValidator(_address)]


class Email(Arguments):
    to: list[Address] = Field(min_length=1, max_length=50)
    cc: list[Address] = Field(default=[], max_length=50)
    subject: Annotated[str, AfterValidator(_one_line)] = Field(min_length=1, max_length=200)
    body: str = Field(max_length=20_000, description="Plain text.")

    @property
    def recipients(self) -> list[str]:
        return [*self.to, *self.cc]


def send_email(server: MailServer | None, now: Callable[[], datetime] = utc_now) -> Tool:
    async def run(arguments: Email, context: Context) -> dict[str, Any]:
        if server is None:
            raise ToolFailed("No mail server is set up here; nothing was sent.")
        message = _written(arguments, context, server, now())
        recipients = list(dict.fromkeys(arguments.recipients))
        refusal = await asyncio.to_thread(smtp.hand_in, server, message, recipients)
        if refusal is not None:
            whom = "" if refusal.recipient is None else f" {refusal.recipient}"
            raise ToolFailed(f"The {refusal}{whom}; nothing was sent.")
        return {"status": "sent", "recipients": recipients, "messageId": message["Message-ID"]}

    return Tool(
        name="send_email",
        description="Send a plain-text e-mail.",
        effect=Effect.SEND,
        arguments=Email,
        run=run,
        record=_record,
        timeout_seconds=TIMEOUT_SECONDS,
    )


async def _record(arguments: Email, _context: Context) -> dict[str, Any]:
    return {"status": "recorded", "sandbox": True, "recipients": arguments.recipients}


def _written(arguments: Email, context: Context, server: MailServer, now: datetime) -> EmailMessage:
    try:
        return _compose(arguments, context, server, now)
    except (ValueError, MessageError) as impossible:
        raise ToolFailed(
            "An address or a character cannot stand in a mail; nothing was sent."
        ) from impossible


def _compose(arguments: Email, context: Context, server: MailServer, now: datetime) -> EmailMessage:
    """The same action has the same Message-ID, so that its receivers can drop a second one."""
    message = EmailMessage()
    message["From"] = server.sender
    _set_addresses(message, "To", arguments.to)
    if arguments.cc:
        _set_addresses(message, "Cc", arguments.cc)
    # Set as a header, an encoded word would be decoded, and could hold the line break of another header.
    message["Subject"] = arguments.subject.replace("=?", "= ?")
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{context.action_id}@{server.domain}>"
    message["X-Mixus-Execution"] = context.execution_id
    # RFC 3834: keeps absence notices and other programs from answering.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(arguments.body, cte="quoted-printable")
    return message


def _set_addresses(message: EmailMessage, name: str, addresses: list[str]) -> None:
    """Raises ValueError where a header would read another address than the one that was approved."""
    message[name] = ", ".join(addresses)
    if [address.addr_spec for address in message[name].addresses] != addresses:
        raise ValueError("not addresses as a header holds them")
