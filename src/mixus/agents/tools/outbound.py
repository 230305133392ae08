"""The one way out to addresses that an agent chose: only to listed hosts, and never into a private network.

A name is resolved once, and connected to is what was checked (no DNS rebinding). Nothing of the environment
is used: no proxy, no netrc; no cookie is kept, and no redirect is followed that was not checked as well.
"""

import asyncio
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Final

import httpx2

from mixus.agents.tools.addresses import Address, is_public, may_be_own
from mixus.agents.tools.registry import ToolFailed
from mixus.core.hosts import PORTS, ListedHost, canonical

MAX_BYTES: Final = 1024 * 1024
MAX_REDIRECTS: Final = 5
MAX_ADDRESSES: Final = 3
# Together well below the time-out of a tool, which could not tell that nothing was sent.
LOOK_UP_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 5.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
ENCODINGS: Final = {"": 0, "identity": 0, "gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


# Reading the certificates of all authorities takes tens of milliseconds.
@lru_cache(maxsize=1)
def known_authorities() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


@dataclass(frozen=True)
class Gateway:
    """`seconds` is the longest that something is read for, redirects included."""

    entries: tuple[ListedHost, ...]
    resolve: Resolve = look_up
    tls: ssl.SSLContext = field(default_factory=known_authorities)
    seconds: float = 20.0


@dataclass(frozen=True)
class Outgoing:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """`is_cut`: the content goes on beyond what was read of it."""

    url: str
    status: int
    headers: httpx2.Headers
    content: bytes
    is_cut: bool


@dataclass(frozen=True)
class Target:
    """Where a URL leads, by name; `may_be_private` because an admin named this host and port."""

    url: httpx2.URL
    host: str
    port: int
    may_be_private: bool

    @property
    def authority(self) -> str:
        """The value of Host (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.url.port is None else f"{host}:{self.port}"

    def admits(self, address: Address) -> bool:
        return is_public(address) or (self.may_be_private and may_be_own(address))


async def fetch(
    gateway: Gateway, url: str, headers: Mapping[str, str], redirects: int = MAX_REDIRECTS
) -> Answer:
    """GET, following redirects; each is checked like the first address."""
    try:
        async with asyncio.timeout(gateway.seconds):
            for _ in range(redirects + 1):
                answer = await send(gateway, Outgoing("GET", url, headers))
                if answer.status not in REDIRECTS or "Location" not in answer.headers:
                    return answer
                url = _onward(answer)
    except TimeoutError as late:
        raise ToolFailed(f"No whole answer came within {gateway.seconds:g} seconds.") from late
    except httpx2.HTTPError as broken:
        raise ToolFailed("The connection broke off, or what came over it was not HTTP.") from broken
    raise ToolFailed(f"The answer is a redirect, and no more than {redirects} are followed.")


async def send(gateway: Gateway, outgoing: Outgoing) -> Answer:
    """One request, no redirect followed.

    Raises:
        ToolFailed: nothing was sent.
        httpx2.HTTPError: it broke off when something may have been sent.
    """
    target = aim(gateway.entries, outgoing.url)
    for address in (await _addresses(gateway, target))[:MAX_ADDRESSES]:
        try:
            return await _exchange(gateway, outgoing, target, address)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            continue
    raise ToolFailed(f"No connection to {target.authority} came about, or its certificate is not valid.")


def aim(entries: Sequence[ListedHost], text: str) -> Target:
    """The parsed URL is the one that is sent, so that no two readings of it can differ (RFC 3986).

    Raises:
        ToolFailed: it is no such URL, or its host is not listed.
    """
    try:
        url = httpx2.URL(text)
        host = canonical(url.raw_host.decode())
    except (httpx2.InvalidURL, ValueError) as unreadable:
        raise ToolFailed("The URL cannot be read: write it as https://example.org/path.") from unreadable
    if url.scheme not in PORTS:
        raise ToolFailed("The URL must start with http:// or https://.")
    if url.userinfo:
        raise ToolFailed("The URL must hold no user name and no password.")
    # Port 0 is one of its own: the check must not be of another than the one that is connected to.
    port = PORTS[url.scheme] if url.port is None else url.port
    fitting = [entry for entry in entries if entry.fits(host, port)]
    if not fitting:
        raise ToolFailed(f"{host} at port {port} is not among the hosts that an admin has listed.")
    return Target(url, host, port, any(entry.may_be_private for entry in fitting))


async def _addresses(gateway: Gateway, target: Target) -> list[Address]:
    """One that may not be reached is enough to refuse the name: whoever mixes them means harm."""
    addresses = _literal(target.host) or await _resolved(gateway, target)
    if not all(target.admits(address) for address in addresses):
        raise ToolFailed(f"{target.host} leads to an address that is not public; nothing was sent.")
    return addresses


def _literal(host: str) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        return []


async def _resolved(gateway: Gateway, target: Target) -> list[Address]:
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await gateway.resolve(target.host, target.port)
    except OSError as unknown:
        raise ToolFailed(f"The name {target.host} cannot be resolved; nothing was sent.") from unknown
    return [ip_address(text) for text in dict.fromkeys(found)]


async def _exchange(gateway: Gateway, outgoing: Outgoing, target: Target, address: Address) -> Answer:
    """Connects to the address; the name goes into Host, SNI and the check of the certificate."""
    request = httpx2.Request(
        outgoing.method,
        target.url.copy_with(host=str(address)),
        headers={
            "Host": target.authority,
            "User-Agent": "mixus",
            "Accept-Encoding": "gzip",
            **outgoing.headers,
        },
        content=outgoing.body or None,
        extensions={
            "sni_hostname": target.host,
            "timeout": httpx2.Timeout(gateway.seconds, connect=CONNECT_SECONDS).as_dict(),
        },
    )
    async with httpx2.AsyncHTTPTransport(verify=gateway.tls, trust_env=False) as transport:
        response = await transport.handle_async_request(request)
        try:
            content, is_cut = await _bounded(response)
        finally:
            await response.aclose()
    return Answer(str(target.url), response.status_code, response.headers, content, is_cut)


async def _bounded(response: httpx2.Response) -> tuple[bytes, bool]:
    """Its content and whether it was cut: a few bytes of gzip must not become gigabytes in memory."""
    window = ENCODINGS.get(response.headers.get("Content-Encoding", "").strip().lower())
    if window is None:
        return b"", True
    unzip = zlib.decompressobj(window) if window else None
    content, received = bytearray(), 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        try:
            content += unzip.decompress(chunk, MAX_BYTES + 1 - len(content)) if unzip else chunk
        except zlib.error:
            return bytes(content), True
        if len(content) > MAX_BYTES or received > MAX_BYTES:
            return bytes(content[:MAX_BYTES]), True
    return bytes(content), False


def _onward(answer: Answer) -> str:
    try:
        return str(httpx2.URL(answer.url).join(answer.headers["Location"]))
    except httpx2.InvalidURL as unreadable:
        raise ToolFailed("The redirect leads to what is no URL.") from unreadable
