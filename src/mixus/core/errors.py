"""What can go wrong, by kind; server/errors.py alone knows which HTTP status a kind meets."""

from typing import Any, ClassVar


class MixusError(Exception):
    """A refusal with a stable code for programs and one sentence for people.

    The sentence says what is wrong and what to do, and never holds a secret.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str, *, code: str | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.error_code = code or self.code
        self.members = members


class BadRequest(MixusError):
    """The request cannot be read at all."""

    code = "invalid-request"


class Unauthorized(MixusError):
    """Nobody known is calling; `code` says why."""

    code = "key-missing"


class Forbidden(MixusError):
    """The caller is known and may not do this."""

    code = "insufficient-scope"


class NotFound(MixusError):
    """It does not exist, or not for this caller."""

    code = "not-found"


class Conflict(MixusError):
    """The state of the thing does not allow it."""

    code = "conflict"


class TooManyRequests(MixusError):
    """It may be asked again after `retry_after_seconds`, and not before."""

    code = "rate-limited"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Invalid(MixusError):
    """The request is readable and not valid; `errors` names the fields."""

    code = "invalid"

    def __init__(self, detail: str, *, field: str) -> None:
        super().__init__(detail, errors=[{"field": field, "message": detail}])


class Unavailable(MixusError):
    """The database or the engine is away."""

    code = "unavailable"


class Misconfigured(MixusError):
    """The deployment cannot start as it is set up."""

    code = "misconfigured"
