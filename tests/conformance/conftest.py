"""Echo servers behind each backend, on real sockets in a thread of their own, and a client that knows no library."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
import trio
import trustme

from csmsd._kernel.pool import Pool
from csmsd._kernel.timers import Wheel
from csmsd._kernel.transport.accept import serve_listener
from csmsd._kernel.transport.link import Admission, Backend, Link, WireLimits
from csmsd._kernel.transport.reactor import Reactor
from csmsd._kernel.transport.trio_ws import TrioWebSocket
from csmsd.hookspecs import ConnectRequest

CLOSE = 8
UPGRADE = (
    b"GET /ocpp/CP1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
# What the cases of group 9 need: they are about endurance, not about our defaults.
GENEROUS = WireLimits(
    message_bytes=1 << 24, fragments=1 << 17, events_per_second=10_000_000, buffer_high=1 << 25, buffer_max=1 << 26
)
Answer = tuple[int, bytes | int]  # opcode and payload; of a close, the code, 1005 for none


class Echo:
    def __init__(self, link: Link) -> None:
        self._link = link

    def receive(self, message: bytes) -> None:
        self._link.send(message)

    def lost(self, reason: str) -> None:
        pass


class OpenDoor:
    def is_open(self, peer: str) -> bool:
        return True

    async def knock(self, request: ConnectRequest) -> Admission:
        return Admission(101, "CP1")

    def refused(self, peer: str) -> None:
        pass

    def enter(self, request: ConnectRequest, admission: Admission, link: Link) -> Echo:
        return Echo(link)

    def turned_away(self, peer: str, stage: str, cause: str, target: str = "") -> None:
        pass


class Client:
    """One upgraded connection. Every wait is bounded by the socket's time-out."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._has_left = False
        sock.sendall(UPGRADE)
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._buffer = bytearray(rest)

    def send(self, writes: Iterable[bytes]) -> None:
        """Each element is one send; a server that has enough of us may stop us."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for data in writes:
                self._sock.sendall(data)

    def read(self) -> Answer | None:
        """The next frame, or None at the end of the stream."""
        head = self._take(2)
        if head is None:
            return None
        assert head[0] & 0xF0 == 0x80, "servers send final frames without reserved bits"
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8) or b"", "big")
        payload = self._take(size) or b""
        if head[0] == 0x80 | CLOSE:
            return CLOSE, int.from_bytes(payload[:2], "big") if payload else 1005
        return head[0] & 15, payload

    def hears_within(self, seconds: float) -> bool:
        """Whether anything arrives in time."""
        patience = self._sock.gettimeout()
        self._sock.settimeout(seconds)
        try:
            return bool(self._buffer) or self._fill()
        except TimeoutError:
            return False
        finally:
            self._sock.settimeout(patience)

    def leave(self) -> None:
        """The goodbyes are said. End our side; what a TLS server still says can then not be read any more."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._has_left = True

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not self._fill():
                return None
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> bool:
        if self._has_left and isinstance(self._sock, ssl.SSLSocket):
            return False
        try:
            data = self._sock.recv(1 << 20)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)


@dataclass
class Server:
    port: int
    client_context: ssl.SSLContext | None

    @contextlib.contextmanager
    def connect(self) -> Iterator[Client]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.client_context is None:
                yield Client(sock)
            else:
                with self.client_context.wrap_socket(sock, server_hostname="localhost") as tls:
                    yield Client(tls)


BackendName = Literal["reactor", "trio_ws"]


def open_backend(name: BackendName, nursery: trio.Nursery, context: ssl.SSLContext | None) -> Backend:
    wheel = Wheel()
    nursery.start_soon(wheel.run)
    contexts = {"echo": context}
    if name == "reactor":
        return Reactor(OpenDoor(), Pool(nursery, wheel), wheel, contexts, GENEROUS)
    return TrioWebSocket(OpenDoor(), contexts, GENEROUS)


@contextlib.contextmanager
def serving(name: BackendName, context: ssl.SSLContext | None) -> Iterator[int]:
    """The port of an echo server that runs in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    stop = threading.Event()
    port: int = listener.getsockname()[1]

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            backend = open_backend(name, nursery, context)
            nursery.start_soon(backend.run)
            nursery.start_soon(serve_listener, listener, backend, OpenDoor(), "echo")
            await trio.to_thread.run_sync(stop.wait)
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        yield port
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


ServerFactory = Callable[[BackendName, bool], Server]


@pytest.fixture(scope="session")
def echo_server(authority: trustme.CA) -> Iterator[ServerFactory]:
    """A function of backend and TLS; each server is started once."""
    servers: dict[tuple[BackendName, bool], Server] = {}
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    with contextlib.ExitStack() as stack:

        def start(name: BackendName, is_tls: bool) -> Server:
            if (name, is_tls) not in servers:
                port = stack.enter_context(serving(name, server_context if is_tls else None))
                servers[name, is_tls] = Server(port, client_context if is_tls else None)
            return servers[name, is_tls]

        yield start
