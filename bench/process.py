"""A server as a process of its own: started, waited for, stopped."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.generator import pinned
from bench.prepare import PASSWORD
from bench.servers import Place, Server

ROOT = Path(__file__).parent.parent
_CREDENTIALS = b64encode(f"CP00000:{PASSWORD}".encode()).decode()


class ServerFailedError(Exception):
    """A server does not start: says what it printed."""


@contextmanager
def running(server: Server, place: Place, core: int | None, node_packages: Path | None) -> Iterator[tuple[int, float]]:
    """The server's process id, and the seconds from its start until it let the first station in."""
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    if node_packages is not None:
        environment["NODE_PATH"] = str(node_packages)
    with tempfile.TemporaryFile() as printed:
        begin = time.perf_counter()
        process = subprocess.Popen(
            pinned(list(server.command(place)), core),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )
        try:
            while not _lets_in(place):
                if process.poll() is not None or time.perf_counter() - begin > 60:
                    printed.seek(0)
                    text = printed.read().decode(errors="replace")[-2000:]
                    raise ServerFailedError(f"{server.name} does not let stations in:\n{text}")
            yield process.pid, time.perf_counter() - begin
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _lets_in(place: Place) -> bool:
    """Try to connect as the first station, and leave again. A raw echo tells us our own words."""
    head = (
        f"GET /ocpp/CP00000 HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {_CREDENTIALS}\r\n\r\n"
    )
    try:
        with _connected(place) as connection:
            connection.sendall(head.encode())
            if connection.recv(12) in {b"HTTP/1.1 101", head[:12].encode()}:
                return True
    except OSError:
        pass
    time.sleep(0.005)
    return False


def _connected(place: Place) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", place.port), 10)
    if place.certificate is None:
        return connection
    try:
        context = ssl.create_default_context(cafile=place.certificate.chain)
        return context.wrap_socket(connection, server_hostname="localhost")
    except OSError:
        connection.close()
        raise
