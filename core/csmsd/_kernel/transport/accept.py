"""The accept loop. Nothing a peer does ends it."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

import trio

from csmsd._kernel.transport.link import Backend, Door
from csmsd.errors import Bug

log = logging.getLogger("csmsd.accept")

BATCH = 64  # sockets accepted between two checkpoints: one task switch for a storm of them
OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
RESOURCES_PAUSE = 0.1  # seconds; connections end meanwhile
KEEPALIVE_IDLE = 60  # seconds without traffic until TCP asks whether the peer is there
KEEPALIVE_INTERVAL = 20
KEEPALIVE_PROBES = 3
USER_TIMEOUT = 60_000  # milliseconds that sent bytes may stay unacknowledged


async def serve_listener(listener: socket.socket, backend: Backend, door: Door, name: str) -> None:
    """Hand every connection of `listener` to the backend until cancelled; `name` is what the listener is called."""
    with listener:
        while True:
            await trio.lowlevel.wait_readable(listener)
            if not accept_batch(listener, backend, door, name):
                await trio.sleep(RESOURCES_PAUSE)


def accept_batch(listener: socket.socket, backend: Backend, door: Door, name: str) -> bool:
    """Accept what waits, up to BATCH; False if the machine has no sockets or memory left."""
    for _ in range(BATCH):
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in OUT_OF_RESOURCES:
                log.error("cannot accept connections on %s: %s", name, error.strerror)  # noqa: TRY400 - it says it all
                return False
            continue  # the peer left before we looked
        _hand_over(sock, peer_name(address), backend, door, name)
    return True


def _hand_over(sock: socket.socket, peer: str, backend: Backend, door: Door, name: str) -> None:
    """The fence: whatever goes wrong with one socket is over with that socket."""
    is_counted = False
    try:
        is_counted = door.is_open(peer)
        if is_counted:
            _prepare(sock)
            backend.adopt(sock, peer, name)
        else:
            sock.close()
    except Bug as error:
        sock.close()
        if not isinstance(error, OSError):  # that is only a peer who is gone
            log.exception("%s: not served", peer)
        if is_counted:
            door.refused(peer)


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT),
    ):
        if hasattr(socket, option):  # not everywhere but on Linux
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def peer_name(address: tuple[Any, ...]) -> str:
    """host:port, with brackets around IPv6; an IPv4 peer of a dual-stack listener looks like on any other."""
    host = str(address[0]).removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
