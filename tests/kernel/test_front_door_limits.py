"""Once inside: sizes, rates, deadlines and good ends, with both backends."""

from __future__ import annotations

import resource
from dataclasses import replace

import pytest
import trio
import trio.testing

from csmsd._kernel.transport.link import WireLimits
from tests.kernel.conftest import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    QUIET,
    TEXT,
    OpenHouse,
    Peer,
    RecordingDoor,
    Station,
    client_frame,
)

SMALL = replace(QUIET, message_bytes=65_536, close=1.0)


def header(size: int, opcode: int = TEXT) -> bytes:
    """The header of a frame that never follows."""
    return bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big") + bytes(4)


def peak() -> int:
    """The most memory this process has used so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def flood(peer: Peer, data: bytes, times: int) -> None:
    """Send for as long as the other side bears it."""
    try:
        for _ in range(times):
            await peer.send(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


@pytest.mark.req("WS-36")
async def test_the_largest_message_passes_and_one_byte_more_is_1009(open_house: OpenHouse, security: str) -> None:
    house = await open_house(limits=SMALL, security=security)
    peer, station = await house.enter()
    await peer.say("\u20ac" * 21_845 + "x")  # counted in bytes, not in characters
    assert (await peer.frame())[1] == ("\u20ac" * 21_845 + "x").encode()
    await peer.send(client_frame(TEXT, b"y" * 65_537))
    assert await peer.close_code() == 1009
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with[0].startswith("closed with 1009: ")
    assert len(station.received) == 1


@pytest.mark.req("WS-36")
@pytest.mark.parametrize(
    "data",
    [
        header(65_537),
        header(1 << 62),
        client_frame(TEXT, b"x" * 60_000, is_final=False) + client_frame(0, b"x" * 6_000),
        client_frame(TEXT, b"", is_final=False) + client_frame(0, b"", is_final=False) * 64,
    ],
)
async def test_what_cannot_become_a_message_is_1009_at_once(open_house: OpenHouse, data: bytes) -> None:
    house = await open_house(limits=SMALL)
    peer, station = await house.enter()
    await peer.send(data)
    assert await peer.close_code() == 1009
    await house.door.until(lambda: bool(station.lost_with))
    assert not station.received


@pytest.mark.req("WS-37")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"\xe2", is_final=False) + client_frame(0, b"\x82x"), 1007),
        (client_frame(BINARY, b"x"), 1003),
        (b"\x81\x01x", 1002),
        (client_frame(3, b""), 1002),
        (client_frame(11, b""), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (client_frame(PING, b"x", is_final=False), 1002),
        (client_frame(PING, b"x" * 126), 1002),
        (client_frame(0, b"x"), 1002),
        (client_frame(TEXT, b"x", is_final=False) + client_frame(TEXT, b"x"), 1002),
        (b"\x81\xfe\x00\x05\0\0\0\0hello", 1002),
        (header(5), 1002),
        (b"\x81\xff" + b"\x80" + bytes(11), 1002),
    ],
)
async def test_a_violation_is_named_to_the_peer_after_the_reply_to_the_message_before_it(
    open_house: OpenHouse, data: bytes, code: int
) -> None:
    house = await open_house(limits=SMALL)
    peer, station = await house.enter()
    await peer.send(client_frame(TEXT, b"first") + data)
    assert await peer.frame() == (TEXT, b"first")
    assert await peer.close_code() == code
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with[0].startswith(f"closed with {code}")
    assert station.received == [b"first"]


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0"])
async def test_the_reply_to_a_message_in_front_of_a_close_is_sent(open_house: OpenHouse, payload: bytes) -> None:
    house = await open_house()
    peer, station = await house.enter()
    await peer.send(client_frame(TEXT, b"last") + client_frame(CLOSE, payload))
    assert await peer.frame() == (TEXT, b"last")
    opcode, answer = await peer.frame()
    assert (opcode, answer[:2]) == (CLOSE, payload[:2])
    assert await peer.rest() == b""
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with[0].startswith("closed by the station with ")


@pytest.mark.req("WS-32")
async def test_pings_are_answered_even_between_fragments(open_house: OpenHouse) -> None:
    house = await open_house()
    peer, _ = await house.enter()
    await peer.send(client_frame(TEXT, b"a", is_final=False) + client_frame(PING, b"?") + client_frame(0, b"b"))
    assert await peer.frame() == (PONG, b"?")
    assert await peer.frame() == (TEXT, b"ab")


# -- our own end ------------------------------------------------------------------------------------------


@pytest.mark.req("WS-30", "WS-39")
async def test_our_close_follows_what_was_sent_and_nothing_is_received_after_it(open_house: OpenHouse) -> None:
    def react(station: Station, message: bytes) -> None:
        station.link.send(b"one")
        station.link.send(b"two")
        station.link.close(1001, "shutting down")
        station.link.send(b"never")
        station.link.close(1000, "never")

    house = await open_house(door=RecordingDoor(react=react))
    peer, station = await house.enter()
    await peer.send(client_frame(TEXT, b"a") + client_frame(TEXT, b"b"))
    assert [await peer.frame() for _ in range(2)] == [(TEXT, b"one"), (TEXT, b"two")]
    assert await peer.frame() == (CLOSE, b"\x03\xe9shutting down")
    assert not station.lost_with, "the handshake is not over"
    await peer.send(client_frame(CLOSE, b"\x03\xe9"))
    assert await peer.rest() == b""
    await house.door.until(lambda: bool(station.lost_with))
    assert (station.received, len(station.lost_with)) == ([b"a"], 1)


async def test_a_peer_that_does_not_answer_our_close_is_dropped_at_the_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    house = await open_house(limits=WireLimits(ping=0))
    _, station = await house.enter()
    started = trio.current_time()
    station.link.close(1000, "enough")
    await house.door.until(lambda: bool(station.lost_with))
    assert 4.9 < trio.current_time() - started < 5.2


async def test_a_paused_link_hears_nothing_not_even_what_has_been_read(open_house: OpenHouse) -> None:
    house = await open_house(door=RecordingDoor(react=lambda station, message: station.link.pause()))
    peer, station = await house.enter()
    await peer.send(client_frame(TEXT, b"1") + client_frame(TEXT, b"2") + client_frame(TEXT, b"3"))
    for expected in ([b"1"], [b"1", b"2"], [b"1", b"2", b"3"]):
        await trio.testing.wait_all_tasks_blocked(0.03)
        assert station.received == expected
        station.link.resume()


# -- slowness and floods ----------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 3])
async def test_a_message_that_drips_is_1008_at_its_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock, piece: int
) -> None:
    house = await open_house(limits=WireLimits(ping=0, message=30.0))
    peer, station = await house.enter()
    await trio.sleep(100)  # silence between messages is not slowness
    started = trio.current_time()

    async def drip() -> None:
        data = client_frame(TEXT, b"x" * 1000)
        try:
            for at in range(0, len(data), piece):
                await peer.send(data[at : at + piece])
                await trio.sleep(1)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        assert await peer.close_code() == 1008
        nursery.cancel_scope.cancel()
    assert 29 < trio.current_time() - started < 36
    peer.sock.close()
    await house.door.until(lambda: bool(station.lost_with))
    assert not station.received


async def test_a_peer_that_does_not_read_is_dropped_at_the_write_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    house = await open_house(limits=replace(QUIET, buffer_max=1 << 30))
    _, station = await house.enter()
    started = trio.current_time()
    for _ in range(20):
        station.link.send(b"x" * 1_000_000)
    await house.door.until(lambda: bool(station.lost_with))
    assert 9.9 < trio.current_time() - started < 10.6
    assert len(station.lost_with) == 1


async def test_a_peer_for_whom_too_much_is_unsent_is_dropped(open_house: OpenHouse) -> None:
    house = await open_house(limits=replace(QUIET, buffer_max=1_000_000))
    _, station = await house.enter()
    for _ in range(20):
        station.link.send(b"x" * 1_000_000)
        assert not station.lost_with, "a link never calls the receiver from inside"
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with == ["too much is unsent"]


@pytest.mark.parametrize(
    "data",
    [
        client_frame(PING, b"") * 500,
        client_frame(PONG, b"") * 500,
        client_frame(TEXT, b"") * 500,
        client_frame(PING, b"x" * 125) * 500,
    ],
)
async def test_a_flood_of_frames_is_read_slowly_and_costs_no_memory(open_house: OpenHouse, data: bytes) -> None:
    house = await open_house(limits=replace(QUIET, events_per_second=1000))
    peer, station = await house.enter()
    healthy, _ = await house.enter()
    before = peak()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.rest)
        nursery.start_soon(flood, peer, data, 2000)
        with trio.move_on_after(1.0):
            while True:
                await healthy.say("well?")
                assert await healthy.frame() == (TEXT, b"well?")
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert peak() - before < 30 << 20
    assert len(station.received) < 4000
    assert not station.lost_with


@pytest.mark.parametrize(
    "data",
    [
        client_frame(0, "\u4e16".encode(), is_final=False),
        client_frame(0, b"", is_final=False),
        b"\xff" * 60_000,
    ],
)
async def test_a_flood_of_fragments_or_junk_ends_at_once(open_house: OpenHouse, data: bytes) -> None:
    house = await open_house()
    peer, station = await house.enter()
    before = peak()
    await peer.send(client_frame(TEXT, b"", is_final=False))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, peer, data * (60_000 // len(data)), 200)
        await house.door.until(lambda: bool(station.lost_with))
        nursery.cancel_scope.cancel()
    assert peak() - before < 30 << 20
    assert station.lost_with[0].startswith(("closed with 1009", "closed with 1002"))


# -- signs of life ----------------------------------------------------------------------------------------


@pytest.mark.req("WS-33")
async def test_a_station_that_stops_answering_pings_is_dropped(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    house = await open_house(limits=WireLimits())
    peer, station = await house.enter()
    opcode, payload = await peer.frame()
    assert opcode == PING
    await peer.send(client_frame(PONG, payload))
    started = trio.current_time()
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with == ["no pong"]
    assert trio.current_time() - started < 150


@pytest.mark.req("WS-33", "WS-35")
async def test_a_station_that_has_never_answered_a_ping_is_kept(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    house = await open_house(limits=WireLimits())
    _, station = await house.enter()
    await trio.sleep(3600)
    assert not station.lost_with


@pytest.mark.req("WS-33", "WS-35")
async def test_any_traffic_is_a_sign_of_life(open_house: OpenHouse, sliding_clock: trio.testing.MockClock) -> None:
    house = await open_house(limits=WireLimits())
    peer, station = await house.enter()
    await peer.send(client_frame(PONG, b""))
    for _ in range(100):
        await trio.sleep(15)
        await peer.say("here")
    assert not station.lost_with


@pytest.mark.req("WS-33")
async def test_nobody_is_pinged_if_pings_are_off(open_house: OpenHouse, sliding_clock: trio.testing.MockClock) -> None:
    house = await open_house(limits=WireLimits(ping=0))
    peer, station = await house.enter()
    with trio.move_on_after(3600) as scope:
        await peer.frame()
    assert scope.cancelled_caught
    assert not station.lost_with
