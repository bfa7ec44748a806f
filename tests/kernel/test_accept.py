"""Listening sockets and the loop that empties them."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from csmsd._kernel.transport.accept import accept_batch, peer_name, serve_listener
from csmsd._kernel.transport.listeners import open_listeners
from csmsd.config import Listen
from csmsd.errors import ConfigError
from csmsd.listening import Address, bind, bound_address, parse_address
from tests.kernel.conftest import RecordingDoor


@dataclass
class Collector:
    """A backend that only collects; or fails."""

    failure: BaseException | None = None
    adopted: list[tuple[socket.socket, str, str]] = field(default_factory=list)

    def adopt(self, sock: socket.socket, peer: str, listener: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.adopted.append((sock, peer, listener))

    async def run(self) -> None:
        await trio.sleep_forever()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    for sock, _, _ in made.adopted:
        sock.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind(Address("127.0.0.1", 0), "listen.ocpp") as sock:
        yield sock


def dial(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname()[:2])


async def test_connections_are_handed_over_ready_for_use(
    collector: Collector, listener: socket.socket, nursery: trio.Nursery
) -> None:
    nursery.start_soon(serve_listener, listener, collector, RecordingDoor(), "ocpp")
    with dial(listener) as client:
        await trio.testing.wait_all_tasks_blocked(0.05)
        [(sock, peer, name)] = collector.adopted
        assert peer == f"127.0.0.1:{client.getsockname()[1]}"
        assert name == "ocpp"
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_a_storm_is_accepted_in_batches(collector: Collector, listener: socket.socket) -> None:
    clients = [dial(listener) for _ in range(70)]
    assert accept_batch(listener, collector, RecordingDoor(), "ocpp")
    assert len(collector.adopted) == 64
    assert accept_batch(listener, collector, RecordingDoor(), "ocpp")
    assert len(collector.adopted) == 70
    for client in clients:
        client.close()


def test_a_closed_door_closes_the_socket_before_a_byte_is_read(collector: Collector, listener: socket.socket) -> None:
    door = RecordingDoor(is_admitting=False)
    with dial(listener) as client:
        assert accept_batch(listener, collector, door, "ocpp")
        assert client.recv(1) == b""
    assert not collector.adopted
    assert not door.refusals


@pytest.mark.parametrize("failure", [RuntimeError("bug"), OSError("gone"), SystemExit()])
def test_a_backend_that_fails_costs_one_connection_and_gives_its_place_back(
    listener: socket.socket, failure: BaseException
) -> None:
    door = RecordingDoor()
    with dial(listener) as client:
        assert accept_batch(listener, Collector(failure), door, "ocpp")
        assert client.recv(1) == b""
        assert door.refusals == [f"127.0.0.1:{client.getsockname()[1]}"]


def test_a_door_that_fails_costs_one_connection(collector: Collector, listener: socket.socket) -> None:
    class BrokenDoor(RecordingDoor):
        def is_open(self, peer: str) -> bool:
            raise RuntimeError(peer)

    door = BrokenDoor()
    with dial(listener) as client:
        assert accept_batch(listener, collector, door, "ocpp")
        assert client.recv(1) == b""
    assert not door.refusals


def test_a_peer_that_has_left_already_harms_nobody(collector: Collector, listener: socket.socket) -> None:
    for _ in range(10):
        client = dial(listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    with dial(listener):
        assert accept_batch(listener, collector, RecordingDoor(), "ocpp")
        assert collector.adopted


async def test_running_out_of_descriptors_is_survived(
    collector: Collector, listener: socket.socket, nursery: trio.Nursery
) -> None:
    nursery.start_soon(serve_listener, listener, collector, RecordingDoor(), "ocpp")
    await trio.testing.wait_all_tasks_blocked(0.01)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    clients: list[socket.socket] = [socket.socket()]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limits[1]))
    try:
        clients[0].connect(listener.getsockname())
        hoard = []
        with contextlib.suppress(OSError):
            while True:
                hoard.append(os.dup(0))
        await trio.sleep(0.15)
        assert not collector.adopted
    finally:
        for fd in hoard:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    await trio.sleep(0.3)
    assert collector.adopted
    clients[0].close()


def test_peers_are_named_alike_on_every_kind_of_listener() -> None:
    assert peer_name(("10.0.0.1", 5)) == "10.0.0.1:5"
    assert peer_name(("::ffff:10.0.0.1", 5, 0, 0)) == "10.0.0.1:5"
    assert peer_name(("fe80::1", 5, 0, 0)) == "[fe80::1]:5"


# -- addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
        ("[::1]:9000", Address("::1", 9000)),
        (":9000", Address("", 9000)),
        ("localhost:0", Address("localhost", 0)),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse_address(text, "listen.ocpp") == address


@pytest.mark.parametrize("text", ["9000", "host", "host:", "host:x", "h:65536", "h:-1", "::1:9000", "h:²", "a:b:1"])
def test_addresses_that_make_no_sense_are_named_with_their_key(text: str) -> None:
    with pytest.raises(ConfigError, match=r"listen\.ocpp = "):
        parse_address(text, "listen.ocpp")


@pytest.mark.parametrize("text", ["0.0.0.0:0", ":0", "192.0.2.1:0", "csms.example:0", "[::]:0"])
@pytest.mark.req("WS-40")
def test_an_unencrypted_listener_for_the_network_needs_permission(text: str) -> None:
    with pytest.raises(ConfigError, match=r"listen\.allow_plain = true"):
        open_listeners(Listen(ocpp=text))


@pytest.mark.req("WS-40")
@pytest.mark.parametrize("text", ["127.0.0.1:0", "127.8.9.1:0", "localhost:0"])
def test_loopback_needs_no_permission(text: str) -> None:
    [listener] = open_listeners(Listen(ocpp=text)).values()
    with listener:
        assert bound_address(listener).port > 0


@pytest.mark.req("WS-40", "WS-41")
def test_every_interface_means_both_families() -> None:
    listeners = open_listeners(Listen(ocpp=":0", ocpp_tls="127.0.0.1:0", allow_plain=True))
    assert set(listeners) == {"ocpp", "ocpp_tls"}
    port = bound_address(listeners["ocpp"]).port
    for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
        socket.create_connection((host, port)).close()
    for listener in listeners.values():
        listener.close()


def test_a_listener_that_is_off_is_not_there() -> None:
    assert not open_listeners(Listen(ocpp="", ocpp_tls=""))


def test_a_port_that_is_taken_is_named_with_what_to_do(listener: socket.socket) -> None:
    address = str(bound_address(listener))
    with pytest.raises(ConfigError, match=f"cannot listen on {address}: something else listens there"):
        open_listeners(Listen(ocpp="127.0.0.1:0", ocpp_tls=address))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on {host}:9000"):
        bind(Address(host, 9000), "listen.ocpp")
