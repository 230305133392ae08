"""What an admin sees of people beside their accounts: open sessions, and who was invited and has not come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select

from mixus.accounts.principal import Role
from mixus.accounts.tables import Purpose, accounts, links, sessions
from mixus.core.database import Transaction


@dataclass(frozen=True)
class Invitation:
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


def open_invitations(tx: Transaction, now: datetime, most: int) -> Sequence[Invitation]:
    """Newest first; of people who have an account by now there is none."""
    statement = (
        select(links.c.email, links.c.role, links.c.created_at, links.c.expires_at)
        .where(
            links.c.purpose == Purpose.INVITATION,
            links.c.used_at.is_(None),
            links.c.expires_at > now,
            ~exists().where(accounts.c.email == links.c.email),
        )
        .order_by(links.c.created_at.desc(), links.c.id)
        .limit(most)
    )
    return [Invitation(row.email, row.role, row.created_at, row.expires_at) for row in tx.execute(statement)]


def count_open_sessions(tx: Transaction, user_id: str, now: datetime) -> int:
    statement = select(func.count()).where(
        sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now
    )
    return int(tx.execute(statement).scalar_one())
