"""The strict HTTP/1.1 upgrade: one request in, one answer out, no I/O.

What a stranger sends is judged here before any library sees it, and nothing of it is ever echoed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from http import HTTPStatus

from csmsd._kernel.transport.link import SUBPROTOCOL
from csmsd.hookspecs import ConnectRequest

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
END = b"\r\n\r\n"
ONCE = frozenset(
    (b"authorization", b"content-length", b"host", b"sec-websocket-key", b"sec-websocket-version", b"user-agent")
)
REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) (HTTP/\d\.\d)")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TEXT = re.compile(rb"[\t -~]*")
HOST = re.compile(rb"[0-9A-Za-z._~%:\[\]-]+")
# A server must understand the absolute form too (RFC 9112 section 3.2.2).
TARGET = re.compile(rb"(?:(?:ws|http)s?://[^/?#]+)?(/[^#]*)", re.IGNORECASE)

PLAIN_WORDS = {
    400: f"Offer the WebSocket subprotocol {SUBPROTOCOL} (header Sec-WebSocket-Protocol).",
    401: "The identity and the credentials do not fit together.",
    403: "Not from here.",
    404: "No station lives at this path.",
    408: "The request did not arrive in time.",
    409: "Another connection of this station is alive.",
    429: "Too many attempts; try again later.",
    500: "The server failed to judge this request.",
    503: "The server cannot take stations at this moment; try again later.",
}


class BadUpgrade(Exception):
    """Not a WebSocket upgrade we accept: the HTTP status, and the reason in plain words without the peer's bytes."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status
        self.cause = cause
        self.target = ""  # what was asked for, if that much was legible (for the connection doctor)


def take_head(buffer: bytearray, max_bytes: int) -> bytes | None:
    """Remove the request's head from the front of `buffer`: what precedes the empty line; None if it is incomplete.

    Raises BadUpgrade as soon as the bytes cannot become one.
    """
    end = buffer.find(END, 0, max_bytes)
    if end >= 0:
        head = bytes(buffer[:end])
        del buffer[: end + len(END)]
        return head
    if buffer.startswith(b"\x16"):
        raise BadUpgrade(400, "This port does not speak TLS; use ws: or the TLS port.")
    if buffer and not TOKEN.match(buffer):
        raise BadUpgrade(400, "This is not an HTTP request.")
    if b"\n\n" in buffer:
        raise BadUpgrade(400, "Lines must end with CR LF.")
    if len(buffer) >= max_bytes:
        raise BadUpgrade(431, "The request's head is too long.")
    return None


def parse_upgrade(
    head: bytes,
    peer: str,
    listener: str = "ocpp",
    *,
    is_tls: bool = False,
    client_certificate: bytes | None = None,
    max_lines: int = 64,
) -> tuple[ConnectRequest, bytes]:
    """The request and its Sec-WebSocket-Key, from the bytes before the empty line; raises BadUpgrade (WS-01, WS-10)."""
    request_line, *lines = head.split(b"\r\n")
    target = _target(request_line)
    try:
        headers = _headers(lines, max_lines)
        _require_upgrade(headers)
        key = _key(headers)
        subprotocols = _tokens(headers, b"sec-websocket-protocol")
    except BadUpgrade as bad:
        bad.target = target
        raise
    request = ConnectRequest(
        target=target,
        authorization=headers.get(b"authorization"),
        subprotocols=tuple(map(bytes.decode, subprotocols)),
        peer=peer,
        listener=listener,
        is_tls=is_tls,
        client_certificate=client_certificate,
        user_agent=headers.get(b"user-agent", b"").decode(),
    )
    return request, key


def _target(request_line: bytes) -> str:
    """The path and query of the request, exactly as they came (WS-04)."""
    parts = REQUEST_LINE.fullmatch(request_line)
    if parts is None:
        raise BadUpgrade(400, "The request line is malformed.")
    method, target, version = parts.groups()
    if version != b"HTTP/1.1":
        raise BadUpgrade(505, "Use HTTP/1.1.")
    if method != b"GET":
        raise BadUpgrade(405, "Use GET.")
    path = TARGET.fullmatch(target)
    if path is None:
        raise BadUpgrade(400, "The request target is not a path.")
    return path[1].decode()


def _headers(lines: list[bytes], max_lines: int) -> dict[bytes, bytes]:
    """Lower-case names to values; several lines of one name are one comma-separated list (WS-10)."""
    if len(lines) > max_lines:
        raise BadUpgrade(431, "The request has too many header lines.")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise BadUpgrade(400, "Header lines must not be folded.")
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name):
            raise BadUpgrade(400, "A header line is malformed.")
        if not TEXT.fullmatch(value):
            raise BadUpgrade(400, "A header holds bytes that are not printable ASCII.")
        name, value = name.lower(), value.strip(b" \t")
        if name in headers:
            if name in ONCE:
                raise BadUpgrade(400, "A header that must be unique occurs twice.")
            value = headers[name] + b"," + value
        headers[name] = value
    return headers


def _require_upgrade(headers: dict[bytes, bytes]) -> None:
    """Raise unless these are the headers of a WebSocket upgrade without a body."""
    if not HOST.fullmatch(headers.get(b"host", b"")):
        raise BadUpgrade(400, "The header Host is missing or malformed.")
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        raise BadUpgrade(400, "An upgrade has no body.")
    if b"upgrade" not in headers and b"sec-websocket-key" not in headers:
        raise BadUpgrade(426, "This address speaks OCPP over WebSocket; it has no pages.")
    if b"websocket" not in map(bytes.lower, _tokens(headers, b"upgrade")):
        raise BadUpgrade(400, "The header 'Upgrade: websocket' is missing.")
    if b"upgrade" not in map(bytes.lower, _tokens(headers, b"connection")):
        raise BadUpgrade(400, "The header 'Connection: Upgrade' is missing.")
    version = headers.get(b"sec-websocket-version", b"")
    if version != b"13":
        raise BadUpgrade(426 if version else 400, "The header 'Sec-WebSocket-Version: 13' is missing.")


def _tokens(headers: dict[bytes, bytes], name: bytes) -> list[bytes]:
    """The elements of a list header; empty ones do not count."""
    tokens = [token for part in headers.get(name, b"").split(b",") if (token := part.strip(b" \t"))]
    if name == b"sec-websocket-protocol" and not all(map(TOKEN.fullmatch, tokens)):
        raise BadUpgrade(400, "The header Sec-WebSocket-Protocol is malformed.")
    return tokens


def _key(headers: dict[bytes, bytes]) -> bytes:
    key = headers.get(b"sec-websocket-key", b"")
    try:
        if len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16:
            return key
    except binascii.Error:
        pass
    raise BadUpgrade(400, "The header Sec-WebSocket-Key is missing or malformed.")


def switching_protocols(key: bytes, *, with_subprotocol: bool = True) -> bytes:
    """The 101 answer. No extension is ever agreed to (WS-38), so a compressed bomb cannot exist."""
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    if with_subprotocol:
        lines.append(b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode())
    return b"\r\n".join(lines) + END


def refusal(status: int, cause: str = "", *, retry_after: int = 0, realm: str = "csmsd") -> bytes:
    """An answer that is no upgrade. All with the same status and no `cause` are the same bytes (WS-14)."""
    phrase = HTTPStatus(status).phrase
    body = f"{cause or PLAIN_WORDS.get(status, phrase)}\n"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    if status == HTTPStatus.UNAUTHORIZED:
        quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'WWW-Authenticate: Basic realm="{quoted}"')
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET")
    elif status == HTTPStatus.UPGRADE_REQUIRED:
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    if retry_after:
        lines.append(f"Retry-After: {retry_after}")
    lines += [
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body.encode())}",
        "Connection: " + ("Upgrade, close" if status == HTTPStatus.UPGRADE_REQUIRED else "close"),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
