"""A server in a thread for one station of the load generator: as good or as bad as a test wants it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ANSWER = '{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}'
PING, PONG = b"\x89\x05hello", 0x8A
Reply = Callable[[int, str], bytes | None]  # the CALL's number, 0 is the BootNotification, and its id; None: hang up


def text_frame(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 2**16
    head = bytes((0x81, len(data))) if len(data) < 126 else bytes((0x81, 126)) + len(data).to_bytes(2)
    return head + data


def right_answer(message_id: str) -> bytes:
    return text_frame(f'[3,"{message_id}",{ANSWER}]')


def _serve(listener: socket.socket, reply: Reply, pongs: list[bytes]) -> None:
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(4096)
        connection.sendall(HEAD)
        with connection.makefile("rb") as stream:
            number = 0
            while message := _text(stream, pongs):
                answer = reply(number, message.split('"')[1])
                if answer is None:
                    return
                connection.sendall(answer)
                number += 1


def _text(stream: BufferedReader, pongs: list[bytes]) -> str:
    """The next masked text frame; empty at the end. Pongs are kept apart."""
    head = stream.read(2)
    if len(head) < 2:
        return ""
    length = head[1] & 127
    if length == 126:
        length = int.from_bytes(stream.read(2))
    key, masked = stream.read(4), stream.read(length)
    payload = bytes(byte ^ key[place % 4] for place, byte in enumerate(masked))
    if head[0] != PONG:
        return payload.decode()
    pongs.append(payload)
    return _text(stream, pongs)


@contextmanager
def serving(reply: Reply, pongs: list[bytes] | None = None) -> Iterator[int]:
    """Its port. It serves one connection; `pongs` are collected."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, reply, [] if pongs is None else pongs), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def stalling_at(number: int, seconds: float) -> Reply:
    """Answers rightly and at once, but that one CALL."""

    def reply(at: int, message_id: str) -> bytes:
        if at == number:
            time.sleep(seconds)
        return right_answer(message_id)

    return reply
