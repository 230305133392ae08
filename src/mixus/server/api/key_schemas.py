"""What is asked and told of keys, over the wire."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from mixus.accounts.principal import Scope
from mixus.keys import lifecycle
from mixus.keys.labels import LONGEST_NAME, LONGEST_TEXT
from mixus.keys.lifecycle import State
from mixus.keys.rotation import Rotation
from mixus.keys.service import KeyChange, NewKey
from mixus.server.api.schemas import Answered, Succeeded
from mixus.server.wire import Body, Timestamp, is_moment, text

# Longer than any key, so that what is no key gets the same answer as one.
LONGEST_REPORT: Final = 256


Name = Annotated[str, Field(max_length=4 * LONGEST_NAME, description="1 to 80 characters.")]
Description = Annotated[str, Field(max_length=4 * LONGEST_TEXT, description="At most 500 characters.")]
Scopes = Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=20)]
# One rule in place of a union, of which each branch would name its own mistake.
DAYS: Final = {f"{days}": timedelta(days=days) for days in lifecycle.LIFETIME_DAYS}
NEVER: Final = "never"


def _ends(value: object) -> timedelta | datetime | str:
    """Days, a time, or `never`."""
    if isinstance(value, int) and not isinstance(value, bool) and str(value) in DAYS:
        return DAYS[str(value)]
    if value == NEVER:
        return NEVER
    if isinstance(value, str) and is_moment(value):
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(value).astimezone(UTC)
    raise ValueError(f"Input should be {', '.join(DAYS)} (days), a time like 2026-11-23T10:00:00Z, or never.")


Expiry = Annotated[
    timedelta | datetime | str,
    PlainValidator(_ends),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "enum": list(lifecycle.LIFETIME_DAYS)},
                {"type": "string", "format": "date-time"},
                {"const": NEVER},
            ],
            "description": "Days, a time, or `never` where the admin allows it.",
        }
    ),
]


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
            expires=lifecycle.LIFETIME if self.expires is None else _or_none(self.expires),
            allow_live=self.allow_live or False,
        )


# Not null but left out: null changes nothing, and is refused.
LEFT_OUT: Any = None


class ChangeKey(Body):
    """At least one of them; a key is only ever narrowed."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name = Field(default_factory=lambda: LEFT_OUT)
    description: Description = Field(default_factory=lambda: LEFT_OUT)
    scopes: Scopes = Field(default_factory=lambda: LEFT_OUT)
    allow_live: bool = Field(default_factory=lambda: LEFT_OUT)

    @model_validator(mode="after")
    def _changes_something(self) -> "ChangeKey":
        if not self.model_fields_set:
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
    expires: Expiry | None = None

    @field_validator("expires")
    @classmethod
    def _has_an_end(cls, expires: timedelta | datetime | str | None) -> timedelta | datetime | str | None:
        """Left out, the successor of an endless key is endless."""
        if expires == NEVER:
            raise ValueError("Leave it out: the successor lives as long as its predecessor was given.")
        return expires

    def rotation(self, key_id: str) -> Rotation:
        overlap = lifecycle.OVERLAPS[self.overlap]
        expires = None if self.expires is None else _or_none(self.expires)
        return Rotation(key_id, overlap, self.scopes, self.allow_live, expires)


class RevokeKey(Body):
    reason: Annotated[str, Field(max_length=4 * LONGEST_TEXT)] | None = None
    cancel_executions: bool | None = None


class ReportLeak(Body):
    key: Annotated[str, text(LONGEST_REPORT)]


def _or_none(expires: timedelta | datetime | str) -> timedelta | datetime | None:
    return None if isinstance(expires, str) else expires


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
    last_refused: LastUse | None
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
