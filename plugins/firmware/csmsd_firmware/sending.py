"""A file over HTTP: ETag, Range, HEAD; read in pieces, and no further than the other side takes (FW-09)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from csmsd_firmware.ranges import Part, Unsatisfiable, wanted_part

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

PIECE = 262_144  # bytes
Headers = list[tuple[bytes, bytes]]
NOTHING: Mapping[bytes, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that is offered for download, under a name that csmsd has chosen."""

    path: Path
    size: int
    sha256: str
    file_name: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD."""
        asked = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        etag = f'"{self.sha256}"'
        headers = self._headers(etag)
        if _names(asked.get("if-none-match"), etag):
            await send_plain(send, 304, headers)
            return
        is_same = asked.get("if-range", etag).strip() == etag
        try:
            part = wanted_part(asked.get("range"), self.size) if is_same and method_of(scope) == "GET" else None
        except Unsatisfiable:
            await send_plain(send, 416, [*headers, (b"content-range", b"bytes */%d" % self.size)])
            return
        status = 200 if part is None else 206
        if part is not None:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (part.first, part.last, self.size)))
        part = part or Part(0, self.size - 1)
        headers.append((b"content-length", b"%d" % part.length))
        if method_of(scope) == "HEAD":
            await send_plain(send, status, headers, with_length=False)
        else:
            await self._send_part(part, status, headers, receive, send)

    def _headers(self, etag: str) -> Headers:
        return [
            (b"content-type", b"application/octet-stream"),
            (b"content-disposition", f'attachment; filename="{self.file_name}"'.encode()),
            (b"accept-ranges", b"bytes"),
            (b"etag", etag.encode()),
        ]

    async def _send_part(self, part: Part, status: int, headers: Headers, receive: Receive, send: Send) -> None:
        async with await trio.open_file(self.path, "rb") as file:
            await _send(send, {"type": "http.response.start", "status": status, "headers": headers})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
                await file.seek(part.first)
                left = part.length
                while left and (piece := await file.read(min(PIECE, left))):
                    left -= len(piece)
                    await _send(send, {"type": "http.response.body", "body": piece, "more_body": True})
                nursery.cancel_scope.cancel()
        if not left:
            await _send(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def send_plain(send: Send, status: int, headers: Headers, body: bytes = b"", *, with_length: bool = True) -> None:
    """A short answer."""
    length = [(b"content-length", b"%d" % len(body))] if with_length and status != 304 else []
    await _send(send, {"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await _send(send, {"type": "http.response.body", "body": body, "more_body": False})


async def send_problem(send: Send, status: int, kind: str, detail: str, more: Mapping[bytes, bytes] = NOTHING) -> None:
    """A refusal as problem+json (RFC 9457)."""
    body = {"type": f"urn:csmsd:{kind}", "status": status, "title": kind.replace("-", " "), "detail": detail}
    headers = [(b"content-type", b"application/problem+json"), *more.items()]
    await send_plain(send, status, headers, msgspec.json.encode(body))


def method_of(scope: Scope) -> str:
    """GET, HEAD, PUT …; only HTTP comes here."""
    plain: Any = scope
    return str(plain["method"])


def _names(header: str | None, etag: str) -> bool:
    return header is not None and (header.strip() == "*" or etag in {each.strip() for each in header.split(",")})


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return


async def _send(send: Send, message: Any) -> None:
    await send(message)
