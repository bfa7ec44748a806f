"""A charger made of `trio-websocket` (on `wsproto`), with as much of OCPP-J as it takes."""

from __future__ import annotations

import base64
import json
import math
import os
import socket
import ssl
import struct
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

Payload = dict[str, Any]
Dial = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]
Outcome = trio.MemorySendChannel[list[Any]]


class CallError(Exception):
    """Csmsd answered CALLERROR."""


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def within_tls(
    stream: trio.SocketStream, host: str, root: str, certificate: str | None
) -> trio.SSLStream[trio.SocketStream]:
    context = ssl.create_default_context(cafile=root)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)


class Puppet:
    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._answers: dict[str, Payload | None] = {}  # None: stay silent
        self._waiting: dict[str, Outcome] = {}
        self._stream: trio.SocketStream | None = None
        self._websocket: WebSocketConnection | None = None

    async def connect(
        self, url: str, identity: str, password: str | None, subprotocols: list[str], tls: Payload | None
    ) -> Payload:
        address = urlsplit(url)
        headers = []
        if password is not None:
            token = base64.b64encode(f"{identity}:".encode() + bytes.fromhex(password))
            headers.append((b"Authorization", b"Basic " + token))
        self._stream = await trio.open_tcp_stream(address.hostname or "", address.port or 80)
        resource = f"{address.path}/{quote(identity, safe='')}"
        dial = partial(
            wrap_client_stream,
            stream=self._stream if tls is None else within_tls(self._stream, address.hostname or "", **tls),
            host=address.netloc,
            resource=resource,
            subprotocols=subprotocols,
            extra_headers=headers,
        )
        outcome: Payload = await self._nursery.start(self._converse, dial)
        return outcome

    async def call(self, action: str, payload: Payload) -> Payload:
        call_id = str(uuid.uuid4())
        self._waiting[call_id], answers = trio.open_memory_channel[list[Any]](math.inf)
        await self._send([2, call_id, action, payload])
        frame = await answers.receive()
        if frame[0] == 4:
            raise CallError(frame[2], frame[3])
        answer: Payload = frame[2]
        return answer

    async def answer(self, action: str, payload: Payload | None) -> None:
        self._answers[action] = payload

    async def drop(self) -> None:
        assert self._stream is not None
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)

    async def leave(self) -> None:
        assert self._websocket is not None
        await self._websocket.aclose()

    async def _send(self, frame: list[Any]) -> None:
        assert self._websocket is not None
        text = json.dumps(frame)
        tell(sent=text)
        await self._websocket.send_message(text)

    async def _converse(self, dial: Dial, task_status: trio.TaskStatus[Payload]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._websocket = await dial(nursery)
                task_status.started({"status": 101, "subprotocol": self._websocket.subprotocol})
                await self._listen(self._websocket)
        except* ConnectionRejected as refused:
            for each in refused.exceptions:
                assert isinstance(each, ConnectionRejected)
                task_status.started({"status": each.status_code})

    async def _listen(self, websocket: WebSocketConnection) -> None:
        try:
            while True:
                text = await websocket.get_message()
                tell(received=text)
                await self._react(json.loads(text))
        except ConnectionClosed as end:
            tell(closed=end.reason.code if end.reason else 1006, reason=(end.reason and end.reason.reason) or "")
        for waiting in self._waiting.values():
            waiting.close()
        self._waiting.clear()

    async def _react(self, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._waiting.pop(frame[1]).send_nowait(frame)
        elif frame[2] in self._answers:
            answer = self._answers[frame[2]]
            if answer is not None:
                await self._send([3, frame[1], answer])
        else:
            await self._send([4, frame[1], "NotImplemented", "", {}])


async def obey(puppet: Puppet, order: int, do: str, **details: Any) -> None:
    try:
        tell(order=order, result=await getattr(puppet, do)(**details))
    except CallError as error:
        tell(order=order, error=error.args[0], text=error.args[1])
    except Exception as error:  # whatever went wrong is for the test to see
        tell(order=order, error=type(error).__name__, text=str(error))


async def main() -> None:
    rest = b""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(os.dup(0)) as orders:
        puppet = Puppet(nursery)
        async for data in orders:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                nursery.start_soon(partial(obey, puppet, **json.loads(line)))


trio.run(main)
