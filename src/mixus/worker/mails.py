"""What a mail says: plain text in short lines, that names a key and never holds one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Final

from mixus.core.settings import ReviewLinks
from mixus.keys import notices
from mixus.keys.info import KeyInfo


class Kind(StrEnum):
    """The events that somebody gets a mail about."""

    EXPIRING = notices.EXPIRING
    EXPIRED = notices.EXPIRED
    LEAK_REPORTED = "key.leak-reported"


@dataclass(frozen=True)
class KeyNews:
    """What happened to a key, and when."""

    kind: Kind
    at: datetime
    key: KeyInfo


@dataclass(frozen=True)
class Letterhead:
    """Who writes, and where that is. `domain` is the sender's."""

    sender: str
    domain: str
    public_url: str
    # What the link in a review mail may do, and what it is signed with.
    links: ReviewLinks = ReviewLinks.OFF
    secret: bytes = field(repr=False, kw_only=True)


HEADLINES: Final = {
    Kind.EXPIRING: "The key “{name}” expires {when}",
    Kind.EXPIRED: "The key “{name}” has expired",
    Kind.LEAK_REPORTED: "The key “{name}” was reported as leaked",
}

MEANINGS: Final = {
    Kind.EXPIRING: "One of your API keys expires {when}.\nAfter that, every request with it is refused.",
    Kind.EXPIRED: "One of your API keys has expired.\nEvery request with it is refused now.",
    Kind.LEAK_REPORTED: (
        "Somebody found one of your API keys where it should not be,\n"
        "and reported it. It was revoked at once and for ever:\n"
        "every request with it is refused now."
    ),
}

ADVICE: Final = {
    Kind.EXPIRING: (
        "To go on without a break, rotate it at\n\n"
        "  {address}/{key_id}/rotate\n\n"
        "or on the server, with\n\n"
        "  mixus keys rotate {key_id} --overlap 24h\n\n"
        "Old and new key both work for 24 hours, so that there is time\n"
        "to put the new one in its place. If nothing needs this key\n"
        "any more, there is nothing to do."
    ),
    Kind.EXPIRED: (
        "If something still needs it, make a new key, on the server with\n"
        "`mixus keys create` or at\n\n"
        "  {address}/new\n\n"
        "If nothing does, there is nothing to do."
    ),
    Kind.LEAK_REPORTED: (
        "What to do now:\n\n"
        "1. Look how it was used, and whether that was you, at\n\n"
        "     {address}/{key_id}\n\n"
        "   or on the server, with\n\n"
        "     mixus keys usage {key_id}\n\n"
        "2. Make a new key and put it where the old one was.\n"
        "3. Find out how the old one came to light, so that the new\n"
        "   one does not go the same way."
    ),
}


def compose(news: KeyNews, recipient: str, delivery_id: str, head: Letterhead, now: datetime) -> EmailMessage:
    key = news.key
    words = {
        "name": in_one_line(key.name),
        "when": "" if key.expires_at is None else _until(key.expires_at, now),
        "key_id": key.id,
        "address": f"{head.public_url}/integrations/api-keys",
    }
    parts = (
        MEANINGS[news.kind].format(**words),
        _facts(news.kind, news.at, key),
        ADVICE[news.kind].format(**words),
    )
    envelope = Envelope(recipient, delivery_id, now)
    return written(head, envelope, HEADLINES[news.kind].format(**words), parts)


@dataclass(frozen=True)
class Envelope:
    recipient: str
    delivery_id: str
    at: datetime


def written(head: Letterhead, envelope: Envelope, subject: str, parts: Sequence[str]) -> EmailMessage:
    """A mail that is sent again has the same Message-ID, so that its receivers can drop the second."""
    message = EmailMessage()
    message["From"] = head.sender
    message["To"] = envelope.recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(envelope.at)
    message["Message-ID"] = f"<{envelope.delivery_id}@{head.domain}>"
    # RFC 3834: keeps absence notices and other programs from answering.
    message["Auto-Submitted"] = "auto-generated"
    text = "\n\n".join(("Hello,", *parts, f"-- \nmixus at {head.public_url}\n"))
    message.set_content(text, cte="quoted-printable")
    return message


def _facts(kind: Kind, at: datetime, key: KeyInfo) -> str:
    facts = {
        "name": in_one_line(key.name),
        "key": key.masked,
        "id": key.id,
        "scopes": ", ".join(key.scopes),
        "reported": spelled(at) if kind is Kind.LEAK_REPORTED else None,
        "expired" if kind is Kind.EXPIRED else "expires": spelled(key.expires_at),
        "last used": spelled(key.last_used_at),
    }
    return "\n".join(f"  {label:<11}{fact}" for label, fact in facts.items() if fact is not None)


def in_one_line(name: str) -> str:
    """A name that cannot end a header, wherever it came from.

    An encoded word (RFC 2047) would be decoded when it is set as a header: the line break in one stood bare
    in the mail until the Pythons of late 2024.
    """
    visible = "".join(character if character.isprintable() else " " for character in name)
    return visible.replace("=?", "= ?")


def spelled(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%A}, {moment.day} {moment:%B %Y, %H:%M} UTC"


def _until(end: datetime, now: datetime) -> str:
    hours = round((end - now) / timedelta(hours=1))
    if hours < 1:
        return "within the hour"
    if hours == 1:
        return "in one hour"
    return f"in {hours} hours" if hours <= 48 else f"in {round(hours / 24)} days"  # noqa: PLR2004 - two days
