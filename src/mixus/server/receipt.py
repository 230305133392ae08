"""Revoking a key and what is told of it: the one act in which keys and executions meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mixus.core.database import Row, Transaction
from mixus.core.events import Actor
from mixus.evals import started
from mixus.keys import report, service
from mixus.keys.info import KeyInfo
from mixus.keys.usage import Last


@dataclass(frozen=True)
class Revocation:
    """`by` is the name under which executions are cancelled, where that is wanted."""

    key_id: str
    by: str
    reason: str | None = None
    cancels_executions: bool = False


@dataclass(frozen=True)
class Receipt:
    """`open_streams` end within seconds; `executions` are those of the key that had not ended yet."""

    key: KeyInfo
    effective_at: datetime
    open_streams: int
    executions: Sequence[Row]
    are_cancelled: bool


@dataclass(frozen=True)
class Outlook:
    """What would meet the end of a key: streams that are open with it, and what it started and runs yet."""

    open_streams: int
    executions: Sequence[Row]


def outlook(tx: Transaction, key_id: str, now: datetime) -> Outlook:
    return Outlook(report.open_streams(tx, key_id, now), started.unfinished(tx, key_id))


def revoke(
    tx: Transaction, wanted: Revocation, actor: Actor, now: datetime, last: Last | None = None
) -> Receipt:
    """End the key, and its executions where that is wanted; else they go on.

    `last` is a use of the key that is not written down yet.
    """
    key = service.revoke(tx, actor, wanted.key_id, now, wanted.reason).used(last)
    executions = started.unfinished(tx, key.id)
    if wanted.cancels_executions:
        for row in executions:
            started.cancel(tx, row["id"], wanted.by, actor, now)
    streams = report.open_streams(tx, key.id, now)
    return Receipt(key, now, streams, executions, wanted.cancels_executions)
