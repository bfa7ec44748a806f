"""`wsproto` against both transports: what a WebSocket library can do that chargers seldom do."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from tests.interop.conftest import IDENTITY, PASSWORD, Csmsd


class Peer:
    """One connection of `wsproto`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream, self._protocol = stream, WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def upgrade(self, csmsd: Csmsd, **request: Any) -> Event:
        address = urlsplit(csmsd.url)
        token = base64.b64encode(f"{IDENTITY}:".encode() + PASSWORD)
        target = f"{address.path}/{quote(IDENTITY, safe='')}"
        headers = [(b"Authorization", b"Basic " + token)]
        await self.send(Request(host=address.netloc, target=target, extra_headers=headers, **request))
        return await self.receive()

    async def send(self, event: Event) -> None:
        await self._stream.send_all(self._protocol.send(event))

    async def break_off(self, event: Event) -> None:
        """Send the first half, and reset the line."""
        data = self._protocol.send(event)
        await self._stream.send_all(data[: len(data) // 2])
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)

    async def receive(self) -> Event:
        with trio.fail_after(20):
            while not self._events:
                self._protocol.receive_data(await self._stream.receive_some() or None)
                self._events.extend(self._protocol.events())
        return self._events.pop(0)

    async def receive_message(self) -> Any:
        """One whole text message, as JSON."""
        text = ""
        while True:
            event = await self.receive()
            assert isinstance(event, TextMessage)
            text += event.data
            if event.message_finished:
                return json.loads(text)


@asynccontextmanager
async def dial(csmsd: Csmsd) -> AsyncIterator[Peer]:
    address = urlsplit(csmsd.url)
    async with await trio.open_tcp_stream(address.hostname or "", address.port or 0) as stream:
        yield Peer(stream)


@asynccontextmanager
async def connected(csmsd: Csmsd, **request: Any) -> AsyncIterator[Peer]:
    async with dial(csmsd) as peer:
        answer = await peer.upgrade(csmsd, subprotocols=["ocpp1.6"], **request)
        assert isinstance(answer, AcceptConnection)
        assert answer.subprotocol == "ocpp1.6"
        yield peer


@pytest.mark.req("WS-12", "WS-13")
async def test_a_client_that_names_no_subprotocol_is_refused(csmsd: Csmsd) -> None:
    async with dial(csmsd) as peer:
        answer = await peer.upgrade(csmsd)
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == 400


@pytest.mark.req("WS-32", "WS-36")
async def test_a_message_may_come_in_fragments_with_a_ping_in_between(csmsd: Csmsd) -> None:
    async with connected(csmsd) as peer:
        for fragment in ('[2,"1","Heart', "", 'beat"'):
            await peer.send(TextMessage(fragment, message_finished=False))
        await peer.send(Ping(b"still there?"))
        await peer.send(TextMessage(",{}]"))
        pong = await peer.receive()
        assert isinstance(pong, Pong)
        assert bytes(pong.payload) == b"still there?"
        assert (await peer.receive_message())[:2] == [3, "1"]


@pytest.mark.req("WS-36", "CORE-11")
async def test_a_message_of_a_mebibyte_is_processed(csmsd: Csmsd) -> None:
    async with connected(csmsd) as peer:
        frame = [2, "1", "DataTransfer", {"vendorId": "com.acme", "messageId": "GetTariff", "data": "x" * 1_040_000}]
        await peer.send(TextMessage(json.dumps(frame)))
        answer = await peer.receive_message()
        assert answer[2] == {"status": "Accepted", "data": f"{IDENTITY}: {'x' * 1_040_000}"}
        await peer.send(TextMessage("x" * 1_100_000))
        closed = await peer.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009


@pytest.mark.req("WS-38")
async def test_an_offer_of_compression_does_no_harm(csmsd: Csmsd) -> None:
    async with connected(csmsd, extensions=[PerMessageDeflate()]) as peer:
        await peer.send(TextMessage('[2,"1","Heartbeat",{}]'))
        assert (await peer.receive_message())[:2] == [3, "1"]


@pytest.mark.req("WS-37")
async def test_binary_messages_are_not_taken_for_messages(csmsd: Csmsd) -> None:
    async with connected(csmsd) as peer:
        await peer.send(BytesMessage(b'[2,"1","Heartbeat",{}]'))
        await peer.send(TextMessage('[2,"2","Heartbeat",{}]'))
        event = await peer.receive()
        if isinstance(event, CloseConnection):
            assert event.code == 1003
        else:
            assert isinstance(event, TextMessage)
            assert json.loads(event.data)[1] == "2"


@pytest.mark.req("WS-34", "WS-30")
async def test_a_line_that_breaks_within_a_message_does_no_harm(csmsd: Csmsd) -> None:
    for _ in range(5):
        async with connected(csmsd) as peer:
            await peer.break_off(TextMessage('[2,"1","DataTransfer",{"vendorId":"' + "x" * 50_000 + '"}]'))
    async with connected(csmsd) as peer:
        await peer.send(TextMessage('[2,"1","Heartbeat",{}]'))
        assert (await peer.receive_message())[:2] == [3, "1"]


@pytest.mark.req("WS-01")
async def test_a_goodbye_is_answered_with_the_same_code(csmsd: Csmsd) -> None:
    async with connected(csmsd) as peer:
        await peer.send(CloseConnection(code=1000, reason="good night"))
        closed = await peer.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1000
