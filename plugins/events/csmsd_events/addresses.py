"""Which addresses a webhook may reach: the Internet, and what the operator allows; never what is behind csmsd.

Whoever may add webhooks must not thereby reach the database, a cloud's metadata service or a charger. Names are
resolved once, every address is judged, and the connection goes to an address that was judged (no DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not the Internet, whatever this Python's `is_global` says; see the IANA's registries of special-purpose addresses.
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
# IPv6 that is IPv4 in other clothes: where in the 128 bits the address stands, as a shift.
_CARRIERS: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)


class ForbiddenAddress(Exception):
    """A webhook leads somewhere it must not."""


def unwrapped(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that carries one, else the same."""
    if isinstance(address, IPv6Address):
        for network, shift in _CARRIERS:
            if address in network:
                return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return address


def is_internet(address: Address) -> bool:
    """Can it be anybody's?"""
    inner = unwrapped(address)
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    return inner.is_global and not inner.is_multicast and not any(inner in network for network in _SPECIAL)


class Policy:
    """What is allowed: over TLS the Internet and the internal networks, without TLS the internal networks only."""

    def __init__(self, internal: Iterable[Network] = ()) -> None:
        self._internal = tuple(internal)

    def allows(self, text: str, *, is_tls: bool) -> bool:
        """May a connection go to this address, written in numbers?"""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if any(unwrapped(address) in network or address in network for network in self._internal):
            return True
        return is_tls and is_internet(address)

    def select(self, host: str, addresses: Iterable[str], *, is_tls: bool) -> list[str]:
        """Those that are allowed, in their order; ForbiddenAddress if none is."""
        found = list(dict.fromkeys(addresses))
        allowed = [each for each in found if self.allows(each, is_tls=is_tls)]
        if allowed:
            return allowed
        where = f"{host} is at {', '.join(found) or 'no address'}"
        if not is_tls:
            raise ForbiddenAddress(f"{where}: without TLS only webhooks.internal_networks are reached")
        raise ForbiddenAddress(f"{where}, which is not the Internet: webhooks.internal_networks can allow it")
