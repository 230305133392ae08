"""Rows as the wire shows them, made by hand because the status of an execution is asked for all the time.

Works on plain rows: whole milliseconds, words, and JSON as text, which is passed on without being read.
schemas.py documents the same shapes, and a test holds the two together.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from mixus.core.clock import rfc3339, to_ms
from mixus.core.database import Row
from mixus.evals import human
from mixus.evals.human import spread
from mixus.evals.lifecycle import REHEARSAL, CheckpointStatus, Decision, Status, TestMode
from mixus.evals.queries import CHECKPOINT_PREFIX
from mixus.evals.tables import checkpoints as checkpoint_table
from mixus.server.answers import Document

NOTHING_ASKED: Final = "no-effect-nobody-asked"
# Whose time runs while an execution is in this status.
BUCKET: Final[dict[str, str]] = {
    Status.QUEUED: "queuedMs",
    Status.RUNNING: "agentMs",
    Status.AWAITING: "waitingMs",
}
DECIDED: Final = frozenset({CheckpointStatus.APPROVED.value, CheckpointStatus.REJECTED.value})
NO_JSON: Final = "[]"
CHECKPOINT_COLUMNS: Final = [
    (column.name, CHECKPOINT_PREFIX + column.name)
    for column in checkpoint_table.columns
    if column.name not in {"execution_id", "position", "digests", "comment"}
]


def status_document(rows: Sequence[Row], now_ms: int) -> Document:
    """`rows` is the execution joined with its checkpoints."""
    row = rows[0]
    checkpoints = [_own_columns(each) for each in rows] if row["checkpoint_id"] is not None else []
    # In the baseline nobody is asked: its checkpoints record where somebody would have been.
    said = human_verification(checkpoints if row["test_mode"] == TestMode.WITH_VERIFICATION else [])
    return {
        "success": True,
        "executionId": row["id"],
        "taskName": row["task_name"],
        "testMode": row["test_mode"],
        "status": row["status"],
        "version": row["version"],
        "model": row["model"],
        "environment": row["environment"],
        "createdAt": rfc3339(row["created_at"]),
        "startedAt": _moment(row["started_at"]),
        "finishedAt": _moment(row["finished_at"]),
        "plan": orjson.Fragment(row["plan"]),
        "checkpoints": [checkpoint(each) for each in checkpoints],
        "progress": {
            "checkpointsTotal": len(checkpoints),
            "checkpointsDecided": sum(each["status"] in DECIDED for each in checkpoints),
            "steps": row["steps"],
        },
        "result": row["result"],
        "score": row["score"] and orjson.Fragment(row["score"]),
        "error": _error(row),
        "rehearsal": row["model"] == REHEARSAL,
        "notice": notice(row, said["requested"]),
        "metrics": metrics(row, now_ms),
        "humanVerification": said,
    }


def summary(row: Row) -> Document:
    """An execution as a list shows it."""
    return {
        "executionId": row["id"],
        "taskName": row["task_name"],
        "testMode": row["test_mode"],
        "status": row["status"],
        "version": row["version"],
        "model": row["model"],
        "environment": row["environment"],
        "rehearsal": row["model"] == REHEARSAL,
        "assignedReviewer": row["assigned_reviewer"],
        "metadata": orjson.Fragment(row["metadata"]),
        "retryOf": row["retry_of"],
        "createdAt": rfc3339(row["created_at"]),
        "startedAt": _moment(row["started_at"]),
        "finishedAt": _moment(row["finished_at"]),
        "error": _error(row),
    }


def checkpoint(row: Row) -> Document:
    return {
        "checkpointId": row["id"],
        "stage": row["stage"],
        "description": row["description"],
        "verificationQuestion": row["verification_question"],
        "source": row["source"],
        "status": row["status"],
        "attempt": row["attempt"],
        "work": row["work"],
        "proposedActions": orjson.Fragment(row["proposed_actions"]),
        "effectiveActions": orjson.Fragment(row["effective_actions"]),
        "requestedAt": _moment(row["requested_at"]),
        "dueAt": _moment(row["due_at"]),
        "notifiedAt": _moment(row["notified_at"]),
        "firstViewedAt": _moment(row["first_viewed_at"]),
        "decidedAt": _moment(row["decided_at"]),
        "decidedBy": row["decided_by"],
        "decidedVia": row["decided_via"],
        "decision": row["decision"],
        "hints": orjson.Fragment(row["hints"]),
    }


def trace_entry(row: Row) -> Document:
    return {
        "number": row["number"],
        "at": rfc3339(row["at"]),
        "kind": row["kind"],
        "data": orjson.Fragment(row["data"]),
    }


def metrics(row: Row, now_ms: int) -> Document:
    times = {"queuedMs": row["queued_ms"], "agentMs": row["agent_ms"], "waitingMs": row["waiting_ms"]}
    bucket = BUCKET.get(row["status"])
    if bucket is not None:
        # The clock of another process may be ahead of ours; time then stands still.
        times[bucket] += max(now_ms - row["since"], 0)
    return {
        "durationMs": sum(times.values()),
        **times,
        "steps": row["steps"],
        "modelCalls": row["steps"],
        "toolCalls": row["tool_calls"],
        "inputTokens": row["input_tokens"],
        "outputTokens": row["output_tokens"],
        "costUsd": row["cost_usd"],
        "errors": row["errors"],
        "retries": row["retries"],
    }


def human_verification(checkpoints: Iterable[Row]) -> Document:
    """What people were asked, what they said, and how long it took them."""
    said: list[str] = []
    vias: list[str] = []
    waits: list[int] = []
    worked: list[int | None] = []
    asked = edited = 0
    for row in checkpoints:
        asked += row["requested_at"] is not None
        worked.append(row["active_review_ms"])
        # Not what the clock decided, because nobody did.
        if row["decision"] in human.DECIDED:
            said.append(row["decision"])
            edited += _is_edited(row)
            vias.append(row["decided_via"])
            waits.append(row["decided_at"] - row["requested_at"])
        if row["hints"] != NO_JSON:
            hints = orjson.loads(row["hints"])
            said += [Decision.HINT] * len(hints)
            vias += [hint["via"] for hint in hints]
            waits += [_ms(hint["at"]) - _ms(hint["requestedAt"]) for hint in hints]
            worked += [hint.get("activeReviewMs") for hint in hints]
    return {
        "requested": asked + said.count(Decision.HINT),
        "approved": said.count(Decision.APPROVE),
        "edited": edited,
        "rejected": said.count(Decision.REJECT),
        "hints": said.count(Decision.HINT),
        "byKey": vias.count("key"),
        "medianResponseMs": spread(waits).median,
        "activeReviewMs": _sum(worked),
    }


def _sum(values: Iterable[int | None]) -> int | None:
    """Of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _is_edited(row: Row) -> bool:
    """Approved in another form than was proposed; both are JSON as text."""
    is_approved = row["decision"] == Decision.APPROVE
    return bool(is_approved and row["effective_actions"] != row["proposed_actions"])


def plain(row: Row) -> dict[str, Any]:
    """A row of a transaction as the compiled lane would give it."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_ms(value)
    if isinstance(value, list | dict):
        return orjson.dumps(value)
    return value


def _own_columns(row: Row) -> Mapping[str, Any]:
    return {name: row[key] for name, key in CHECKPOINT_COLUMNS}


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339(milliseconds)


def _ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


def _error(row: Row) -> Document | None:
    if row["error_code"] is None:
        return None
    return {"code": row["error_code"], "message": row["error_message"]}


def notice(row: Row, requested: int) -> str | None:
    is_unasked = row["status"] == Status.COMPLETED and row["test_mode"] == TestMode.WITH_VERIFICATION
    return NOTHING_ASKED if is_unasked and requested == 0 else None
