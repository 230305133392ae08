"""Sign-ins, accounts and the audit as they come and go over the wire."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SecretStr, model_validator

from mixus.accounts.changes import AccountChange
from mixus.accounts.principal import Role
from mixus.core.audit import Filters
from mixus.server.api.schemas import Answered, Succeeded
from mixus.server.wire import Body, Email, Limit, Moment, Query, Timestamp

# Secret, so that no repr shows it. Longer than any that is taken: an uncomposed one has more characters.
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]
NewSecret = Annotated[
    SecretStr, Field(min_length=12, max_length=1000, description="From 12 to 200 characters.")
]
EventText = Annotated[str, Field(min_length=1, max_length=64)]
# Not null but left out: null changes nothing, and is refused as no value.
LEFT_OUT: Any = None


class SignIn(Body):
    email: Email
    password: Secret


class PasswordChange(Body):
    current_password: Secret
    new_password: NewSecret


class Redemption(Body):
    token: Annotated[SecretStr, Field(min_length=1, max_length=200)]
    password: NewSecret
    email: Annotated[Email | None, Field(description="Only for the link of the first account.")] = None


class NewUser(Body):
    email: Email
    role: Annotated[Role, Field(strict=False)]


class UserChange(Body):
    """At least one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    role: Annotated[Role, Field(strict=False)] = Field(default_factory=lambda: LEFT_OUT)
    is_disabled: bool = Field(default_factory=lambda: LEFT_OUT)

    @model_validator(mode="after")
    def _changes_something(self) -> "UserChange":
        if not self.model_fields_set:
            raise ValueError("Name at least one field to change: role or isDisabled.")
        return self

    def change(self) -> AccountChange:
        return AccountChange(self.role, self.is_disabled)


class ListQuery(Query):
    limit: Limit = 50
    cursor: str | None = None


class AuditQuery(ListQuery):
    kind: Annotated[EventText, Field(description="Such as `key.revoked`.")] | None = None
    subject_id: Annotated[EventText, Field(description="What it happened to.")] | None = None
    actor_id: Annotated[EventText, Field(description="The account that did it.")] | None = None
    from_: Annotated[Moment, Field(description="At or after.")] | None = Field(None, alias="from")
    to: Annotated[Moment, Field(description="Before.")] | None = None

    def filters(self) -> Filters:
        return Filters(self.kind, self.subject_id, self.actor_id, self.from_, self.to)


class SessionItem(Answered):
    id: str
    created_at: Timestamp
    expires_at: Timestamp
    network: str | None
    agent: str | None
    is_current: bool


class SessionPage(Succeeded):
    items: list[SessionItem]
    next_cursor: str | None


class Person(Answered):
    id: str
    email: str
    role: Role


class SessionAnswer(Succeeded):
    session: SessionItem
    account: Person
    csrf_token: str


class UserItem(Person):
    has_password: bool
    created_at: Timestamp
    disabled_at: Timestamp | None


class UserAnswer(UserItem):
    success: Literal[True]


class UserPage(Succeeded):
    items: list[UserItem]
    next_cursor: str | None


class InvitationAnswer(Succeeded):
    """The token is shown this once."""

    link_id: str
    email: str
    role: Role
    invite_token: str
    expires_at: Timestamp


class PasswordLinkAnswer(Succeeded):
    """The token is shown this once."""

    link_id: str
    user_id: str
    email: str
    password_token: str
    expires_at: Timestamp


class EventItem(Answered):
    id: str
    kind: str
    subject_id: str
    actor_id: str | None
    actor_email: str | None
    credential_id: str | None
    network: str | None
    at: Timestamp
    data: dict[str, Any]


class EventPage(Succeeded):
    items: list[EventItem]
    next_cursor: str | None
