"""What a person is shown who cannot be served: the page to sign in, or one sentence and a way back."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.responses import Response
from starlette.types import Scope

from mixus.accounts.sessions import SessionExpired, SessionMissing
from mixus.core.errors import MixusError
from mixus.keys import tokens
from mixus.server import errors
from mixus.server.web import frame

API: Final = "/api/"
SIGN_IN: Final = "/signin"


def is_for_a_person(scope: Scope) -> bool:
    """Browsers ask for pages by their kind, and programs do not."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return b"text/html" in accepted and not scope["path"].startswith(API)


def refusal(error: MixusError, scope: Scope, request_id: str, support: str | None = None) -> Response:
    if isinstance(error, SessionMissing | SessionExpired) and scope["method"] == "GET":
        return frame.see_other(f"{SIGN_IN}?next={quote(_address(scope), safe='')}")
    status = errors.status_of(error)
    values = {
        "title": errors.TITLES.get(status, status.phrase),
        "status": status.value,
        "detail": tokens.without_keys(error.detail),
        "request_id": request_id,
        "support": support,
        "sign_in": status is HTTPStatus.UNAUTHORIZED,
    }
    answer = frame.html("refusal.html", status, values)
    answer.headers.update(errors.headers(error, status))
    return answer


def safe_next(text: str | None) -> str:
    """Where to go after signing in: a page of this very server, whatever somebody wrote into the address.

    Browsers read a backslash as a slash and drop tabs and line ends, so that more than `//` leaves the site.
    """
    path = text or "/"
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if is_ours and path.isprintable() and "\\" not in path else "/"


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")
