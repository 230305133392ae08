"""Which hosts an admin lets agents reach, as `MIXUS_WEB_HOSTS` and `MIXUS_HTTP_HOSTS` list them."""

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

ANY: Final = "*"
PORTS: Final = {"http": 80, "https": 443}
USUAL_PORTS: Final = frozenset(PORTS.values())
MAX_PORT: Final = 65535

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# Resolvers take `2130706433`, `0x7f.1` and `127.1` for addresses of IPv4 (inet_aton).
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"(.+):([0-9]{1,5})")


@dataclass(frozen=True)
class ListedHost:
    """`host` is a name, an address, `*.` and a name for all below it, or `*`."""

    host: str
    port: int | None = None

    @property
    def may_be_private(self) -> bool:
        """Only who names both knows what stands there; what a pattern fits is a stranger's choice."""
        return self.port is not None and not self.host.startswith(ANY)

    def fits(self, host: str, port: int) -> bool:
        if port != self.port and (self.port is not None or port not in USUAL_PORTS):
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return self.host in (ANY, host)


def parse_hosts(listed: str) -> tuple[ListedHost, ...]:
    """Raises ValueError with a sentence."""
    return tuple(_entry(part.strip().lower()) for part in listed.split(",") if part.strip())


def entry_of(url: str) -> ListedHost:
    """The host and port of an address that an admin gave, which may be a private one.

    Raises:
        ValueError: it is no address of a server, or holds more than its host, port and path.
    """
    parts = urlsplit(url)
    default = PORTS.get(parts.scheme)
    if default is None or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must start with http:// or https://, and hold no user, query or fragment")
    return ListedHost(canonical(parts.hostname or ""), parts.port or default)


def canonical(host: str) -> str:
    """As hosts are compared: lower case, without the dot of the root, an address in its one spelling.

    Raises:
        ValueError: it is neither a name (RFC 1123, and `_`) nor an address as RFC 3986 §3.2.2 writes it.
            A zone of IPv6 has no place in a list: an address with one would equal none without.
    """
    if "%" in host:
        raise ValueError("not the name of a host")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    with suppress(ValueError):
        return str(ip_address(host))
    name = host.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name):
        raise ValueError("not the name of a host")
    return name


def _entry(text: str) -> ListedHost:
    bare = text.startswith("[") or text.count(":") < 2  # noqa: PLR2004 - more make an IPv6 address
    with_port = _PORT.fullmatch(text) if bare else None
    host, port = (with_port[1], int(with_port[2])) if with_port else (text, None)
    prefix = "*." if host.startswith("*.") else ""
    try:
        name = ANY if host == ANY else prefix + canonical(host.removeprefix("*."))
    except ValueError:
        name = ""
    if not name or (port is not None and not 1 <= port <= MAX_PORT):
        raise ValueError(
            "must be hosts, separated by commas: example.org, *.example.org, api.example.org:8443 "
            "or * for any public one (other letters than ASCII as xn--…)"
        )
    return ListedHost(name, port)
