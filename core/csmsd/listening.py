"""Listening sockets from what is configured: for csmsd's own listeners and for plugins that serve something."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from csmsd.config import Listen
from csmsd.errors import ConfigError

BACKLOG = 4096
HINTS = {
    errno.EADDRINUSE: "something else listens there; stop it or choose another port",
    errno.EACCES: "ports below 1024 need a privilege; choose another port or grant CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host means every interface, IPv4 and IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False


def parse_address(text: str, key: str) -> Address:
    """`host:port`, `[v6]:port` or `:port`; `key` is the configuration key, for the message of the ConfigError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{key} = {text!r}: an IPv6 address needs brackets, like [::1]:9000")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigError(f"{key} = {text!r}: expected host:port, [v6]:port or :port, like 127.0.0.1:9000")
    return Address(host, int(port))


def refuse_exposed(address: Address, listen: Listen, key: str) -> None:
    """Unencrypted on more than loopback only if the operator has said so (WS-40)."""
    if not (address.is_loopback or listen.allow_plain):
        raise ConfigError(
            f"{key} = {str(address)!r} would carry passwords unencrypted over the network: use listen.ocpp_tls, or set "
            "listen.allow_plain = true if the network is private"
        )


def bind(address: Address, key: str) -> socket.socket:
    """A listening, non-blocking socket; port 0 takes a free one (`bound_address` knows which)."""
    try:
        if address.host:
            family, _, _, _, where = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            sock = socket.create_server(where[:2], family=family, backlog=BACKLOG)
        elif socket.has_dualstack_ipv6():
            sock = socket.create_server(
                ("", address.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
        else:
            sock = socket.create_server(("", address.port), backlog=BACKLOG)
    except OSError as error:
        hint = HINTS.get(error.errno or 0) or error.strerror or str(error)
        raise ConfigError(f"{key}: cannot listen on {address}: {hint}") from error
    sock.setblocking(False)
    return sock


def bound_address(listener: socket.socket) -> Address:
    """Where a listener really listens."""
    host, port = listener.getsockname()[:2]
    return Address(str(host), int(port))
