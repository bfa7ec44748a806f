"""Both transport backends behind one fixture, a door that remembers, and a peer that may say anything."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from csmsd._kernel.pool import Pool
from csmsd._kernel.storage.database import open_store
from csmsd._kernel.timers import Wheel
from csmsd._kernel.transport.accept import serve_listener
from csmsd._kernel.transport.link import Admission, Backend, Link, WireLimits
from csmsd._kernel.transport.reactor import Reactor
from csmsd._kernel.transport.tls import KeyPair, server_context
from csmsd._kernel.transport.trio_ws import TrioWebSocket
from csmsd.env import Env
from csmsd.hookspecs import ConnectRequest
from tests.kernel.outbox_world import Outbox

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ADMITTED = Admission(101, "CP-1")
QUIET = WireLimits(ping=0, close=0.3)
HEADERS = {
    "Host": "csms.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}


def upgrade_request(target: str = "/ocpp/CP-1", **headers: str) -> bytes:
    """A good upgrade; keyword arguments (with _ for -) add headers or replace them."""
    lines = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {target} HTTP/1.1\r\n{text}\r\n".encode()


def client_frame(opcode: int, payload: bytes, *, is_final: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """One masked frame."""
    size = len(payload)
    head = bytes((opcode | (0x80 if is_final else 0),))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


@dataclass
class Station:
    """The receiver of a test: echoes, unless told otherwise."""

    door: RecordingDoor
    link: Link
    request: ConnectRequest
    received: list[bytes] = field(default_factory=list)
    lost_with: list[str] = field(default_factory=list)
    react: Callable[[Station, bytes], None] = lambda station, message: station.link.send(message)

    def receive(self, message: bytes) -> None:
        assert not self.lost_with, "received after it was lost"
        self.received.append(message)
        self.react(self, message)

    def lost(self, reason: str) -> None:
        self.lost_with.append(reason)
        self.door.changed()


@dataclass
class RecordingDoor:
    """Satisfies Door; every answer can be set."""

    is_admitting: bool = True
    admission: Admission = ADMITTED
    knocking: Callable[[ConnectRequest], Awaitable[None]] | None = None
    react: Callable[[Station, bytes], None] | None = None
    asked: int = 0
    knocks: list[ConnectRequest] = field(default_factory=list)
    stations: list[Station] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    turned: list[tuple[str, str, str]] = field(default_factory=list)  # stage, cause, target
    lot: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def changed(self) -> None:
        self.lot.unpark_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that this door will notice."""
        with trio.fail_after(300):
            while not condition():
                await self.lot.park()

    def is_open(self, peer: str) -> bool:
        self.asked += 1
        return self.is_admitting

    async def knock(self, request: ConnectRequest) -> Admission:
        self.knocks.append(request)
        self.changed()
        if self.knocking is not None:
            await self.knocking(request)
        return self.admission

    def refused(self, peer: str) -> None:
        self.refusals.append(peer)
        self.changed()

    def enter(self, request: ConnectRequest, admission: Admission, link: Link) -> Station:
        station = Station(self, link, request)
        if self.react is not None:
            station.react = self.react
        self.stations.append(station)
        self.changed()
        return station

    def turned_away(self, peer: str, stage: str, cause: str, target: str = "") -> None:
        self.turned.append((stage, cause, target))
        self.changed()


class Peer:
    """The other end of a socket; speaks bytes."""

    def __init__(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        self.stream, self.sock = stream, sock
        self.buffer = bytearray()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self, count: int) -> bytes:
        """Exactly so many bytes, or EOFError."""
        while len(self.buffer) < count:
            data = await self.stream.receive_some(65_536)
            if not data:
                raise EOFError(bytes(self.buffer))
            self.buffer += data
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    async def rest(self) -> bytes:
        """Everything until the end; a reset is an end."""
        try:
            while data := await self.stream.receive_some(65_536):
                self.buffer += data
        except trio.BrokenResourceError:
            pass
        return bytes(self.buffer)

    async def head(self) -> bytes:
        """The head of an HTTP answer."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            data = await self.stream.receive_some(65_536)
            if not data:
                raise EOFError(bytes(self.buffer))
            self.buffer += data
        return await self.read(end + 4)

    async def answer(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer to a request that is refused."""
        await self.send(request)
        head = await self.head()
        return int(head.split(b" ")[1]), head, await self.rest()

    async def upgrade(self, request: bytes | None = None) -> bytes:
        """Become a WebSocket."""
        await self.send(upgrade_request() if request is None else request)
        head = await self.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    async def say(self, text: str | bytes) -> None:
        await self.send(client_frame(TEXT, text.encode() if isinstance(text, str) else text))

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        first, size = await self.read(2)
        if size >= 126:
            size = int.from_bytes(await self.read(2 if size == 126 else 8), "big")
        return first & 15, await self.read(size)

    async def close_code(self) -> int:
        """Skip to the Close, answer it, and return its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                await self.send(client_frame(CLOSE, payload[:2]))
                return int.from_bytes(payload[:2], "big")

    def finish(self) -> None:
        """Say that nothing more will come."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


@dataclass
class House:
    """A running backend behind the accept loop."""

    door: RecordingDoor
    backend: Backend
    address: tuple[str, int]
    tls: ssl.SSLContext | None  # of the client
    nursery: trio.Nursery
    contexts: dict[str, ssl.SSLContext | None]
    peers: list[Peer] = field(default_factory=list)

    async def dial(self) -> Peer:
        """A TCP connection, nothing said."""
        sock = trio.socket.socket()
        await sock.connect(self.address)
        self.peers.append(Peer(trio.SocketStream(sock), sock))
        return self.peers[-1]

    async def connect(self) -> Peer:
        """TCP, and TLS if this house speaks it."""
        peer = await self.dial()
        if self.tls is not None:
            stream = trio.SSLStream(peer.stream, self.tls, server_hostname="localhost", https_compatible=True)
            await stream.do_handshake()
            peer.stream = stream
        return peer

    async def enter(self) -> tuple[Peer, Station]:
        """A station that is in."""
        peer = await self.connect()
        known = len(self.door.stations)
        await peer.upgrade()
        await self.door.until(lambda: len(self.door.stations) > known)
        return peer, self.door.stations[-1]


OpenHouse = Callable[..., Awaitable[House]]


@dataclass
class Authority:
    """A root, and PEM files of a server certificate issued by it."""

    ca: trustme.CA
    certificate: Path
    private_key: Path

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    files[1].write_bytes(issued.private_key_pem.bytes())
    return Authority(ca, *files)


@pytest.fixture(params=["reactor", "trio-websocket"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend; every test that uses it runs with both."""
    return str(request.param)


@pytest.fixture(params=["plain", "tls"])
def security(request: pytest.FixtureRequest) -> str:
    """Unencrypted or TLS."""
    return str(request.param)


@pytest.fixture
async def open_house(backend: str, authority: Authority, nursery: trio.Nursery) -> AsyncIterator[OpenHouse]:
    """open_house(limits=..., door=..., security="tls"): a house with the backend of this test."""

    houses: list[House] = []

    async def start(*, limits: WireLimits = QUIET, door: RecordingDoor | None = None, security: str = "plain") -> House:
        door = door or RecordingDoor()
        context = None
        if security == "tls":
            context = server_context([KeyPair(authority.certificate, authority.private_key)])
        contexts: dict[str, ssl.SSLContext | None] = {"ocpp": context}
        wheel = Wheel()
        nursery.start_soon(wheel.run)
        made: Backend
        if backend == "reactor":
            made = Reactor(door, Pool(nursery, wheel), wheel, contexts, limits)
        else:
            made = TrioWebSocket(door, contexts, limits)
        nursery.start_soon(made.run)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        listener.setblocking(False)
        nursery.start_soon(serve_listener, listener, made, door, "ocpp")
        await trio.testing.wait_all_tasks_blocked(0.01)
        client = authority.client() if context else None
        houses.append(House(door, made, listener.getsockname(), client, nursery, contexts))
        return houses[-1]

    yield start
    for house in houses:
        for peer in house.peers:
            peer.sock.close()


@pytest.fixture
def sliding_clock() -> trio.testing.MockClock:
    """Virtual time that jumps ahead once even the kernel's loopback has nothing more to deliver."""
    return trio.testing.MockClock(autojump_threshold=0.02)


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[Outbox]:
    """A store for the tests of the outbox."""
    async with open_store(database_url, Env()) as store:
        yield Outbox(store)
