"""Where the client sends and with which key: checked once, before anything leaves."""

import os
from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from json import dumps
from typing import Final, TypedDict

import httpx2

from mixus.client.calls import Call
from mixus.client.errors import MixusError, Unauthorized
from mixus.client.retries import NoAnswer

DEFAULT_URL: Final = "http://127.0.0.1:8000"
CONNECT_SECONDS: Final = 10.0


class Bearer(httpx2.Auth):
    """Puts the key on each request, and shows it nowhere else."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Bearer(mxs_eval_…)"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request


class Transport(TypedDict):
    """What both of the HTTP library's clients are made with."""

    trust_env: bool
    verify: bool
    follow_redirects: bool
    timeout: httpx2.Timeout
    headers: dict[str, str]


@dataclass(frozen=True)
class Connection:
    base_url: str
    auth: Bearer
    timeout_seconds: float

    def transport(self) -> Transport:
        # Proxies of the environment are for https alone: over plain http one of them would read the key.
        # And plain http needs no certificates, which take a fifth of a second to load.
        is_encrypted = self.base_url.startswith("https:")
        return {
            "trust_env": is_encrypted,
            "verify": is_encrypted,
            "follow_redirects": False,
            "timeout": self.timeout(0.0),
            "headers": {"User-Agent": f"mixus-python/{version('mixus')}", "Accept": "application/json"},
        }

    def request(self, http: httpx2.Client | httpx2.AsyncClient, call: Call) -> httpx2.Request:
        headers = dict(call.headers)
        content = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = dumps(call.body, allow_nan=False).encode()
        return http.build_request(
            call.method,
            self.base_url + call.path,
            params=dict(call.query) or None,
            content=content,
            headers=headers,
            timeout=self.timeout(call.held_seconds),
        )

    def timeout(self, held_seconds: float) -> httpx2.Timeout:
        return httpx2.Timeout(
            self.timeout_seconds + held_seconds, connect=min(self.timeout_seconds, CONNECT_SECONDS)
        )


def connect(
    api_key: str | None, base_url: str | None, timeout_seconds: float, *, allow_insecure: bool
) -> Connection:
    """Return the checked connection; what is not given comes from MIXUS_API_KEY and MIXUS_URL."""
    url = base_url or os.environ.get("MIXUS_URL") or DEFAULT_URL
    return Connection(
        checked_url(url, allow_insecure=allow_insecure),
        Bearer(checked_key(api_key or os.environ.get("MIXUS_API_KEY") or "")),
        timeout_seconds,
    )


def checked_key(key: str) -> str:
    key = key.strip()
    if not key:
        raise Unauthorized("No API key: give api_key, or set MIXUS_API_KEY.", code="key-missing")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise Unauthorized(
            "The API key holds a space or a character that no key has; copy it again.", code="key-malformed"
        )
    return key


def checked_url(text: str, *, allow_insecure: bool) -> str:
    try:
        url = httpx2.URL(text.strip())
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise MixusError(
            "The address must look like https://mixus.example.org, without user, query or fragment.",
            code="invalid-url",
        )
    if url.scheme == "http" and not is_loopback(url.host) and not allow_insecure:
        raise MixusError(
            f"The key would cross the network to {url.host} unencrypted; use https, or allow_insecure=True.",
            code="insecure-url",
        )
    return str(url).rstrip("/")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def no_answer(error: httpx2.RequestError) -> NoAnswer:
    """Say in one sentence why there is no answer, and whether the request may have arrived."""
    never_sent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
    if isinstance(error, never_sent):
        return NoAnswer("The server cannot be reached; check its address and that it runs.", was_sent=False)
    if isinstance(error, httpx2.TimeoutException):
        return NoAnswer("The server did not answer in time.", was_sent=True)
    return NoAnswer("The connection broke before the answer was complete.", was_sent=True)


def headers_of(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def is_stream(response: httpx2.Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.is_success and media_type == "text/event-stream"
