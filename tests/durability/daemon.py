"""A real csmsd in a process of its own, which can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from tests.durability.wire import ConnectionLost, connect

PATIENCE = 30.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Daemon:
    """Started, killed and started again on the same port and the same data."""

    def __init__(
        self,
        folder: Path,
        port: int,
        program: Sequence[str] = (sys.executable, "-m", "csmsd"),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.port = folder, port
        self._program, self._settings = program, settings or {}
        self.database = folder / "csmsd.db"
        self.starts: list[float] = []  # seconds from the start of the process to the first station
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start the process; it may take a while until it serves."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CSMSD_")},
            "CSMSD_DATA_DIR": str(self.folder),
            "CSMSD_PLUGINS": "core",
            "CSMSD_TRANSPORT": "reactor",
            "CSMSD_LOG_LEVEL": "warning",
            "CSMSD_LISTEN_OCPP": f"127.0.0.1:{self.port}",
            "CSMSD_LISTEN_HTTP": "",
            "CSMSD_ACCESS_AUTHENTICATION": "none",
            "CSMSD_ACCESS_UNKNOWN_STATIONS": "register",
            **self._settings,
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen[bytes](
                [*self._program, "run"], env=environment, cwd=self.folder, stdout=log, stderr=log
            )

    async def start(self) -> None:
        """Start the process; return when a station is let in."""
        started = time.monotonic()
        self.spawn()
        assert self._process is not None
        while True:
            assert self._process.poll() is None, self.log
            assert time.monotonic() - started < PATIENCE, self.log
            try:
                wire = await connect(self.port, "FIRST")
            except ConnectionLost:
                await trio.sleep(0.02)
            else:
                await wire.aclose()
                self.starts.append(time.monotonic() - started)
                return

    def kill(self) -> None:
        """SIGKILL: no farewell, nothing is flushed. No effect on one that has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(PATIENCE) == 0, self.log

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text()
