"""The reference that programs read: every operation with every refusal that it can answer."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from mixus.server.errors import MEDIA_TYPE, TITLES

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
ALWAYS: Final = (400, 401, 500, 503)
WITH_SCOPE: Final = (403, 422, 429)
WITH_BODY: Final = (413, 415)

Responses = dict[int | str, dict[str, Any]]


class FieldError(BaseModel):
    field: str = Field(description="Where in the request, in its own names: `checkpoints.3.stage`.")
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). Some codes bring members of their own, which the reference names."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="One sentence for people: what is wrong and what to do.")
    success: bool = Field(json_schema_extra={"const": False})
    code: str = Field(description="Stable, for programs.")
    requestId: str  # noqa: N815 - the name on the wire
    support: str | None = Field(default=None, description="Whom to ask, with 401, 403 and 429, where set.")
    errors: list[FieldError] = Field(default_factory=list, description="With 422: each field in question.")


def describe_problems(schema: dict[str, Any]) -> None:
    """Add the schema that all refusals refer to."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs")
    schemas["Problem"] = described


def refusals(*statuses: int) -> Responses:
    """The documented answers of a route that needs a scope, beside its success."""
    return problems(*ALWAYS, *WITH_SCOPE, *statuses)


def problems(*statuses: int) -> Responses:
    return {status: _problem(HTTPStatus(status)) for status in sorted(set(statuses))}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    title = TITLES.get(status, status.phrase)
    return {"description": title, "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
