"""A checkpoint as the page of its execution shows it: each answer that it got, in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from mixus.core.clock import MILLISECOND
from mixus.core.database import Row
from mixus.evals.lifecycle import TIMED_OUT, CheckpointStatus, Decision


@dataclass(frozen=True)
class Answer:
    """`by` is None where nobody decided in time."""

    attempt: int
    action: str
    by: str | None
    via: str | None
    at: datetime
    response_ms: int | None
    hint: str | None
    comment: str | None


@dataclass(frozen=True)
class Edit:
    """One argument; None where it was not there."""

    tool: str
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Asked:
    row: Row
    answers: Sequence[Answer]

    @property
    def edits(self) -> list[Edit]:
        """What was approved in another form than was proposed."""
        if self.row["decision"] != Decision.APPROVE:
            return []
        proposed = {action["actionId"]: action["arguments"] for action in self.row["proposed_actions"]}
        return [
            edit
            for action in self.row["effective_actions"]
            for edit in _edits(action, proposed.get(action["actionId"], {}))
        ]

    @property
    def is_awaiting(self) -> bool:
        return bool(self.row["status"] is CheckpointStatus.AWAITING)


def asked(checkpoint: Row) -> Asked:
    answers = [_hint(given) for given in checkpoint["hints"]]
    if checkpoint["decision"] is not None:
        answers.append(_decision(checkpoint))
    return Asked(checkpoint, answers)


def _hint(given: Mapping[str, Any]) -> Answer:
    at, requested = datetime.fromisoformat(given["at"]), datetime.fromisoformat(given["requestedAt"])
    return Answer(
        given["attempt"],
        Decision.HINT,
        given["by"],
        given["via"],
        at,
        (at - requested) // MILLISECOND,
        given["hint"],
        given["comment"],
    )


def _decision(checkpoint: Row) -> Answer:
    is_decided = checkpoint["decision"] != TIMED_OUT
    waited = checkpoint["decided_at"] - checkpoint["requested_at"]
    return Answer(
        checkpoint["attempt"],
        checkpoint["decision"],
        checkpoint["decided_by"],
        checkpoint["decided_via"],
        checkpoint["decided_at"],
        waited // MILLISECOND if is_decided else None,
        None,
        checkpoint["comment"],
    )


def _edits(action: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Edit]:
    after: Mapping[str, Any] = action["arguments"]
    for name in dict.fromkeys([*before, *after]):
        if _exactly(before, name) != _exactly(after, name):
            yield Edit(action["tool"], name, _spelled(before, name), _spelled(after, name))


def _exactly(arguments: Mapping[str, Any], name: str) -> bytes:
    """In Python `true` equals 1, and 1 equals 1.0."""
    found = {name: arguments[name]} if name in arguments else {}
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS)


def _spelled(arguments: Mapping[str, Any], name: str) -> str | None:
    if name not in arguments:
        return None
    value = arguments[name]
    return value if isinstance(value, str) else orjson.dumps(value).decode()
