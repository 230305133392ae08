"""Which IP addresses are on the public internet, and which a deployment may have of its own.

After the special-purpose registries of RFC 6890 and the IPv6 address space of RFC 4291. Python's `is_global`
alone is not enough: it holds multicast, 6to4 and NAT64 for global, whatever they lead to.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

# What clouds tell their machines, credentials too, stands at these; no setting reaches them.
METADATA: Final = frozenset(
    {
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("169.254.169.254"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:42::42"),
        IPv6Address("fd00:ec2::23"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd20:ce::254"),
    }
)
OWN: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
NOT_PUBLIC_4: Final = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    IPv4Network("224.0.0.0/4"),  # multicast
)
# The only part of the IPv6 space that global addresses are given out from; mapped ones are outside of it.
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
NOT_PUBLIC_6: Final = (
    IPv6Network("2001::/23"),  # IETF protocol assignments; Teredo too
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address inside
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
# RFC 6052: the way to IPv4 from a network that has none; the last 32 bits say where it leads.
NAT64: Final = IPv6Network("64:ff9b::/96")
# RFC 5214: the last 32 bits are an IPv4 address.
ISATAP: Final = frozenset({b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe"})


def is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        return _is_public_6(address)
    is_special = address in METADATA or any(address in network for network in NOT_PUBLIC_4)
    return address.is_global and not is_special


def may_be_own(address: Address) -> bool:
    """Whether an admin can have meant it: loopback or private, and never link-local or a cloud's."""
    return address not in METADATA and any(address in network for network in OWN)


def _is_public_6(address: IPv6Address) -> bool:
    if address in NAT64:
        return is_public(IPv4Address(address.packed[12:]))
    is_special = address.packed[8:12] in ISATAP or any(address in network for network in NOT_PUBLIC_6)
    return address in GLOBAL_UNICAST and address.is_global and not is_special
