"""What a form sent: read with a limit, checked by a model, and given back when something in it is wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mixus.core.database import Transaction
from mixus.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    MixusError,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from mixus.server import errors
from mixus.server.wire import refuse_unkeepable

MOST_FIELDS: Final = 500
FORM: Final = "application/x-www-form-urlencoded"

Answer = TypeVar("Answer")
Model = TypeVar("Model", bound="Form")


@dataclass(frozen=True)
class Fields:
    """By name, in order; a name that was sent twice has two values."""

    values: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The one value; None where there is none, or more than one."""
        found = self.values.get(name, [])
        return found[0] if len(found) == 1 else None

    def all(self, name: str) -> list[str]:
        return list(self.values.get(name, ()))

    def without(self, *names: str) -> "Fields":
        return Fields({name: values for name, values in self.values.items() if name not in names})


class Form(BaseModel):
    """The fields of a form. What was left empty is as if it had not been there; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        refuse_unkeepable(value)
        return value


@dataclass(frozen=True)
class Refused:
    """What was wrong, for the page that shows the form again. `problems` has a sentence for each field."""

    error: MixusError

    @property
    def problems(self) -> dict[str, str]:
        found: list[dict[str, str]] = self.error.members.get("errors", [])
        return {each["field"]: each["message"] for each in reversed(found)}

    @property
    def status(self) -> int:
        return errors.status_of(self.error).value

    @property
    def headers(self) -> dict[str, str]:
        """Such as when it may be tried again."""
        return errors.headers(self.error, errors.status_of(self.error))


async def fields_of(request: Request) -> Fields:
    """Raises BadRequest for what no form of ours sends. The edge has bounded its length."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and media_type != FORM:
        raise BadRequest("This address takes a form of the pages; programs use the API at /api/.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise BadRequest("The form cannot be read; open the page again.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        # Browsers send the end of a line as two characters, whatever was typed.
        values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Fields(values)


def parsed(model: type[Model], fields: Fields) -> Model:
    """Raises Invalid with a sentence for each field that is wrong."""
    try:
        return model.model_validate(_given(model, fields))
    except ValidationError as error:
        raise errors.invalid(error.errors()) from None


def tried(tx: Transaction, act: Callable[[], Answer]) -> Answer | Refused:
    """What `act` gave, or why it refused, with all that it had written undone."""
    try:
        with tx.connection.begin_nested():
            return act()
    except (Invalid, Conflict, Forbidden, NotFound, TooManyRequests) as error:
        return Refused(error)


async def tried_alone(act: Awaitable[Answer]) -> Answer | Refused:
    """The same for what has transactions of its own, because it hashes before them."""
    try:
        return await act
    except (Invalid, Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized) as error:
        return Refused(error)


def _given(model: type[Form], fields: Fields) -> dict[str, Any]:
    """What was filled in: one value for each field, but for those that take a list."""
    lists = {name for name, each in model.model_fields.items() if get_origin(each.annotation) is list}
    filled = {name: [value for value in values if value] for name, values in fields.values.items()}
    return {name: values if name in lists else _one(values) for name, values in filled.items() if values}


def _one(values: list[str]) -> str | list[str]:
    """A list where one value was wanted, which the model refuses."""
    return values[0] if len(values) == 1 else values
