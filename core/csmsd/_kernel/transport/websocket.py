"""The server side of RFC 6455 without I/O: bytes in, events out; no extensions (WS-38).

What has arrived of a message is unmasked, checked and kept at once, so a message costs the same in one piece or in a
thousand, and never more memory than the limits allow.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
VIOLATION = -1
OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
FINAL, RESERVED = 0x80, 0x70
SPOKEN_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))  # RFC 6455 section 7.4.1 and its registry
PRIVATE_CODES = range(3000, 5000)
new_decoder = codecs.getincrementaldecoder("utf-8")


class Event(NamedTuple):
    """What a peer said. CLOSE and VIOLATION are the last event of a codec."""

    opcode: int  # TEXT, PING, PONG, CLOSE or VIOLATION
    payload: bytes  # of a TEXT: the whole message, valid UTF-8; of a CLOSE: empty, or code and reason; else as received
    code: int = 0  # of a CLOSE: what the peer said, 1005 for nothing; of a VIOLATION: what to answer
    reason: str = ""


class Violation(Exception):
    """The peer breaks the protocol or a limit: the close code that says so, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a server sends it: final, not masked."""
    size = len(payload)
    if size < 126:
        return bytes((FINAL | opcode, size)) + payload
    if size < 65536:
        return bytes((FINAL | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((FINAL | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; a reason that does not fit is cut between two characters."""
    cut = reason.encode()[:123].decode(errors="ignore")
    return frame(CLOSE, code.to_bytes(2, "big") + cut.encode())


def unmask(data: bytes, start: int, end: int, mask: bytes) -> bytes:
    """The payload data[start:end], whose first byte was masked with mask[0]."""
    size = end - start
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data[start:end], "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


class Message:
    """A message that has begun and is not complete."""

    __slots__ = ("decoder", "fragments", "is_last", "left", "mask", "payload")

    def __init__(self) -> None:
        self.payload = bytearray()
        self.fragments = 0
        self.left = 0  # bytes of the present frame that have not arrived
        self.mask = b""  # turned so that its first byte belongs to the next byte to arrive
        self.is_last = False  # the present frame is the final one
        self.decoder = new_decoder()

    def take(self, data: bytes, start: int, end: int) -> None:
        """Add data[start:end] of the present frame."""
        size = end - start
        piece = unmask(data, start, end, self.mask)
        turn = size & 3
        self.mask = self.mask[turn:] + self.mask[:turn]
        self.left -= size
        try:
            self.decoder.decode(piece, self.is_last and not self.left)
        except UnicodeDecodeError:
            raise Violation(1007, "text is not UTF-8") from None
        rest = self.decoder.getstate()[0]
        if rest[:1] == b"\xed" and rest[1:2] >= b"\xa0":  # a surrogate: Python would wait for its third byte
            raise Violation(1007, "text is not UTF-8")
        self.payload += piece


class Codec:
    """Frames of one connection, fed as they arrive."""

    __slots__ = ("_head", "_max_fragments", "_max_message", "_message", "frames", "is_over")

    def __init__(self, max_message: int = 1 << 20, max_fragments: int = 64) -> None:
        self.frames = 0  # begun so far, of any kind; `single` does not count
        self._head = b""  # of a frame: less than 14 bytes, or a control frame that is not complete
        self._message: Message | None = None
        self.is_over = False  # a close or a violation was the last event
        self._max_message = max_message
        self._max_fragments = max_fragments

    @property
    def is_between_frames(self) -> bool:
        """Nothing is missing: no message, no frame has begun."""
        return not self._head and self._message is None

    def single(self, data: bytes) -> bytes | None:
        """The one whole text message that `data` is, or None: use `feed`. It is what stations send, nearly always."""
        size = len(data)
        if size <= 6 or data[0] != FINAL | TEXT or self._head or self._message is not None or self.is_over:
            return None
        length = data[1] - 128
        if 0 <= length < 126:
            start = 6
        elif length == 126 and size >= 134:  # shorter ones would not be minimal
            start, length = 8, data[2] << 8 | data[3]
        else:
            return None
        if size != start + length or length > self._max_message:
            return None
        payload = unmask(data, start, size, data[start - 4 : start])
        return payload if payload.isascii() or is_utf8(payload) else None

    def feed(self, data: bytes) -> list[Event]:
        """Everything that is complete with these bytes, in order."""
        events: list[Event] = []
        if self.is_over:
            return events
        if self._head:
            data, self._head = self._head + data, b""
        position, size = 0, len(data)
        try:
            while position < size and not self.is_over:
                message = self._message
                if message is not None and message.left:
                    position = self._continue(message, data, position, events)
                else:
                    begun = self._begin(data, position, events)
                    if begun is None:
                        self._head = data[position:]
                        break
                    position = begun
        except Violation as violation:
            self._end()
            events.append(Event(VIOLATION, b"", violation.code, violation.reason))
        return events

    def _continue(self, message: Message, data: bytes, position: int, events: list[Event]) -> int:
        """Take what `data` has of the present frame from `position` on; the position after it."""
        end = min(len(data), position + message.left)
        message.take(data, position, end)
        if not message.left:
            self._finish_frame(message, events)
        return end

    def _begin(self, data: bytes, at: int, events: list[Event]) -> int | None:
        """Parse the head of a frame at `at`: the position after what was used, or None if more is needed."""
        available = len(data) - at
        if available < 2:
            return None
        first, length = data[at], data[at + 1] & 127
        self._judge_head(first, data[at + 1], length)
        start = at + 6
        if length >= 126:
            extra = 2 if length == 126 else 8
            if available < 2 + extra:
                return None
            start += extra
            shortest = 126 if length == 126 else 65536
            length = int.from_bytes(data[at + 2 : at + 2 + extra], "big")
            if length < shortest or length >> 63:
                raise Violation(1002, "length is not minimal")
        opcode, is_final = first & 15, first & FINAL != 0
        if opcode < CLOSE:
            self._judge_size(length)
        if len(data) < start or (opcode >= CLOSE and len(data) < start + length):
            return None
        self.frames += 1
        mask = data[start - 4 : start]
        if opcode >= CLOSE:
            events.append(self._control(opcode, unmask(data, start, start + length, mask)))
            return start + length
        message = self._message
        if message is None:
            if is_final and len(data) >= start + length:
                events.append(self._whole(unmask(data, start, start + length, mask)))
                return start + length
            message = self._message = Message()
        message.fragments += 1
        message.left, message.mask, message.is_last = length, mask, is_final
        return self._continue(message, data, start, events)

    def _judge_head(self, first: int, second: int, length: int) -> None:
        opcode = first & 15
        if first & RESERVED or opcode not in OPCODES:
            raise Violation(1002, "reserved bits or opcode")
        if second < 128:
            raise Violation(1002, "frame is not masked")
        if opcode >= CLOSE:
            if length > 125 or not first & FINAL:
                raise Violation(1002, "control frame is too long or fragmented")
        elif (opcode == CONTINUATION) != (self._message is not None):
            raise Violation(1002, "fragments are out of order")
        elif opcode == BINARY:
            raise Violation(1003, "OCPP-J is text")

    def _judge_size(self, length: int) -> None:
        message = self._message
        if message is not None:
            length += len(message.payload)
            if message.fragments >= self._max_fragments:
                raise Violation(1009, "message has too many fragments")
        if length > self._max_message:
            raise Violation(1009, "message is too long")

    def _whole(self, payload: bytes) -> Event:
        if not is_utf8(payload):
            raise Violation(1007, "text is not UTF-8")
        return Event(TEXT, payload)

    def _finish_frame(self, message: Message, events: list[Event]) -> None:
        if message.is_last:
            self._message = None
            events.append(Event(TEXT, bytes(message.payload)))

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode != CLOSE:
            return Event(opcode, payload)
        if not payload:
            self._end()
            return Event(CLOSE, payload, 1005)
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not (code in SPOKEN_CODES or code in PRIVATE_CODES):
            raise Violation(1002, "close code is invalid")
        try:
            reason = payload[2:].decode()
        except UnicodeDecodeError:
            raise Violation(1007, "close reason is not UTF-8") from None
        self._end()
        return Event(CLOSE, payload, code, reason)

    def _end(self) -> None:
        """What arrives after a close or a violation means nothing."""
        self.is_over = True
        self._message = None
        self._head = b""


def is_utf8(payload: bytes) -> bool:
    """Is it text? Surrogates and overlong forms are not."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
