"""The one table from what went wrong to what HTTP says about it, as problem details (RFC 9457)."""

import sqlite3
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

import orjson
from fastapi.exceptions import RequestValidationError
from sqlalchemy import exc as sqlalchemy_errors
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mixus.core import errors
from mixus.core.errors import Invalid, MixusError, Unauthorized
from mixus.keys import tokens

MEDIA_TYPE: Final = "application/problem+json"
MOST_ERRORS: Final = 20
RETRY_AFTER_SECONDS: Final = 5


class BodyTooLarge(MixusError):
    code = "body-too-large"


class NotJson(MixusError):
    """The body is there and does not say that it is JSON."""

    code = "unsupported-media-type"


class InvalidJson(errors.BadRequest):
    code = "invalid-json"


class MethodNotAllowed(MixusError):
    code = "method-not-allowed"


class Internal(MixusError):
    """Our own fault; what it was stands in the log only."""

    code: ClassVar[str] = "internal"


STATUS: Final[dict[type[MixusError], HTTPStatus]] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# Beside our own word for 403: what RFC 9110 calls them, where older versions of Python say otherwise.
TITLES: Final = {
    HTTPStatus.FORBIDDEN: "Access denied",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
ABOUT_A_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
DATABASE_AWAY: Final = (
    sqlite3.OperationalError,
    sqlalchemy_errors.OperationalError,
    sqlalchemy_errors.InterfaceError,
    sqlalchemy_errors.TimeoutError,
)


def status_of(error: MixusError) -> HTTPStatus:
    kinds = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(error: MixusError, request_id: str, support: str | None = None) -> Response:
    """`support` is whom the admin names for people whose key is refused."""
    status = status_of(error)
    contact = {"support": support} if support and status in ABOUT_A_KEY else {}
    document = {
        **error.members,
        **contact,
        "type": f"urn:mixus:error:{error.error_code}",
        "title": TITLES.get(status, status.phrase),
        "status": status.value,
        "detail": error.detail,
        "success": False,
        "code": error.error_code,
        "requestId": request_id,
    }
    # A sentence may name what was sent, and what was sent may be a key in a wrong place.
    content = tokens.without_keys(orjson.dumps(document).decode())
    return Response(content, status, headers(error, status), MEDIA_TYPE)


def understood(error: Exception) -> MixusError:
    """What the client may know of any error: our own as they are, of all others nothing but their kind."""
    if isinstance(error, MixusError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, DATABASE_AWAY):
        return errors.Unavailable("The database is away; try again in a few seconds.")
    return Internal("Something broke here, and it is not your fault; tell us the requestId.")


def method_not_allowed(allow: Sequence[str]) -> MethodNotAllowed:
    """`allow` is what the address takes; the edge knows it."""
    return MethodNotAllowed(f"This address takes {' and '.join(allow)} only.", allow=allow)


def headers(error: MixusError, status: HTTPStatus) -> dict[str, str]:
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": _challenge(error)}
    if status is HTTPStatus.FORBIDDEN and "scope" in error.members:
        scope = error.members["scope"]
        return {"WWW-Authenticate": f'Bearer realm="mixus", error="insufficient_scope", scope="{scope}"'}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return {"Allow": ", ".join(error.members["allow"])}
    if isinstance(error, errors.TooManyRequests):
        return {"Retry-After": str(error.retry_after_seconds)}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}


def _challenge(error: MixusError) -> str:
    """RFC 6750: a request without any credential is told the scheme and nothing about an error."""
    was_sent = error.error_code.startswith("key-") and error.error_code != Unauthorized.code
    return 'Bearer realm="mixus"' + (', error="invalid_token"' if was_sent else "")


def _of_framework(error: HTTPException) -> MixusError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return errors.NotFound("There is nothing at this address; /openapi.json lists what there is.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return method_not_allowed([])
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # The framework says so of a body that it could not parse: bad UTF-8, too deep, a number too long.
        return InvalidJson("The body is no JSON that can be read; check its encoding and how deep it goes.")
    return Internal("Something broke here, and it is not your fault; tell us the requestId.")


def _invalid(error: RequestValidationError) -> MixusError:
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        position = found[0]["loc"][-1]
        return InvalidJson(f"The body is not JSON: {found[0]['ctx']['error']} at character {position}.")
    return invalid([{**item, "loc": item["loc"][1:] or item["loc"]} for item in found])


def invalid(found: Sequence[Any]) -> Invalid:
    """What a model found wrong, as pydantic lists it."""
    members = [{"field": _field(item["loc"]), "message": _message(item)} for item in found[:MOST_ERRORS]]
    first = members[0]
    refused = Invalid(f"{first['field']}: {first['message']}", field=first["field"])
    refused.members["errors"] = members
    return refused


def _field(place: tuple[int | str, ...]) -> str:
    """`checkpoints.3.stage`: where in the request, in its own names, short and printable."""
    path = ".".join(str(step) for step in place)
    return "".join(character for character in path[:200] if character.isprintable())


def _message(item: dict[str, Any]) -> str:
    """The rule that was broken, never the value that broke it."""
    if item["type"] == "extra_forbidden":
        return "This field is not known here."
    if item["type"] == "too_short":
        return f"Input should have at least {item['ctx']['min_length']}."
    text: str = item["msg"].removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."
