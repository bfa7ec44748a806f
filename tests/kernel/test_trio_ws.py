"""What only the backend of trio-websocket has: its screen, and frames that trio-websocket never sees."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from csmsd._kernel.transport.link import WireLimits
from csmsd._kernel.transport.screen import Header, Screen, read_header
from csmsd._kernel.transport.stream import SocketStream
from csmsd._kernel.transport.trio_ws import TrioWebSocket
from csmsd._kernel.transport.websocket import Violation
from tests.kernel.conftest import CLOSE, PING, PONG, TEXT, RecordingDoor, client_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_the_header_of_a_good_frame_is_read(size: int) -> None:
    frame = client_frame(TEXT, b"x" * size)
    assert read_header(frame) == Header(TEXT, True, size, len(frame))
    assert read_header(frame[:1]) is None


@given(st.binary(max_size=20))
def test_any_bytes_are_a_header_too_few_or_a_violation(data: bytes) -> None:
    try:
        header = read_header(data)
    except Violation as violation:
        assert violation.code == 1002  # noqa: PT017
    else:
        assert header is None or header.whole >= 6


Ends = tuple[Screen, trio.SocketStream]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """A screen whose request has been read, and the peer."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream = SocketStream(ours, None, 10.0)
    screen = Screen(stream, b"request", b"", WireLimits())
    assert await screen.receive_some() == b"request"
    peer = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    yield screen, peer
    stream.close()
    await peer.aclose()


async def nothing_passes(screen: Screen) -> bool:
    with trio.move_on_after(0.02) as scope:
        await screen.receive_some()
    return scope.cancelled_caught


async def test_nothing_passes_before_the_upgrade_is_answered(ends: Ends) -> None:
    screen, peer = ends
    await peer.send_all(client_frame(TEXT, b"1"))
    assert await nothing_passes(screen)
    screen.next_message()
    assert await screen.receive_some() == client_frame(TEXT, b"1")


async def test_one_message_passes_at_a_time_with_the_pings_in_front_of_it(ends: Ends) -> None:
    screen, peer = ends
    screen.next_message()
    frames = [client_frame(PING, b"?"), client_frame(TEXT, b"1", is_final=False), client_frame(0, b"2")]
    await peer.send_all(b"".join(frames) + client_frame(TEXT, b"3"))
    assert [await screen.receive_some() for _ in frames] == frames
    assert await nothing_passes(screen)
    screen.next_message()
    assert await screen.receive_some() == client_frame(TEXT, b"3")


async def test_only_whole_frames_pass(ends: Ends) -> None:
    screen, peer = ends
    screen.next_message()
    frame = client_frame(TEXT, b"hello")
    for byte in frame[:-1]:
        await peer.send_all(bytes((byte,)))
        assert await nothing_passes(screen)
    await peer.send_all(frame[-1:])
    assert await screen.receive_some() == frame


async def test_after_our_close_only_the_peers_close_passes(ends: Ends) -> None:
    screen, peer = ends
    screen.part()
    close = client_frame(CLOSE, b"\x03\xe8")
    await peer.send_all(client_frame(TEXT, b"1") + client_frame(PING, b"") + client_frame(TEXT, b"2") + close)
    assert await screen.receive_some() == close


async def test_a_close_waits_for_what_is_still_to_be_sent(ends: Ends) -> None:
    screen, peer = ends
    settled = trio.Event()
    screen.settle = settled.wait
    screen.next_message()
    await peer.send_all(client_frame(CLOSE, b""))
    assert await nothing_passes(screen) is True


async def test_silence_counts_only_while_we_listen(ends: Ends) -> None:
    screen, peer = ends
    await trio.sleep(0.02)
    assert screen.silence() == 0
    screen.next_message()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.receive_some)
        await trio.sleep(0.05)
        assert screen.silence() >= 0.03
        await peer.send_all(client_frame(PONG, b""))
    assert screen.has_ponged
    assert screen.silence() == 0


def test_a_backend_that_does_not_run_adopts_nothing() -> None:
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours), contextlib.closing(theirs), pytest.raises(RuntimeError):
        TrioWebSocket(RecordingDoor(), {"ocpp": None}).adopt(ours, "peer", "ocpp")
