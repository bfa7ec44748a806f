"""The seam between the protocol core and whatever moves its bytes.

Three rules make backends interchangeable:
1. No method on either side waits, and none raises.
2. No re-entrance: a Link method never calls the Receiver before it has returned. What a send or a close leads to
   (a reset, more messages) is reported from the backend's own task, later.
3. `lost` is called exactly once, last, whoever ended the connection; after it neither side calls the other.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from csmsd.hookspecs import ConnectRequest

SUBPROTOCOL = "ocpp1.6"

# The TLS context of each listener, by its name; None: unencrypted. Looked up for every connection, so that replacing an
# entry replaces the certificate while connections are open (SEC-11).
Contexts = Mapping[str, ssl.SSLContext | None]


class Link(Protocol):
    """What a backend gives a connection."""

    @property
    def answers_pings(self) -> bool:
        """Has it ever answered one? Then the backend judges its silence; else its other traffic counts (WS-33)."""
        ...

    def send(self, message: bytes) -> None:
        """Send one text message, in order; buffered within the backend's limits, then aborted."""

    def pause(self) -> None:
        """Stop calling `receive` at once, even for messages already read; TCP pushes back."""

    def resume(self) -> None:
        """Undo `pause`; messages arrive again from the backend's own task."""

    def close(self, code: int, reason: str) -> None:
        """Stop calling `receive`, send what is buffered, then close within the backend's deadline."""


class Receiver(Protocol):
    """What a connection gives a backend."""

    def receive(self, message: bytes) -> None:
        """Take one complete text message, valid UTF-8, as bytes."""

    def lost(self, reason: str) -> None:
        """The link is gone."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to an upgrade: 101 with the station's id, or the HTTP status of a refusal."""

    status: int
    station_id: str = ""
    security_profile: int = 0
    retry_after: int = 0  # seconds; only with 503
    realm: str = "csmsd"
    with_subprotocol: bool = True  # False: complete the handshake without it, then close (WS-11, accept_and_close)


class Door(Protocol):
    """What the kernel gives every backend."""

    def is_open(self, peer: str) -> bool:
        """May this address connect at all? Asked before a byte is read; False closes the socket (admission limits)."""
        ...

    async def knock(self, request: ConnectRequest) -> Admission:
        """May this station in? Runs in a task, under the handshake deadline. Never raises a Bug."""
        ...

    def refused(self, peer: str) -> None:
        """The socket of `is_open` is gone without having been entered (its place among the unauthenticated is free)."""

    def enter(self, request: ConnectRequest, admission: Admission, link: Link) -> Receiver:
        """The upgrade was answered with 101: replace an older connection, start the new one."""
        ...

    def turned_away(self, peer: str, stage: str, cause: str, target: str = "") -> None:
        """An attempt ended before `knock` could judge it: `stage` is tcp, tls or upgrade (connection doctor)."""


class Backend(Protocol):
    """Owns the bytes of the sockets it adopts: TLS, upgrade, frames, limits, deadlines."""

    def adopt(self, sock: socket.socket, peer: str, listener: str) -> None:
        """Take a connected, non-blocking TCP socket; must not wait. `listener` names the listener it came from."""

    async def run(self) -> None:
        """Serve until cancelled, then drop every connection."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Deadlines in seconds, sizes in bytes."""

    handshake: float = 5.0
    write: float = 10.0
    close: float = 5.0
    ping: float = 60.0  # 0: never
    pong: float = 20.0
    message: float = 30.0  # a message that has begun must be complete by then (slowloris)
    head_bytes: int = 16_384
    head_lines: int = 64
    message_bytes: int = 1_048_576
    fragments: int = 64
    buffer_high: int = 262_144  # unsent bytes at which reading stops
    buffer_max: int = 4_194_304  # ... and at which the peer is dropped
    events_per_second: int = 2_000  # frames of any kind; beyond it the backend stops reading for a moment
