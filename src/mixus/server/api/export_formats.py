"""An exported execution as bytes: a line of JSON, or a record of a table (RFC 4180)."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mixus.server.answers import Document

JSONL: Final = "application/jsonl"
CSV: Final = "text/csv"
# What a spreadsheet takes for the beginning of a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
# In the order of the columns: the name, and where in the document it stands.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    **{
        name: (name,)
        for name in (
            *("executionId", "taskName", "taskDescription", "testMode", "status", "model", "rehearsal"),
            *("environment", "template", "parameters", "metadata", "expectedOutcome", "assignedReviewer"),
            *("retryOf", "createdAt", "startedAt", "finishedAt", "result"),
        )
    },
    "scoreType": ("score", "type"),
    "scorePassed": ("score", "passed"),
    "scoreValue": ("score", "value"),
    "scoreDetail": ("score", "detail"),
    "errorCode": ("error", "code"),
    "errorMessage": ("error", "message"),
    "notice": ("notice",),
    **{
        name: ("metrics", name)
        for name in (
            *("durationMs", "queuedMs", "agentMs", "waitingMs", "steps", "modelCalls", "toolCalls"),
            *("inputTokens", "outputTokens", "costUsd", "errors", "retries"),
        )
    },
    "checkpointsTotal": ("progress", "checkpointsTotal"),
    "checkpointsDecided": ("progress", "checkpointsDecided"),
    **{
        name: ("humanVerification", name)
        for name in (
            *("requested", "approved", "edited", "rejected", "hints", "byKey"),
            *("medianResponseMs", "activeReviewMs"),
        )
    },
}


@dataclass(frozen=True)
class Format:
    """`end` closes an export of so many documents, with a code where it is not complete."""

    media_type: str
    start: bytes
    record: Callable[[Document], bytes]
    end: Callable[[int, str | None], bytes]


def json_line(document: Document) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def json_end(count: int, code: str | None) -> bytes:
    return json_line({"complete": code is None, "count": count, "code": code})


def csv_record(document: Document) -> bytes:
    return _record(_at(document, path) for path in COLUMNS.values())


def csv_end(_count: int, _code: str | None) -> bytes:
    """A table has no place for remarks: one that is cut off shows it by its connection alone."""
    return b""


def _record(values: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([cell(value) for value in values])
    return line.getvalue().encode()


def cell(value: Any) -> str:
    """Text as it is, nothing for null, all else as JSON. An apostrophe tells spreadsheets not to run it."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if text.startswith(FORMULA) else text


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if isinstance(document, orjson.Fragment):
            document = orjson.loads(orjson.dumps(document))
        document = None if document is None else document.get(name)
    return document


FORMATS: Final = {
    "jsonl": Format(JSONL, b"", json_line, json_end),
    "csv": Format(CSV, _record(COLUMNS), csv_record, csv_end),
}
