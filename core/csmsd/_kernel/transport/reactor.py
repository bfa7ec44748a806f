"""Backend: every socket in one epoll, inside one trio task. Linux only.

Level-triggered, each socket registered once; a message costs no task switch and no system call but recv, send and its
share of epoll_wait. Deadlines are timers on the wheel; nobody has a task of its own.
"""

from __future__ import annotations

import logging
import select
import time
from typing import TYPE_CHECKING, Final

import trio

from csmsd._kernel.transport.guest import Guest
from csmsd._kernel.transport.link import WireLimits
from csmsd.errors import Bug

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from csmsd._kernel.pool import Pool
    from csmsd._kernel.timers import Wheel
    from csmsd._kernel.transport.link import Contexts, Door
    from csmsd._kernel.transport.wire import Wire

log = logging.getLogger("csmsd.reactor")

BATCH: Final = 128  # sockets served between two checkpoints
LOBBY_BATCH: Final = 16  # ... of them guests, whose handshakes are dear
DEFAULT_LIMITS = WireLimits()


SLOW: Final = "%s: handling one message took %.1f ms in which no other station was served"


def log_slow(station_id: str, seconds: float) -> None:
    """What is done about a plain function that held up everybody, unless told otherwise."""
    log.warning(SLOW, station_id, seconds * 1e3)


class Reactor:
    """Satisfies `Backend`.

    `contexts` maps the name of a listener to its TLS context, None for a plain one; it is looked up for each socket, so
    replacing an entry reloads the certificate. `report_slow(station_id, seconds)` is told of messages whose handling
    took over a millisecond.
    """

    def __init__(
        self,
        door: Door,
        pool: Pool,
        wheel: Wheel,
        contexts: Contexts,
        limits: WireLimits = DEFAULT_LIMITS,
        *,
        report_slow: Callable[[str, float], None] = log_slow,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.door = door
        self.pool = pool
        self.wheel = wheel
        self.limits = limits
        self.report_slow = report_slow
        self.clock = clock
        self.wires: dict[int, Wire] = {}
        self.epoll = select.epoll()
        self.lobby = select.epoll()  # guests; a member of `epoll` like any socket, so neither can starve the other
        self.epoll.register(self.lobby.fileno(), select.EPOLLIN)
        self._contexts = contexts

    def adopt(self, sock: socket.socket, peer: str, listener: str) -> None:
        """Own a connected, non-blocking socket from here on; raises OSError if its peer is gone already."""
        if self.epoll.closed:
            raise ConnectionAbortedError("csmsd stops")
        context = self._contexts[listener]
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        Guest(self, sock, peer, listener)

    async def run(self) -> None:
        """Serve until cancelled. Waiting for the epoll to be readable is the checkpoint."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self.epoll.fileno())
                self._serve(self.epoll, BATCH)
        finally:
            self._stop()

    def _serve(self, epoll: select.epoll, batch: int) -> None:
        for fd, events in epoll.poll(0, batch):
            wire = self.wires.get(fd)
            if wire is not None:
                self._serve_wire(wire, events)
            elif fd == self.lobby.fileno():
                self._serve(self.lobby, LOBBY_BATCH)
            # else it was dropped by one of its neighbours in this batch

    def _serve_wire(self, wire: Wire, events: int) -> None:
        """The fence: what goes wrong with one connection ends that connection."""
        try:
            wire.serve(events)
        except Bug:
            log.exception("%s: dropped", wire.peer)
            self._drop(wire, "internal error")

    def _drop(self, wire: Wire, reason: str) -> None:
        try:
            wire.drop(reason)
        except Bug:
            log.exception("%s: its end failed", wire.peer)

    def _stop(self) -> None:
        for wire in list(self.wires.values()):
            self._drop(wire, "server stopped")
        self.lobby.close()
        self.epoll.close()
