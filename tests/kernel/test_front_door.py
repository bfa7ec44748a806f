"""From TCP to 101, with both backends."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing
import trio_websocket

from csmsd._kernel.transport.link import Admission, Link, WireLimits
from csmsd.hookspecs import ConnectRequest
from tests.kernel.conftest import (
    CLOSE,
    PING,
    PONG,
    QUIET,
    TEXT,
    OpenHouse,
    RecordingDoor,
    Station,
    client_frame,
    upgrade_request,
)


@pytest.mark.req("WS-01", "WS-10")
async def test_a_station_is_admitted_and_its_messages_are_answered(open_house: OpenHouse, security: str) -> None:
    house = await open_house(security=security)
    peer, station = await house.enter()
    await peer.say('[2,"1","Heartbeat",{}]')
    assert await peer.frame() == (TEXT, b'[2,"1","Heartbeat",{}]')
    assert station.received == [b'[2,"1","Heartbeat",{}]']
    assert station.request.is_tls == (security == "tls")
    assert not house.door.refusals


@pytest.mark.req("WS-01", "WS-32", "WS-38")
async def test_a_station_that_uses_trio_websocket_is_at_home(open_house: OpenHouse, security: str) -> None:
    house = await open_house(security=security)
    scheme = "ws" if house.tls is None else "wss"
    url = f"{scheme}://localhost:{house.address[1]}/ocpp/CP-1"
    async with trio_websocket.open_websocket_url(url, house.tls, subprotocols=["ocpp2.0.1", "ocpp1.6"]) as ws:
        assert ws.subprotocol == "ocpp1.6"
        await ws.ping(b"hello")
        for text in ("", "é" * 40_000, "x" * 1_048_576):
            await ws.send_message(text)
            assert await ws.get_message() == text
    await house.door.until(lambda: bool(house.door.stations[0].lost_with))
    assert house.door.stations[0].lost_with == ["closed by the station with 1000"]


@pytest.mark.req("WS-10")
async def test_subprotocols_of_several_lines_are_one_offer(open_house: OpenHouse) -> None:
    house = await open_house()
    peer = await house.connect()
    request = upgrade_request(Sec_WebSocket_Protocol="ocpp2.0.1, ocpp1.5")
    head = await peer.upgrade(request[:-2] + b"sec-websocket-protocol: ocpp1.6\r\n\r\n")
    assert b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n" in head
    assert house.door.knocks[0].subprotocols == ("ocpp2.0.1", "ocpp1.5", "ocpp1.6")


@pytest.mark.req("WS-14", "WS-21", "WS-42")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 503])
async def test_the_doors_refusal_is_told_and_nothing_else_happens(open_house: OpenHouse, status: int) -> None:
    door = RecordingDoor(admission=Admission(status, retry_after=7 if status == 503 else 0, realm="home"))
    house = await open_house(door=door)
    answers = {await (await house.connect()).answer(upgrade_request(f"/ocpp/{name}")) for name in ("CP-1", "other")}
    [(answered, head, body)] = answers
    assert answered == status
    assert (b'WWW-Authenticate: Basic realm="home"' in head) == (status == 401)
    assert (b"Retry-After: 7\r\n" in head) == (status == 503)
    assert body.endswith(b".\n")
    await door.until(lambda: len(door.refusals) == 2)
    assert not door.turned, "knock knows it already"
    assert not door.stations


@pytest.mark.req("WS-11", "WS-13")
async def test_a_station_without_our_subprotocol_may_be_told_so_after_the_handshake(open_house: OpenHouse) -> None:
    house = await open_house(door=RecordingDoor(admission=Admission(101, "CP-1", with_subprotocol=False)))
    peer = await house.connect()
    head = await peer.upgrade(upgrade_request(Sec_WebSocket_Protocol="ocpp0.1"))
    assert b"Sec-WebSocket-Protocol" not in head
    await peer.say("does not matter any more")
    assert await peer.close_code() == 1002
    assert await peer.rest() == b""
    await house.door.until(lambda: bool(house.door.refusals))
    assert not house.door.stations


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (upgrade_request(Sec_WebSocket_Key="short"), 400),
        (upgrade_request(Sec_WebSocket_Version="8"), 426),
        (upgrade_request().replace(b"GET", b"PUT"), 405),
        (upgrade_request().replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
        (upgrade_request(X_Long="x" * 20_000), 431),
        (upgrade_request(**{f"X_{at}": "x" for at in range(70)}), 431),
        (upgrade_request(User_Agent="caf\u00e9"), 400),
        (b"\x16\x03\x01\x00\xee", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    ],
)
async def test_a_bad_request_is_answered_recorded_and_forgotten(
    open_house: OpenHouse, security: str, data: bytes, status: int
) -> None:
    house = await open_house(security=security)
    peer = await house.connect()
    assert (await peer.answer(data))[0] == status
    peer.sock.close()
    await house.door.until(lambda: bool(house.door.refusals))
    assert [stage for stage, _, _ in house.door.turned] == ["upgrade"]
    assert not house.door.knocks


async def test_a_request_may_come_byte_by_byte(open_house: OpenHouse) -> None:
    house = await open_house()
    peer = await house.connect()
    for byte in upgrade_request()[:-1]:
        await peer.send(bytes((byte,)))
        await trio.lowlevel.checkpoint()
    await peer.upgrade(b"\n")


async def test_what_a_station_cannot_wait_to_say_is_heard_after_the_verdict(open_house: OpenHouse) -> None:
    verdict = trio.Event()

    async def knocking(request: ConnectRequest) -> None:
        await verdict.wait()

    house = await open_house(door=RecordingDoor(knocking=knocking))
    peer = await house.connect()
    await peer.send(upgrade_request() + client_frame(TEXT, b"1") + client_frame(TEXT, b"2"))
    await house.door.until(lambda: bool(house.door.knocks))
    await peer.say("3")
    await trio.testing.wait_all_tasks_blocked(0.02)
    verdict.set()
    await peer.head()
    assert [await peer.frame() for _ in range(3)] == [(TEXT, b"1"), (TEXT, b"2"), (TEXT, b"3")]


async def test_a_flood_before_the_verdict_is_pushed_back(open_house: OpenHouse, security: str) -> None:
    async def knocking(request: ConnectRequest) -> None:
        await trio.sleep(0.5)

    house = await open_house(door=RecordingDoor(knocking=knocking), security=security)
    peer = await house.connect()
    await peer.send(upgrade_request())
    sent, junk = 0, b"x" * 262_144
    with trio.move_on_after(0.4):
        while True:
            await peer.stream.send_all(junk)
            sent += len(junk)
    assert sent < 16_000_000, "what is in flight is in the kernel's buffers, which are bounded"
    assert not house.door.stations


async def test_a_peer_that_leaves_before_the_verdict_is_not_waited_for(open_house: OpenHouse) -> None:
    is_cancelled = trio.Event()

    async def knocking(request: ConnectRequest) -> None:
        try:
            await trio.sleep_forever()
        finally:
            is_cancelled.set()

    house = await open_house(door=RecordingDoor(knocking=knocking))
    peer = await house.connect()
    await peer.send(upgrade_request())
    await house.door.until(lambda: bool(house.door.knocks))
    peer.reset()
    with trio.fail_after(2):
        await is_cancelled.wait()
        await house.door.until(lambda: bool(house.door.refusals))
    assert [target for _, _, target in house.door.turned] == ["/ocpp/CP-1"]


@pytest.mark.req("WS-42")
async def test_a_door_that_takes_too_long_is_our_fault(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    async def knocking(request: ConnectRequest) -> None:
        await trio.sleep_forever()

    house = await open_house(door=RecordingDoor(knocking=knocking))
    peer = await house.connect()
    started = trio.current_time()
    status, head, _ = await peer.answer(upgrade_request())
    assert status == 503
    assert b"\r\nRetry-After: " in head
    assert 4.9 <= trio.current_time() - started <= 5.5
    peer.sock.close()
    await house.door.until(lambda: len(house.door.refusals) == 1)


async def test_a_door_that_fails_is_our_fault(open_house: OpenHouse, caplog: pytest.LogCaptureFixture) -> None:
    async def knocking(request: ConnectRequest) -> None:
        raise RuntimeError("bug")

    house = await open_house(door=RecordingDoor(knocking=knocking))
    assert (await (await house.connect()).answer(upgrade_request()))[0] == 503
    assert "bug" in caplog.text


async def test_a_kernel_that_fails_to_take_a_station_in_costs_that_station_only(
    open_house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    class FailingDoor(RecordingDoor):
        def enter(self, request: ConnectRequest, admission: Admission, link: Link) -> Station:
            if request.target.endswith("bad"):
                raise RuntimeError("bug")
            return super().enter(request, admission, link)

    house = await open_house(door=FailingDoor())
    good, _ = await house.enter()
    bad = await house.connect()
    await bad.send(upgrade_request("/bad"))
    await bad.rest()
    await good.say("fine")
    assert await good.frame() == (TEXT, b"fine")
    assert "bug" in caplog.text


async def test_a_receiver_that_fails_ends_its_own_connection(
    open_house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    def react(station: object, message: bytes) -> None:
        if message == b"fail":
            raise RuntimeError("bug")

    house = await open_house(door=RecordingDoor(react=react))
    (bad, victim), (good, bystander) = await house.enter(), await house.enter()
    await bad.say("fail")
    await bad.rest()
    await good.say("fine")
    await house.door.until(lambda: bool(victim.lost_with))
    assert victim.lost_with == ["internal error"]
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert (bystander.received, bystander.lost_with) == ([b"fine"], [])


# -- slowness ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0.1, 1.0, 4.0])
async def test_a_dripping_request_is_cut_off_at_the_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock, every: float
) -> None:
    house = await open_house()
    peer = await house.connect()
    started = trio.current_time()

    async def drip() -> None:
        try:
            for byte in upgrade_request(X="y" * 1000):
                await peer.send(bytes((byte,)))
                await trio.sleep(every)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        await house.door.until(lambda: bool(house.door.refusals))
        nursery.cancel_scope.cancel()
    assert trio.current_time() - started < 5.6
    assert [stage for stage, _, _ in house.door.turned] == ["upgrade"]
    assert not house.door.knocks


@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x02\x00"])
async def test_a_silent_or_dripping_tls_handshake_is_cut_off_at_the_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock, first: bytes
) -> None:
    house = await open_house(security="tls")
    peer = await house.dial()
    started = trio.current_time()
    await peer.send(first)
    assert not (await peer.rest()).startswith(b"HTTP")
    await house.door.until(lambda: bool(house.door.refusals))
    assert 4.9 < trio.current_time() - started < 5.2
    assert [stage for stage, _, _ in house.door.turned] == ["tls"]


async def test_a_silent_connection_is_cut_off_at_the_deadline(
    open_house: OpenHouse, sliding_clock: trio.testing.MockClock
) -> None:
    house = await open_house()
    peer = await house.dial()
    started = trio.current_time()
    await peer.rest()
    peer.sock.close()
    await house.door.until(lambda: bool(house.door.refusals))
    assert 4.9 < trio.current_time() - started < 5.6
    assert [stage for stage, _, _ in house.door.turned] == ["tcp"]


# -- malice -----------------------------------------------------------------------------------------------


async def test_mutated_requests_harm_nobody(open_house: OpenHouse) -> None:
    """Any bytes anywhere in a request, and any way to leave, get a 4xx or 505 answer, an upgrade or nothing."""
    house = await open_house(limits=WireLimits(ping=0, handshake=0.5, close=0.2))
    chance = random.Random(1)
    seed = upgrade_request(Authorization="Basic Q1A6eA==", Sec_WebSocket_Extensions="permessage-deflate")

    async def attack(data: bytes, farewell: int) -> None:
        peer = await house.dial()
        try:
            await peer.send(data)
            if farewell == 0:
                peer.reset()
                return
            if farewell == 1:
                peer.finish()
            with trio.move_on_after(0.8):  # who is let in is not sent away
                await peer.rest()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            peer.sock.close()
        statuses = (101, 400, 405, 408, 426, 431, 505)
        assert bytes(peer.buffer[:12]) in (b"", *(b"HTTP/1.1 %d" % status for status in statuses))

    healthy, _ = await house.enter()
    for _ in range(15):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                data = bytearray(seed)
                for _ in range(chance.randint(1, 4)):
                    at = chance.randrange(len(data))
                    junk = chance.randbytes(chance.choice((0, 1, 1, 2, 40)))
                    data[at : at + chance.choice((0, 1, 1, 5))] = junk
                nursery.start_soon(attack, bytes(data), chance.randrange(3))
        await healthy.say("well?")
        assert await healthy.frame() == (TEXT, b"well?")
    await house.door.until(lambda: len(house.door.refusals) + len(house.door.stations) == 301)
    await house.door.until(lambda: all(station.lost_with for station in house.door.stations[1:]))


@pytest.mark.parametrize("moment", ["connect", "request", "verdict", "message", "fragment", "close", "ping"])
async def test_a_reset_at_any_moment_leaves_nothing(open_house: OpenHouse, security: str, moment: str) -> None:
    house = await open_house(security=security, limits=QUIET)
    for _ in range(10):
        peer = await house.connect()
        if moment == "request":
            await peer.send(upgrade_request()[:50])
        elif moment == "verdict":
            await peer.send(upgrade_request())
        elif moment != "connect":
            await peer.upgrade()
            await peer.send(
                {
                    "message": client_frame(TEXT, b"x"),
                    "fragment": client_frame(TEXT, b"x", is_final=False),
                    "close": client_frame(CLOSE, b"\x03\xe8"),
                    "ping": client_frame(PING, b"x"),
                }[moment]
            )
        peer.reset()
    door = house.door
    await door.until(lambda: len(door.refusals) + sum(len(station.lost_with) for station in door.stations) == 10)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert all(len(station.lost_with) <= 1 for station in door.stations)
    peer, _ = await house.enter()
    await peer.send(client_frame(PING, b"?"))
    assert await peer.frame() == (PONG, b"?")
