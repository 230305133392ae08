"""What can go wrong between a program and the server, as one tree under `MixusError`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# A server (or a proxy in between) that repeats the key in its answer must not carry it into a log of ours.
KEY: Final = re.compile(r"mxs_eval_[0-9A-Za-z]+")


# The first digit of a status.
REDIRECTION: Final = 3
SERVER_ERROR: Final = 5


@dataclass(frozen=True)
class FieldError:
    """One field that the server refused."""

    field: str
    message: str


class MixusError(Exception):
    """A refusal or a failure: `code` is for programs, `detail` is one sentence for people."""

    def __init__(
        self,
        detail: str,
        *,
        code: str = "error",
        status: int | None = None,
        request_id: str | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.request_id = request_id
        # The whole problem document: a decided checkpoint names the winner in it.
        self.problem: Mapping[str, Any] = problem or {}
        # True when an earlier attempt of the same call got no answer, and so may have counted.
        self.is_after_lost_answer = False

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} ({self.code}{request})"


class Unauthorized(MixusError):
    """401, or no usable key here: `code` says what is wrong with the key."""


class AccessDenied(MixusError):
    """403: the key has not the scope, or its owner not the right."""


class NotFound(MixusError):
    """404: not there, or not for this key."""


class Conflict(MixusError):
    """409: the state does not allow it (`already-decided`, `stale-attempt`, `queue-full`, …)."""


class Invalid(MixusError):
    """422: `errors` names each field and what is wrong with it."""

    errors: tuple[FieldError, ...] = ()


class RateLimited(MixusError):
    """429, after all repeats."""


class ServerError(MixusError):
    """5xx after all repeats, or an answer that cannot be read."""


class Unreachable(MixusError):
    """No answer: no connection, a time-out, or a redirect, which is never followed."""


class TimedOut(MixusError, TimeoutError):
    """`wait` ended before the execution got there."""


class ExecutionEnded(MixusError):
    """An external execution is over, by a rejection, a cancel or its time: nothing more can be done in it."""

    execution_status = "unknown"


class EffectRejected(ExecutionEnded):
    """The reviewer said no: the effect must not happen, and the execution has ended."""


class Hinted(MixusError):
    """The reviewer says in `hint` what to do otherwise: what was asked for is dropped."""

    hint = ""


class EffectHinted(Hinted):
    """The effect must not happen; propose another one, which needs an approval of its own."""


class EffectNotDone(MixusError):
    """Raised by your own code inside an effect, when for certain nothing was done."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="effect-not-done")


BY_STATUS: Final[dict[int, type[MixusError]]] = {
    401: Unauthorized,
    403: AccessDenied,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: RateLimited,
}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> MixusError:
    """Return the error that an answer stands for."""
    request_id = headers.get("x-request-id")
    if status // 100 == REDIRECTION:
        return Unreachable(
            "The server answers with a redirect, which is not followed because the key would go with it; "
            "set the address that it redirects to.",
            code="redirected",
            status=status,
            request_id=request_id,
        )
    problem = read_problem(body)
    error = error_class(status)(
        str(problem.get("detail") or problem.get("title") or f"The server answered {status}."),
        code=str(problem.get("code") or f"http-{status}"),
        status=status,
        request_id=request_id or problem.get("requestId"),
        problem=problem,
    )
    if isinstance(error, Invalid):
        error.errors = read_field_errors(problem)
    return error


def unreadable(status: int, headers: Mapping[str, str]) -> ServerError:
    return ServerError(
        "The answer cannot be read; check that the address is that of a mixus server.",
        code="unreadable-answer",
        status=status,
        request_id=headers.get("x-request-id"),
    )


def error_class(status: int) -> type[MixusError]:
    return BY_STATUS.get(status) or (ServerError if status // 100 == SERVER_ERROR else MixusError)


def read_problem(body: bytes) -> dict[str, Any]:
    """Return the problem document, or nothing: what answers may be a proxy that knows none."""
    try:
        problem = json.loads(without_key(body.decode(errors="replace")))
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def read_field_errors(problem: Mapping[str, Any]) -> tuple[FieldError, ...]:
    errors = problem.get("errors")
    return tuple(
        FieldError(str(error.get("field", "")), str(error.get("message", "")))
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    )


def without_key(text: str) -> str:
    return KEY.sub("mxs_eval_…", text)
