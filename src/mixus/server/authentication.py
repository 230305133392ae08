"""Who is calling, and whether he may call again already: every request to the API passes here first."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.types import Scope as AsgiScope

from mixus.accounts import sessions
from mixus.accounts.principal import Principal
from mixus.accounts.sessions import SessionMissing
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import TooManyRequests, Unauthorized
from mixus.core.limits import Allowance, Limiter, Policy
from mixus.keys.authenticate import Identified, identify, lookup_hash_of
from mixus.keys.pepper import Pepper
from mixus.server import cookies
from mixus.server.flood import Flood
from mixus.server.reading import read

IPV4_BITS, IPV6_BITS = 24, 48
# Who sends no credential here is asked for a key, and elsewhere to sign in.
BY_KEY: Final = ("/api/eval/", "/api/keys/self")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Admitted:
    """A caller; for a key also what is left of its requests, and whether a rotation has replaced it."""

    principal: Principal
    allowance: Allowance | None = None
    is_replaced: bool = False


class RateLimited(TooManyRequests):
    """A good key that called too often."""

    def __init__(self, admitted: Admitted, wait_seconds: int, limit: int) -> None:
        super().__init__(
            f"This key made {limit} requests within a minute; come back in {wait_seconds} s.",
            retry_after_seconds=wait_seconds,
        )
        self.admitted = admitted


@dataclass(frozen=True)
class Door:
    """Opens for a request with a good credential; asked again by whatever stays open for long."""

    database: Database
    pepper: Pepper
    limiter: Limiter
    requests: Policy
    flood: Flood
    public_url: str | None = None

    async def admit(self, scope: AsgiScope, network: str | None) -> Admitted:
        """The caller, counted; raises Unauthorized, TooManyRequests, BadRequest or Forbidden."""
        authorization = authorization_of(scope)
        token = None if authorization else cookies.session_cookie(scope["headers"], self.public_url)
        if token is None:
            if not authorization and not scope["path"].startswith(BY_KEY):
                raise SessionMissing("Nobody is signed in; sign in with POST /api/session.")
            return await self._admit_key(authorization, network)
        principal = await self._signed_in(token, network)
        if scope["method"] not in SAFE_METHODS:
            cookies.require_same_site(scope["headers"], self.public_url, sessions.csrf_token(token))
        return Admitted(principal)

    async def recognise(self, scope: AsgiScope) -> Principal:
        """Once more the caller of a request that goes on, without counting him again."""
        network = scope["state"]["network"]
        authorization = authorization_of(scope)
        if not authorization:
            token = cookies.session_cookie(scope["headers"], self.public_url)
            return await self._signed_in(token or "", network)
        wanted = lookup_hash_of(self.pepper, authorization)
        return (await read(self.database, self._identify, wanted, network)).principal

    async def visitor(self, scope: AsgiScope) -> Principal:
        """Who is signed in at a page; a key opens none. Raises SessionMissing or SessionExpired."""
        token = cookies.session_cookie(scope["headers"], self.public_url)
        return await self._signed_in(token or "", scope["state"]["network"])

    async def _signed_in(self, token: str, network: str | None) -> Principal:
        return await read(self.database, sessions.authenticate, self.database, token, network, utc_now())

    async def _admit_key(self, authorization: Sequence[bytes], network: str | None) -> Admitted:
        try:
            wanted = lookup_hash_of(self.pepper, authorization)
            return await read(self.database, self._count, wanted, network)
        except Unauthorized as refused:
            if refused.error_code != "key-missing":
                self.flood.note_failure(network)
            raise

    def _count(self, wanted: bytes, network: str | None) -> Admitted:
        self.flood.require_calm(network, wanted)
        identified = self._identify(wanted, network)
        self.flood.remember(wanted)
        allowance = self.limiter.admit(f"key:{identified.lineage_id}", self.requests)
        admitted = Admitted(identified.principal, allowance, identified.is_replaced)
        if not allowance.is_admitted:
            raise RateLimited(admitted, allowance.wait_seconds, self.requests.limit)
        return admitted

    def _identify(self, wanted: bytes, network: str | None) -> Identified:
        return identify(self.database, wanted, network, utc_now())


def authorization_of(scope: AsgiScope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


@lru_cache(maxsize=4096)
def network_of(host: str) -> str | None:
    """The /24 or /48 of an address: enough for an audit, too little to know a household by."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    bits = IPV4_BITS if address.version == 4 else IPV6_BITS  # noqa: PLR2004 - the names of the versions
    return str(ipaddress.ip_network((address, bits), strict=False))
