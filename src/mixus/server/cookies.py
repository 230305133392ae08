"""The cookie of a sign-in, and the checks that a request comes from a page of ours."""

import hmac
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from mixus.accounts.sessions import LIFETIME
from mixus.core.errors import Forbidden

NAME: Final = "mixus_session"
# A browser takes a cookie of this name from this very host alone, and only over https.
SECURE_NAME: Final = f"__Host-{NAME}"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Headers = Iterable[tuple[bytes, bytes]]


class CrossSite(Forbidden):
    """The request was not sent by a page of ours."""

    code = "csrf"


def session_cookie(headers: Headers, public_url: str | None = None) -> str | None:
    """The secret of the sign-in. Two cookies of this name are none: one of them was planted."""
    wanted = _name(public_url)
    found = [value for name, value in _cookies(headers) if name == wanted]
    return found[0] if len(found) == 1 else None


def set_cookie(response: Response, token: str, public_url: str | None) -> None:
    """Lax, so that a link in a mail opens the page signed in; what changes something has the CSRF token."""
    response.set_cookie(
        _name(public_url),
        token,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=_is_https(public_url),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, public_url: str | None) -> None:
    response.delete_cookie(
        _name(public_url), path="/", secure=_is_https(public_url), httponly=True, samesite="lax"
    )


def require_same_site(headers: Headers, public_url: str | None, csrf_token: str) -> None:
    """For a request that changes something and is signed in by a cookie, which a browser sends by itself."""
    require_own_origin(headers, public_url)
    presented = _values(headers, b"x-csrf-token")
    if len(presented) != 1 or not hmac.compare_digest(presented[0], csrf_token.encode()):
        raise CrossSite("Send the csrfToken of GET /api/session in the header X-CSRF-Token.")


def require_own_origin(headers: Headers, public_url: str | None) -> None:
    """Enough by itself where nobody is signed in yet. Only browsers send these headers, and cannot lie."""
    if not set(_values(headers, b"sec-fetch-site")) <= {b"same-origin", b"none"}:
        raise CrossSite("This was sent by a page of another site; do it on a page of this one.")
    origins = _values(headers, b"origin")
    if origins and (len(origins) > 1 or origins[0].decode("latin-1") not in _own(headers, public_url)):
        raise CrossSite(
            "The header Origin names another address than this server's; open it under its own, "
            "or set MIXUS_PUBLIC_URL to the one that people use."
        )


def _own(headers: Headers, public_url: str | None) -> set[str]:
    """Without a public address it is what the browser itself calls us, through whatever proxy."""
    if public_url is not None:
        return {_origin(public_url)}
    hosts = [value.decode("latin-1").lower() for value in _values(headers, b"host")]
    return {f"{scheme}://{host}" for scheme in DEFAULT_PORTS for host in hosts}


def _origin(url: str) -> str:
    """As browsers write it: in small letters, without the port that goes without saying."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _name(public_url: str | None) -> str:
    return SECURE_NAME if _is_https(public_url) else NAME


def _is_https(public_url: str | None) -> bool:
    return public_url is not None and public_url.startswith("https://")


def _cookies(headers: Headers) -> Iterator[tuple[str, str]]:
    for value in _values(headers, b"cookie"):
        for pair in value.decode("latin-1").split(";"):
            name, equals, text = pair.strip(" \t").partition("=")
            if equals:
                yield name, text


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]
