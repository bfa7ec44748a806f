"""What only the reactor has to prove; what every backend promises is proved for both elsewhere."""

from __future__ import annotations

import gc
import socket
import time
import tracemalloc
from typing import Any

import pytest
import trio
import trio.testing

from csmsd._kernel.transport import guest as guest_module
from csmsd._kernel.transport import reactor as reactor_module
from csmsd._kernel.transport import wire as wire_module
from csmsd._kernel.transport.link import Admission, WireLimits
from csmsd._kernel.transport.reactor import Reactor
from csmsd._kernel.transport.upgrade import take_head

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
UPGRADE = (
    b"GET /ocpp/CP-1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


@pytest.fixture
def backend() -> str:
    return "reactor"


def framed(opcode: int, payload: bytes = b"") -> bytes:
    """A short frame whose mask is zero."""
    assert len(payload) < 126
    return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload


async def until(condition: Any) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.01)


async def test_what_one_turn_writes_leaves_in_one_send(open_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await open_house()
    peer, _ = await house.enter()
    sends: list[int] = []
    send = socket.socket.send

    def counted(self: socket.socket, data: bytes) -> int:
        if self.getsockname() == house.address:
            sends.append(len(data))
        return send(self, data)

    monkeypatch.setattr(socket.socket, "send", counted)
    await peer.send(framed(TEXT, b"a") + framed(PING, b"b") + framed(TEXT, b"c"))
    assert [await peer.frame() for _ in range(3)] == [(TEXT, b"a"), (PONG, b"b"), (TEXT, b"c")]
    assert sends == [9]


async def test_a_flood_does_not_delay_the_neighbours(open_house: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, events_per_second=10_000_000))
    order: list[Any] = []
    house.door.react = lambda station, _message: order.append(station)
    loud, _ = await house.enter()
    quiet, calm = await house.enter()
    await loud.send(framed(TEXT, b"x") * 5000)
    await quiet.send(framed(TEXT, b"x"))
    await until(lambda: len(order) == 5001)
    assert order.index(calm) < 500


async def test_handshakes_pass_although_a_batch_is_always_full(
    open_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactor_module, "BATCH", 1)
    house = await open_house(limits=WireLimits(ping=0, events_per_second=10_000_000))
    busy = [await house.enter() for _ in range(3)]
    for _, station in busy:  # each answers itself: there is always something to do
        station.react = lambda station, message: None

    async def flood(peer: Any) -> None:
        while True:
            await peer.send(framed(TEXT, b"x") * 1000)

    async with trio.open_nursery() as nursery:
        for peer, _ in busy:
            nursery.start_soon(flood, peer)
        with trio.fail_after(10):
            for _ in range(5):
                await house.enter()
        nursery.cancel_scope.cancel()


async def test_a_crowd_at_the_door_does_not_delay_the_stations(
    open_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house()
    pairs = [socket.socketpair() for _ in range(100)]

    def arrive(ours: socket.socket, theirs: socket.socket) -> None:
        ours.setblocking(False)
        theirs.sendall(UPGRADE)
        house.backend.adopt(ours, "peer", "ocpp")

    arrive(*pairs[0])
    await house.door.until(lambda: bool(house.door.stations))
    judged: list[bytes] = []

    def counted(buffer: bytearray, limit: int) -> bytes | None:
        judged.append(b"")
        return take_head(buffer, limit)

    monkeypatch.setattr(guest_module, "take_head", counted)
    seen: list[int] = []
    house.door.stations[0].react = lambda station, message: seen.append(len(judged))
    for pair in pairs[1:]:
        arrive(*pair)
    pairs[0][1].sendall(framed(TEXT, b"x"))
    await until(lambda: len(house.door.stations) == len(pairs))
    assert seen[0] <= 2 * reactor_module.LOBBY_BATCH
    for _, theirs in pairs:
        theirs.close()


async def test_pause_holds_back_even_what_is_read_already(open_house: Any) -> None:
    house = await open_house()
    house.door.react = lambda station, _message: station.link.pause()
    peer, station = await house.enter()
    await peer.send(b"".join(framed(TEXT, b"%d" % i) for i in range(20)))
    await until(lambda: station.received)
    await trio.sleep(0.05)
    assert station.received == [b"0"]
    station.react = lambda station, message: None
    station.link.resume()
    await until(lambda: len(station.received) == 20)
    assert station.received == [b"%d" % i for i in range(20)]


async def test_a_station_may_be_paused_before_its_first_message_is_delivered(
    open_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house()
    enter = house.door.enter

    def enter_paused(request: Any, admission: Any, link: Any) -> Any:
        link.send(b"greeting")
        link.pause()
        return enter(request, admission, link)

    monkeypatch.setattr(house.door, "enter", enter_paused)
    peer = await house.connect()
    await peer.upgrade(UPGRADE + framed(TEXT, b"early"))
    assert await peer.frame() == (TEXT, b"greeting")
    await trio.sleep(0.05)
    (station,) = house.door.stations
    assert station.received == []
    station.link.resume()
    assert await peer.frame() == (TEXT, b"early")


async def test_who_is_closed_after_its_own_unheard_close_is_let_go_at_once(open_house: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, close=5))
    house.door.react = lambda station, _message: station.link.pause()
    peer, station = await house.enter()
    await peer.send(framed(TEXT, b"a") + framed(TEXT, b"b") + framed(CLOSE, b"\x03\xe8"))
    await until(lambda: station.received)
    began = trio.current_time()
    station.link.close(1001, "")
    await house.door.until(lambda: bool(station.lost_with))
    assert trio.current_time() - began < 2
    assert station.received == [b"a"]
    assert await peer.rest() == b"\x88\x02\x03\xe9"


@pytest.mark.req("WS-36")
async def test_the_outgoing_buffer_is_bounded_and_send_never_calls_back(open_house: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, buffer_max=1 << 20))
    _, station = await house.enter()
    for _ in range(200):
        station.link.send(b"x" * (1 << 16))
        assert station.lost_with == []
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with == ["too much is unsent"]


@pytest.mark.parametrize("writes", [[framed(TEXT, b"a") * 10], [framed(TEXT, b"a")] * 10], ids=["together", "apart"])
async def test_too_much_unsent_stops_reading(open_house: Any, writes: list[bytes]) -> None:
    house = await open_house(limits=WireLimits(ping=0, buffer_high=1 << 16, buffer_max=1 << 26))
    house.door.react = lambda station, _message: station.link.send(b"x" * (1 << 23))
    peer, station = await house.enter()
    for data in writes:
        await peer.send(data)
        await until(lambda: station.received)
        await trio.sleep(0.01)
    assert len(station.received) == 1
    for _ in range(10):
        assert len((await peer.frame())[1]) == 1 << 23
    assert len(station.received) == 10


async def test_too_many_frames_are_read_more_slowly(open_house: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, events_per_second=50))
    peer, _ = await house.enter()
    began = time.perf_counter()
    await peer.send(framed(PING) * 60)
    for _ in range(60):
        assert await peer.frame() == (PONG, b"")
    assert time.perf_counter() - began > 0.7


async def test_what_goes_wrong_with_one_station_ends_that_station(
    open_house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(station: Any, message: bytes) -> None:
        raise RuntimeError("a bug")

    house = await open_house()
    well, _ = await house.enter()
    ill, broken = await house.enter()
    broken.react = fail
    await ill.say("x")
    await house.door.until(lambda: bool(broken.lost_with))
    assert broken.lost_with == ["internal error"]
    assert "a bug" in caplog.text
    await well.say("x")
    assert await well.frame() == (TEXT, b"x")


async def test_a_slow_plain_function_is_reported_with_its_station(open_house: Any) -> None:
    house = await open_house()
    reports: list[tuple[str, float]] = []
    house.backend.report_slow = lambda station_id, seconds: reports.append((station_id, seconds))
    peer, station = await house.enter()
    station.react = lambda station, message: time.sleep(0.005)
    await peer.say("x")
    await until(lambda: reports)
    assert reports[0][0] == "CP-1"
    assert reports[0][1] >= 0.005


async def test_what_tls_has_decrypted_already_is_not_forgotten(
    open_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(security="tls")
    peer, _ = await house.enter()
    monkeypatch.setattr(wire_module, "CHUNK", 100)
    await peer.say("x" * 5000)
    with trio.fail_after(2):
        assert await peer.frame() == (TEXT, b"x" * 5000)


@pytest.mark.req("WS-36")
@pytest.mark.parametrize("security", ["plain", "tls"])
async def test_a_peer_that_goes_on_sending_still_sees_why_it_was_closed(open_house: Any, security: str) -> None:
    house = await open_house(security=security)
    peer, station = await house.enter()
    await peer.send(b"\x81\xff" + (1 << 21).to_bytes(8, "big") + bytes(4) + b"x" * 500_000)
    opcode, payload = await peer.frame()
    assert (opcode, payload[:2]) == (CLOSE, (1009).to_bytes(2, "big"))
    assert await peer.rest() == b""
    assert station.lost_with == ["closed with 1009: message is too long"]


@pytest.mark.req("WS-36")
async def test_not_everything_that_follows_a_violation_is_read(open_house: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, message_bytes=1000))
    peer, _ = await house.enter()
    with trio.fail_after(2), pytest.raises(trio.BrokenResourceError):
        await peer.send(b"\x81\xff" + (1 << 62).to_bytes(8, "big") + bytes(1 << 26))


async def test_a_broken_socket_is_not_reported_from_inside_send(open_house: Any) -> None:
    house = await open_house()
    peer, station = await house.enter()
    peer.reset()
    station.link.send(b"into the void")
    assert station.lost_with == []
    await house.door.until(lambda: bool(station.lost_with))
    assert len(station.lost_with) == 1


async def test_tls_ends_with_its_own_goodbye(open_house: Any) -> None:
    house = await open_house(security="tls")
    peer = await house.dial()
    peer.stream = trio.SSLStream(peer.stream, house.tls, server_hostname="localhost")  # minds a stream that is cut off
    await peer.upgrade(UPGRADE)
    await peer.send(framed(CLOSE, b"\x03\xe8"))
    assert await peer.frame() == (CLOSE, b"\x03\xe8")
    assert await peer.stream.receive_some() == b""


async def test_close_says_what_is_unsent_first_and_waits_for_the_answer(open_house: Any) -> None:
    house = await open_house()
    peer, station = await house.enter()
    station.link.send(b"last")
    station.link.close(1001, "going away")
    station.link.send(b"too late")
    assert await peer.frame() == (TEXT, b"last")
    assert await peer.frame() == (CLOSE, b"\x03\xe9going away")
    assert station.lost_with == []
    await peer.send(framed(TEXT, b"deaf") + framed(CLOSE, b"\x03\xe9"))
    await house.door.until(lambda: bool(station.lost_with))
    assert station.received == []
    assert await peer.rest() == b""


async def test_nothing_is_delivered_after_close(open_house: Any) -> None:
    house = await open_house()
    house.door.react = lambda station, _message: station.link.close(1008, "enough")
    peer, station = await house.enter()
    await peer.send(framed(TEXT, b"a") * 20)
    assert await peer.close_code() == 1008
    await house.door.until(lambda: bool(station.lost_with))
    assert station.received == [b"a"]


async def test_nothing_is_read_of_a_guest_until_it_is_judged(open_house: Any) -> None:
    house = await open_house()
    judged = trio.Event()

    async def wait(_request: Any) -> None:
        await judged.wait()

    house.door.knocking = wait
    peer = await house.connect()
    await peer.send(UPGRADE)
    await house.door.until(lambda: bool(house.door.knocks))
    with trio.move_on_after(0.5) as scope:
        while True:
            await peer.send(framed(TEXT, b"x" * 100) * 1000)
    assert scope.cancelled_caught, "TCP did not push back"
    judged.set()
    await house.door.until(lambda: bool(house.door.stations))
    await until(lambda: house.door.stations[0].received)


async def test_a_guest_that_leaves_while_the_door_thinks_is_forgotten(
    open_house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    house = await open_house()
    cancelled = trio.Event()

    async def think(_request: Any) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    house.door.knocking = think
    peer = await house.connect()
    await peer.send(UPGRADE)
    await house.door.until(lambda: bool(house.door.knocks))
    peer.reset()
    with trio.fail_after(5):
        await cancelled.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert caplog.text == ""
    assert len(house.door.refusals) == 1
    assert house.backend.wires == {}


@pytest.mark.req("WS-11", "WS-13")
async def test_accept_and_close_completes_the_handshake_and_says_goodbye(open_house: Any) -> None:
    house = await open_house()
    house.door.admission = Admission(101, "CP-1", with_subprotocol=False)
    peer = await house.connect()
    await peer.send(UPGRADE)
    assert b"Protocol" not in (await peer.head()).partition(b"\r\n")[2]
    assert await peer.close_code() == 1002
    assert house.door.stations == []
    peer.finish()
    await house.door.until(lambda: len(house.door.refusals) == 1)


async def test_a_kernel_that_cannot_take_the_station_frees_its_place(open_house: Any, monkeypatch: Any) -> None:
    house = await open_house()

    def fail(*_args: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(house.door, "enter", fail)
    peer = await house.connect()
    await peer.send(UPGRADE)
    await peer.rest()
    assert len(house.door.refusals) == 1
    assert house.backend.wires == {}


async def test_stopping_drops_everybody_and_adopts_nobody(open_house: Any) -> None:
    house = await open_house()
    reactor = Reactor(house.door, house.backend.pool, house.backend.wheel, {"ocpp": None})
    pairs = [socket.socketpair() for _ in range(3)]
    for ours, theirs in pairs:
        ours.setblocking(False)
        theirs.settimeout(5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        for ours, _ in pairs[:2]:
            reactor.adopt(ours, "peer", "ocpp")
        pairs[0][1].sendall(UPGRADE)
        await house.door.until(lambda: bool(house.door.stations))
        nursery.cancel_scope.cancel()
    assert house.door.stations[0].lost_with == ["server stopped"]
    assert len(house.door.refusals) == 1
    assert reactor.wires == {}
    with pytest.raises(ConnectionAbortedError):
        reactor.adopt(pairs[2][0], "late", "ocpp")
    for sock in (pair[1] for pair in pairs):
        sock.close()
    pairs[2][0].close()


async def test_an_idle_station_costs_little_memory(open_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await open_house(limits=WireLimits())
    receiver = (await house.enter())[1]
    monkeypatch.setattr(house.door, "enter", lambda *_args: receiver)
    monkeypatch.setattr(house.door, "knocks", type("Sieve", (list,), {"append": lambda *_args: None})())
    count = 500
    pairs = [socket.socketpair() for _ in range(count)]
    for ours, theirs in pairs:
        ours.setblocking(False)
        theirs.sendall(UPGRADE + framed(PING) * 2)  # so that all of them have needed an inbox
    gc.collect()
    tracemalloc.start()
    try:
        for i, (ours, _) in enumerate(pairs):
            house.backend.adopt(ours, f"peer {i}", "ocpp")
        await until(lambda: sum(type(wire).__name__ == "WireLink" for wire in house.backend.wires.values()) > count)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        for _, theirs in pairs:
            theirs.close()
    assert size / count < 1400
