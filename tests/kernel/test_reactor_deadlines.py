"""The deadlines of the reactor, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from csmsd._kernel.transport.link import WireLimits

TEXT, PING, PONG = 1, 9, 10
BEGUN = b"\x01\x85\0\0\0\0hello"  # a message that is not complete
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


@pytest.mark.req("WS-36")
async def test_a_peer_that_does_not_read_is_dropped_in_time(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, write=10, buffer_max=1 << 26))
    _, station = await house.enter()
    began = trio.current_time()
    station.link.send(b"x" * (1 << 24))
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with == ["the peer does not read"]
    assert 10 <= trio.current_time() - began < 12


@pytest.mark.req("WS-33")
async def test_who_has_answered_pings_and_falls_silent_is_dropped(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=60, pong=20))
    peer, station = await house.enter()
    began = trio.current_time()
    assert await peer.frame() == (PING, b"")
    await peer.send(framed(PONG))
    await house.door.until(lambda: bool(station.lost_with))
    assert station.lost_with == ["no pong"]
    assert 140 <= trio.current_time() - began < 142


@pytest.mark.req("WS-33")
async def test_who_never_answered_a_ping_is_not_judged_by_them(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=60, pong=20))
    peer, station = await house.enter()
    for _ in range(10):
        assert await peer.frame() == (PING, b"")
    assert station.lost_with == []


@pytest.mark.req("WS-33")
async def test_who_is_not_listened_to_is_not_called_silent(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=60, pong=20))
    peer, station = await house.enter()
    assert await peer.frame() == (PING, b"")
    await peer.send(framed(PONG) + framed(TEXT, b"heard"))
    await peer.frame()
    station.link.pause()
    await trio.sleep(199)
    station.link.resume()
    await trio.sleep(2)  # the last ping is older than its deadline by now
    assert station.lost_with == []
    await house.door.until(lambda: bool(station.lost_with))


async def test_a_message_that_has_begun_must_end(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, message=30))
    peer, _ = await house.enter()
    began = trio.current_time()
    await peer.send(BEGUN + framed(PING))
    await trio.sleep(20)
    await peer.send(framed(PING))  # is no progress
    assert await peer.close_code() == 1008
    assert 30 <= trio.current_time() - began < 32


async def test_the_rest_of_a_message_is_not_missed_while_nobody_listens(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, message=30))
    peer, station = await house.enter()
    await peer.send(BEGUN + framed(PING))
    await peer.frame()
    station.link.pause()
    await trio.sleep(100)
    station.link.resume()
    await trio.sleep(25)
    await peer.send(framed(0, b"!"))
    assert await peer.frame() == (TEXT, b"hello!")


async def test_a_close_that_is_never_answered_ends_in_time(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, close=5))
    _, station = await house.enter()
    began = trio.current_time()
    station.link.close(1000, "")
    await house.door.until(lambda: bool(station.lost_with))
    assert 5 <= trio.current_time() - began < 7


@pytest.mark.parametrize(
    ("sent", "security", "stage"), [(b"", "plain", "tcp"), (b"GET /ocpp", "plain", "upgrade"), (b"", "tls", "tls")]
)
async def test_a_handshake_that_drags_on_is_ended(
    open_house: Any, sliding_clock: Any, sent: bytes, security: str, stage: str
) -> None:
    house = await open_house(limits=WireLimits(ping=0, handshake=5), security=security)
    peer = await house.dial()
    began = trio.current_time()
    await peer.send(sent)
    answer = await peer.rest()
    assert 5 <= trio.current_time() - began < 7
    assert [turn[0] for turn in house.door.turned] == [stage]
    assert answer.startswith(b"HTTP/1.1 408 ") == (stage == "upgrade")
    peer.finish()
    peer.sock.close()
    await house.door.until(lambda: len(house.door.refusals) == 1)


@pytest.mark.req("WS-42")
async def test_a_door_that_never_answers_is_a_503_within_the_deadline(open_house: Any, sliding_clock: Any) -> None:
    house = await open_house(limits=WireLimits(ping=0, handshake=5))

    async def think(_request: Any) -> None:
        await trio.sleep_forever()

    house.door.knocking = think
    peer = await house.connect()
    began = trio.current_time()
    status, head, _ = await peer.answer(UPGRADE)
    assert status == 503
    assert b"Retry-After: " in head
    assert 5 <= trio.current_time() - began < 7
    assert [(stage, target) for stage, _, target in house.door.turned] == [("upgrade", "/ocpp/CP-1")]
