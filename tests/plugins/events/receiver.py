"""Somebody who receives webhooks, on a real socket, and answers as a test likes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio


@dataclass
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def place(self) -> tuple[str, str]:
        return self.event["subject"], self.event["id"]


Answer = Callable[[Received], Awaitable[bytes]]


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"content-length: {len(body)}"]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


async def accept(_: Received) -> bytes:
    await trio.lowlevel.checkpoint()
    return answer(204)


@dataclass
class Receiver:
    """`answers` decides; b"" hangs up without an answer."""

    port: int
    is_tls: bool
    answers: Answer = accept
    received: list[Received] = field(default_factory=list)  # all requests
    taken: list[Received] = field(default_factory=list)  # those answered with 2xx
    connections: int = 0
    open_now: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://localhost:{self.port}/hook?for=csmsd"

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        try:
            while (request := await _read(stream)) is not None:
                self.received.append(request)
                self.open_now += 1
                self.most_open = max(self.most_open, self.open_now)
                try:
                    said = await self.answers(request)
                finally:
                    self.open_now -= 1
                if said.startswith(b"HTTP/1.1 2"):
                    self.taken.append(request)
                if not said:
                    break
                await stream.send_all(said)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def has_taken(self, count: int) -> None:
        with trio.fail_after(30):
            while len(self.taken) < count:  # noqa: ASYNC110
                await trio.sleep(0.01)

    async def has_received(self, count: int) -> None:
        with trio.fail_after(30):
            while len(self.received) < count:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def _read(stream: trio.abc.Stream) -> Received | None:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = await stream.receive_some(65_536)
        if not piece:
            return None
        data += piece
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = end + 4 + int(headers["content-length"])
    while len(data) < size:
        data += await stream.receive_some(65_536)
    return Received(first, headers, bytes(data[end + 4 : size]), trio.current_time())


@asynccontextmanager
async def open_receiver(answers: Answer = accept, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver, None]:
    """Listens on a port of its own."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listener.socket.getsockname()[1]
        receiver = Receiver(port, tls is not None, answers)

        async def handle(stream: trio.SocketStream) -> None:
            await receiver.serve(stream if tls is None else trio.SSLStream(stream, tls, server_side=True))

        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield receiver
        nursery.cancel_scope.cancel()


def is_signed(request: Received, secret: str) -> bool:
    """Checks it as Standard Webhooks says, independently of csmsd's own code."""
    key = base64.b64decode(secret.partition("_")[2])
    signed = b".".join(
        (request.headers["webhook-id"].encode(), request.headers["webhook-timestamp"].encode(), request.body)
    )
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in request.headers["webhook-signature"].split(" ")
