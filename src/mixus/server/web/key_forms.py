"""The forms of keys, as they are filled in, and what they ask of the domain."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from pydantic import Field

from mixus.accounts.principal import Scope
from mixus.core.errors import Invalid
from mixus.keys import lifecycle
from mixus.keys.rotation import Rotation
from mixus.keys.service import KeyChange, NewKey
from mixus.server.web.forms import Form

KEYS: Final = "/integrations/api-keys"
NEVER: Final = "never"
ON_A_DATE: Final = "date"
# Within a form, `date` is the field.
Day = date


class NewKeyForm(Form):
    once: str = ""
    name: str = ""
    description: str = ""
    scopes: list[Scope] = Field(default_factory=list)
    expires: str = f"{lifecycle.LIFETIME.days}"
    date: Day | None = None
    allow_live: bool = False

    def new_key(self, user_id: str) -> NewKey:
        return NewKey(
            user_id=user_id,
            name=self.name,
            scopes=self.scopes,
            description=self.description,
            expires=_expiry(self.expires, self.date),
            allow_live=self.allow_live,
        )


class ChangeForm(Form):
    """All that may be changed, as it is to be: a box that is not ticked is a right that goes."""

    name: str = ""
    description: str = ""
    scopes: list[Scope] = Field(default_factory=list)
    allow_live: bool = False

    def change(self) -> KeyChange:
        return KeyChange(self.name, self.description, self.scopes, self.allow_live)


class RotateForm(Form):
    """`expires` left empty gives the successor as long a life as its predecessor was given."""

    once: str = ""
    overlap: Literal["0", "1h", "24h", "7d"]
    expires: str = ""

    def rotation(self, key_id: str) -> Rotation:
        expires = timedelta(days=_days(self.expires)) if self.expires else None
        return Rotation(key_id, lifecycle.OVERLAPS[self.overlap], expires=expires)


class RevokeForm(Form):
    reason: str | None = None
    cancel_executions: bool = False


def _expiry(word: str, day: date | None) -> timedelta | datetime | None:
    """A day is its first moment in UTC, as on the command line."""
    if word == NEVER:
        return None
    if word != ON_A_DATE:
        return timedelta(days=_days(word))
    if day is None:
        raise Invalid("Choose the day on which the key is to end.", field="date")
    return datetime.combine(day, time(), UTC)


def _days(word: str) -> int:
    if word not in map(str, lifecycle.LIFETIME_DAYS):
        raise Invalid("Choose one of the lifetimes of the list.", field="expires")
    return int(word)
