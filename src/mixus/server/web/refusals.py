"""What a person is shown who cannot be served: the page to sign in, or one sentence and a way back."""

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from mixus.accounts.sessions import SessionExpired, SessionMissing
from mixus.core.errors import MixusError
from mixus.keys import tokens
from mixus.server import errors
from mixus.server.cookies import CrossSite
from mixus.server.web import frame
from mixus.server.web.forms import Fields

API: Final = "/api/"
SIGN_IN: Final = "/signin"
SIGNED_OUT: Final = "Your sign-in is over, and nothing was recorded. Sign in, and do it again."
# What no person has typed, and what nobody shall see again.
NOT_TYPED: Final = re.compile(r"csrf|once|attempt|milliseconds|action|next|.*password.*", re.IGNORECASE)


def is_for_a_person(scope: Scope) -> bool:
    """Browsers ask for pages by their kind, and programs do not."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return b"text/html" in accepted and not scope["path"].startswith(API)


def refusal(error: MixusError, scope: Scope, request_id: str, support: str | None = None) -> Response:
    is_over = isinstance(error, SessionMissing | SessionExpired)
    if is_over and scope["method"] == "GET":
        return frame.see_other(f"{SIGN_IN}?next={quote(_address(scope), safe='')}")
    status = errors.status_of(error)
    sign_in = f"{SIGN_IN}?next={quote(_came_from(scope), safe='')}"
    values = {
        "title": "You are signed out" if is_over else errors.TITLES.get(status, status.phrase),
        "status": status.value,
        "detail": SIGNED_OUT if is_over else tokens.without_keys(error.detail),
        "request_id": request_id,
        "support": support,
        "sign_in": sign_in if status is HTTPStatus.UNAUTHORIZED else None,
        "typed": _typed(scope) if is_over or isinstance(error, CrossSite) else [],
    }
    answer = frame.html("refusal.html", status, values)
    answer.headers.update(errors.headers(error, status))
    return answer


def safe_next(text: str | None) -> str:
    """Where to go after signing in: a page of this very server, whatever somebody wrote into the address.

    Browsers read a backslash as a slash and drop tabs and line ends, so that more than `//` leaves the site.
    """
    path = text or "/"
    is_ours = path.startswith("/") and not path.startswith("//")
    return path if is_ours and path.isprintable() and "\\" not in path else "/"


def _typed(scope: Scope) -> list[tuple[str, str]]:
    """What stood in the form that nobody took, by the names of its fields."""
    fields: Fields = scope["state"].get("typed", Fields())
    found = ((name, text) for name, texts in fields.values.items() for text in texts if text.strip())
    return [(name, tokens.without_keys(text)) for name, text in found if not NOT_TYPED.fullmatch(name)]


def _came_from(scope: Scope) -> str:
    """The page that the form stood on; browsers tell it to its own site only."""
    headers = Headers(scope=scope)
    scheme, _, path = headers.get("referer", "").partition(f"://{headers.get('host')}")
    return safe_next(path) if scheme in {"http", "https"} else "/"


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")
