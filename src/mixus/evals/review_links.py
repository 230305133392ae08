"""The signed link of a review mail: it opens one checkpoint for one reviewer, and needs no sign-in."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Row, select

from mixus.accounts.principal import SCOPES_OF, Principal, Role, Via
from mixus.accounts.tables import accounts
from mixus.core.database import Transaction
from mixus.evals.errors import ReviewLinkUnusable
from mixus.evals.lifecycle import CheckpointStatus, Environment
from mixus.evals.tables import checkpoints, executions

# What the secret is made of with the pepper: `pepper.hash(REVIEW_LINKS)`.
REVIEW_LINKS: Final = "review-links"
PURPOSE: Final = "review link, form 1"


@dataclass(frozen=True)
class LinkedReviewer:
    """Who holds a link, and the one execution that it reaches.

    `status` is the checkpoint's: only one that is awaiting can be decided; of a decided one the link shows
    what was recorded, and nothing else.
    """

    principal: Principal
    execution_id: str
    status: CheckpointStatus


def signature(secret: bytes, checkpoint_id: str, reviewer: str) -> str:
    """43 characters, base64url. It binds the reviewer, so that it dies when another one is assigned."""
    signed = orjson.dumps([PURPOSE, checkpoint_id, reviewer])
    digest = hmac.digest(secret, signed, "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def open_link(
    tx: Transaction, secret: bytes, checkpoint_id: str, signature: str, network: str | None
) -> LinkedReviewer:
    """Whose link this is, while he is the assigned reviewer and his account, if he has one, is not disabled.

    The principal reaches this execution alone, decides this checkpoint alone, changes nothing else, and has
    no more rights than a member, whatever his role: the rules are in `access` and in `decide`.

    Raises:
        ReviewLinkUnusable: for every reason alike; which one it is, a stranger is not told.
    """
    found = _asked(tx, checkpoint_id)
    reviewer = "" if found is None else found.assigned_reviewer
    is_signed = hmac.compare_digest(
        _signed(secret, checkpoint_id, reviewer), signature.encode(errors="replace")
    )
    if found is None or not is_signed or found.disabled_at is not None:
        raise ReviewLinkUnusable
    # No mail has a link to what is real: that needs a sign-in.
    if found.environment is Environment.LIVE:
        raise ReviewLinkUnusable
    return LinkedReviewer(_principal(found, network), found.execution_id, found.status)


def _signed(secret: bytes, checkpoint_id: str, reviewer: str) -> bytes:
    return signature(secret, checkpoint_id, reviewer).encode()


def _asked(tx: Transaction, checkpoint_id: str) -> Row[Any] | None:
    statement = (
        select(
            *(checkpoints.c.id, checkpoints.c.execution_id, checkpoints.c.status),
            *(executions.c.assigned_reviewer, executions.c.environment),
            *(accounts.c.id.label("user_id"), accounts.c.role, accounts.c.disabled_at),
        )
        .join(executions, executions.c.id == checkpoints.c.execution_id)
        .outerjoin(accounts, accounts.c.email == executions.c.assigned_reviewer)
        .where(checkpoints.c.id == checkpoint_id)
    )
    return tx.execute(statement).one_or_none()


def _principal(found: Row[Any], network: str | None) -> Principal:
    role = Role.VIEWER if found.role is Role.VIEWER else Role.MEMBER
    return Principal(
        user_id=found.user_id or "",
        email=found.assigned_reviewer,
        role=role,
        scopes=SCOPES_OF[role],
        credential_id=found.id,
        via=Via.LINK,
        network=network,
        bound_to=found.execution_id,
    )
