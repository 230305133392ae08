"""What went wrong in a call of a model, in words of our own: the provider's may quote a secret."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
)

# Told to wait or to come again. The other refusals stay what they are however often one asks.
PASSING_STATUSES: Final = frozenset({408, 425, 429})
FIRST_SERVER_STATUS: Final = 500
SAID_UNAVAILABLE: Final = (ModelRateLimitError, ModelUnavailableError, ModelServerError)


class Kind(StrEnum):
    """What helps: to ask again later, to ask anew at once, or nothing."""

    PASSING = "passing"
    GARBLED = "garbled"
    REFUSED = "refused"


@dataclass(frozen=True)
class Fault:
    """`reason` ends a sentence that begins with the provider."""

    kind: Kind
    reason: str
    retry_after_seconds: float | None = None


def fault_of(error: Exception) -> Fault:
    if isinstance(error, ModelHTTPError):
        is_passing = error.status_code in PASSING_STATUSES or error.status_code >= FIRST_SERVER_STATUS
        kind = Kind.PASSING if is_passing else Kind.REFUSED
        return Fault(kind, f"answered {error.status_code}", error.retry_after)
    if isinstance(error, ModelTimeoutError | ModelRequestTimeout | TimeoutError):
        return Fault(Kind.PASSING, "fell silent")
    if isinstance(error, ModelConnectionError | OSError):
        return Fault(Kind.PASSING, "could not be reached, or broke off")
    if isinstance(error, SAID_UNAVAILABLE):
        return Fault(Kind.PASSING, "said in its answer that it cannot serve now", error.retry_after)
    if isinstance(error, ModelRequestRejectedError):
        return Fault(Kind.REFUSED, "refused the request in its answer")
    # The library raises what it likes of a malformed answer.
    return Fault(Kind.GARBLED, "gave an answer that cannot be read")
