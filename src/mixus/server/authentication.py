"""Who is calling: every request to the API passes here before anything else looks at it."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope as AsgiScope

from mixus.accounts.principal import Principal
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.keys.authenticate import authenticate
from mixus.keys.pepper import Pepper
from mixus.server.reading import read

IPV4_BITS, IPV6_BITS = 24, 48


@dataclass(frozen=True)
class Door:
    """Opens for a request with a good credential; asked again by whatever stays open for long."""

    database: Database
    pepper: Pepper

    async def admit(self, scope: AsgiScope) -> Principal:
        """The caller; raises Unauthorized."""
        authorization = [value for name, value in scope["headers"] if name == b"authorization"]
        client = scope.get("client")
        network = network_of(client[0]) if client else None
        arguments = (self.database, self.pepper, authorization, network, utc_now())
        return await read(self.database, authenticate, *arguments)


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
