"""What is asked and told of keys, over the wire."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from mixus.accounts.principal import Scope
from mixus.core.clock import NAIVE_EPOCH, shown
from mixus.keys import lifecycle
from mixus.keys.info import KeyInfo, shown_or_none
from mixus.keys.labels import LONGEST_NAME, LONGEST_TEXT
from mixus.keys.lifecycle import State
from mixus.keys.report import UsageReport
from mixus.keys.rotation import Rotation
from mixus.keys.service import KeyChange, NewKey
from mixus.server.answers import Document
from mixus.server.api.schemas import Answered, Succeeded
from mixus.server.receipt import Receipt
from mixus.server.wire import Body, Moment, Timestamp, text

# Longer than any key, so that what is no key gets the same answer as one.
LONGEST_REPORT: Final = 256


def _text_only(value: object) -> object:
    """A number would be taken for seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("Input should be days, or a time like 2026-11-23T10:00:00Z.")  # noqa: TRY004 - pydantic's way to refuse
    return value


Name = Annotated[str, Field(max_length=4 * LONGEST_NAME, description="1 to 80 characters.")]
Description = Annotated[str, Field(max_length=4 * LONGEST_TEXT, description="At most 500 characters.")]
Scopes = Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=20)]
Days = Annotated[int, Field(description="One of 7, 30, 60, 90, 180, 365.")]
Until = Annotated[Moment, Field(strict=False), BeforeValidator(_text_only)]
Expiry = Annotated[
    Days | Until | Literal["never"],
    Field(description="Days to live, a time, or `never` where the admin allows it. Default 90 days."),
]


def expiry_of(value: int | datetime | str) -> timedelta | datetime | None:
    if isinstance(value, int):
        return timedelta(days=value) if 0 < value <= max(lifecycle.LIFETIME_DAYS) else timedelta(0)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


class CreateKey(Body):
    name: Name
    scopes: Scopes
    description: Description | None = None
    expires: Expiry | None = None
    allow_live: bool | None = None

    def new_key(self, user_id: str) -> NewKey:
        return NewKey(
            user_id=user_id,
            name=self.name,
            scopes=self.scopes,
            description=self.description or "",
            expires=lifecycle.LIFETIME if self.expires is None else expiry_of(self.expires),
            allow_live=self.allow_live or False,
        )


class ChangeKey(Body):
    """At least one of them; a key is only ever narrowed."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name | None = None
    description: Description | None = None
    scopes: Scopes | None = None
    allow_live: bool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "ChangeKey":
        if self.change() == KeyChange():
            raise ValueError("Name at least one field to change: name, description, scopes or allowLive.")
        return self

    def change(self) -> KeyChange:
        return KeyChange(self.name, self.description, self.scopes, self.allow_live)


class RotateKey(Body):
    overlap: Annotated[
        Literal["0", "1h", "24h", "7d"], Field(description="For how long the old key goes on working.")
    ]
    scopes: Scopes | None = None
    allow_live: bool | None = None
    expires: Annotated[Days | Until, Field(description="Default: as long as its predecessor.")] | None = None

    def rotation(self, key_id: str) -> Rotation:
        overlap = OVERLAPS[self.overlap]
        expires = None if self.expires is None else expiry_of(self.expires)
        return Rotation(key_id, overlap, self.scopes, self.allow_live, expires)


class RevokeKey(Body):
    reason: Annotated[str, Field(max_length=4 * LONGEST_TEXT)] | None = None
    cancel_executions: bool | None = None


class ReportLeak(Body):
    key: Annotated[str, text(LONGEST_REPORT)]


OVERLAPS: Final = dict(zip(("0", "1h", "24h", "7d"), lifecycle.OVERLAPS, strict=True))


class LastUse(Answered):
    at: Timestamp
    network: str | None
    agent: str | None


class Key(Answered):
    id: str
    name: str
    description: str
    masked: str
    scopes: list[Scope]
    allow_live: bool
    state: State
    created_at: Timestamp
    expires_at: Timestamp | None
    disabled_at: Timestamp | None
    revoked_at: Timestamp | None
    revoke_reason: str | None
    lineage_id: str
    replaced_by: str | None
    last_used: LastUse | None
    requests: int
    refused: int


class KeyAnswer(Key):
    success: Literal[True]


class NewKeyAnswer(KeyAnswer):
    key: str = Field(description="The secret, shown this once.")


class KeyPage(Succeeded):
    items: list[Key]
    next_cursor: str | None
    active: int
    most_active: int


class ReceiptExecution(Answered):
    execution_id: str
    task_name: str
    status: str


class ReceiptAnswer(KeyAnswer):
    """`executions` had not ended when the key was revoked; they go on unless `executionsCancelled`."""

    effective_at: Timestamp
    open_streams: int
    executions: list[ReceiptExecution]
    executions_cancelled: bool


class Day(Answered):
    day: str
    requests: int
    refused: int


class Route(Answered):
    route: str
    status: int
    refusal: str | None
    scope: Scope | None
    count: int


class Older(Answered):
    requests: int
    refused: int


class UsageAnswer(KeyAnswer):
    days: list[Day]
    older: Older
    routes: list[Route]
    unused_scopes: list[Scope]
    open_streams: int


class RateLimit(Answered):
    limit: int
    remaining: int
    reset_ms: int
    window_ms: int


class Executions(Answered):
    running: int
    most_running: int
    queued: int
    most_queued: int
    waiting: int
    most_waiting: int


class Limits(Answered):
    requests: RateLimit
    executions: Executions


class SelfAnswer(Succeeded):
    id: str
    name: str
    description: str
    masked: str
    scopes: list[Scope]
    allow_live: bool
    created_at: Timestamp
    expires_at: Timestamp | None
    replaced_by: str | None
    limits: Limits


class Received(Succeeded):
    received: Literal[True]


def key_document(key: KeyInfo, now: datetime) -> Document:
    last = key.last_used_at and {
        "at": shown(key.last_used_at),
        "network": key.last_used_network,
        "agent": key.last_used_agent,
    }
    return {
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "masked": key.masked,
        "scopes": [scope.value for scope in key.scopes],
        "allowLive": key.allow_live,
        "state": key.state(now).value,
        "createdAt": shown(key.created_at),
        "expiresAt": shown_or_none(key.expires_at),
        "disabledAt": shown_or_none(key.disabled_at),
        "revokedAt": shown_or_none(key.revoked_at),
        "revokeReason": key.revoke_reason,
        "lineageId": key.lineage_id,
        "replacedBy": key.replaced_by,
        "lastUsed": last,
        "requests": key.accepted,
        "refused": key.refused,
    }


def receipt_document(receipt: Receipt, now: datetime) -> Document:
    executions = [
        {"executionId": row["id"], "taskName": row["task_name"], "status": row["status"].value}
        for row in receipt.executions
    ]
    return {
        **key_document(receipt.key, now),
        "effectiveAt": shown(receipt.effective_at),
        "openStreams": receipt.open_streams,
        "executions": executions,
        "executionsCancelled": receipt.are_cancelled,
    }


def usage_document(key: KeyInfo, report: UsageReport, now: datetime) -> Document:
    return {
        **key_document(key, now),
        "days": [
            {"day": day_shown(each.day), "requests": each.accepted, "refused": each.refused}
            for each in report.days
        ],
        "older": {"requests": report.older.accepted, "refused": report.older.refused},
        "routes": [
            {
                "route": each.route,
                "status": each.status,
                "refusal": each.refusal or None,
                "scope": each.scope,
                "count": each.count,
            }
            for each in report.routes
        ],
        "unusedScopes": [scope.value for scope in report.unused_scopes],
        "openStreams": report.open_streams,
    }


def day_shown(day: int) -> str:
    """The day in UTC: `2026-11-23`."""
    return (NAIVE_EPOCH + timedelta(days=day)).date().isoformat()
