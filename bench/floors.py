"""What no server can go below: a raw echo of the kernel's, and the rate at which the disk makes bytes safe."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.generator import Programs
from bench.servers import Server

ECHO, DISK = "echo", "disk"
ECHO_BYTES = 200  # a CALL and its answer are 60 to 600
_PAGE = bytes(4096)  # what SQLite appends to its log, at least


def echo_server(programs: Programs) -> Server:
    """One thread, one epoll, no WebSocket."""
    return Server("raw echo", "native/rawecho.c", lambda place: (str(programs.rawecho), str(place.port)))


def syncs_per_second(folder: Path, seconds: float) -> float:
    """How often a second a page appended to a file can be made safe there, one after the other."""
    path = folder / "fsync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            os.write(descriptor, _PAGE)
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return count / elapsed
