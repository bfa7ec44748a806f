"""A real `csmsd run` in a process of its own, and the command line against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from csmsd.cli.main import Commands, csmsd

PATIENCE = 30.0  # seconds, for things that take milliseconds


@dataclass
class Server:
    """One `csmsd run`."""

    folder: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def ocpp_url(self) -> str:
        line = next(line for line in self.lines if "stations " in line)
        return line.split()[1].removesuffix("/<station")

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CSMSD_URL": (self.data_dir / "http.url").read_text().strip(),
            "CSMSD_TOKEN": (self.data_dir / "admin.token").read_text().strip(),
        }

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what was logged."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, log


def clean_environ(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CSMSD_")} | more


def launch(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start `csmsd` with arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "csmsd", *arguments],
        cwd=folder,
        env=clean_environ(PYTHONUNBUFFERED="1", **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(folder: Path, *arguments: str) -> Server:
    """Start `csmsd run` on free ports, and wait until it is up."""
    process = launch(folder, "run", "--listen-ocpp=127.0.0.1:0", "--listen-http=127.0.0.1:0", *arguments)
    server = Server(folder, process)
    assert process.stdout is not None
    for line in process.stdout:
        server.lines.append(line.rstrip("\n"))
        if line.lstrip().startswith("next "):
            return server
    _, log = process.communicate(timeout=PATIENCE)
    pytest.fail(f"csmsd did not start: {log}")


def close(server: Server) -> None:
    if server.process.poll() is None:
        server.process.kill()
    with server.process:  # closes the pipes, too
        pass


@pytest.fixture
def run_csmsd(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def run(*arguments: str) -> Server:
        servers.append(start(tmp_path, *arguments))
        return servers[-1]

    yield run
    for server in servers:
        close(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    one = start(tmp_path_factory.mktemp("server"), "--limits-call-timeout=0.3", "--access-authentication=optional")
    yield one
    close(one)


Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in this process, in an empty folder, without settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CSMSD_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)

    def invoke(*arguments: str, stdin: str | None = None, environ: Mapping[str, str] | None = None) -> Result:
        assert isinstance(csmsd, Commands)
        csmsd.forget_plugins()
        return CliRunner().invoke(csmsd, arguments, input=stdin, env=dict(environ or {}), prog_name="csmsd")

    return invoke


@pytest.fixture
def remote(cli: Cli, server: Server) -> Cli:
    """The command line against the running server."""

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return cli(*arguments, stdin=stdin, environ=server.environ)

    return invoke


class Charger:
    """A station in a thread: answers every CALL by `answers`, a payload or a CALLERROR code by action."""

    def __init__(self, url: str, answers: Mapping[str, Any]) -> None:
        self.answers: dict[str, Any] = dict(answers)
        self.calls: list[tuple[str, Any]] = []
        self.closed_with: int | None = None
        self._stack = ExitStack()
        self._socket: ClientConnection = self._stack.enter_context(connect(url, subprotocols=[Subprotocol("ocpp1.6")]))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            for frame in self._socket:
                type_, call_id, *rest = msgspec.json.decode(frame)
                if type_ == 2:
                    self._answer(call_id, *rest)
        except ConnectionClosed:
            pass
        self.closed_with = self._socket.close_code

    def _answer(self, call_id: str, action: str, payload: Any) -> None:
        self.calls.append((action, payload))
        answer = self.answers.get(action)
        if isinstance(answer, str):
            self._socket.send(msgspec.json.encode([4, call_id, answer, "so it is", {}]).decode())
        elif answer is not None:
            self._socket.send(msgspec.json.encode([3, call_id, answer]).decode())

    def call(self, action: str, payload: Any) -> None:
        """Send a CALL; its answer is not looked at."""
        self._socket.send(msgspec.json.encode([2, f"{action}-{time.monotonic_ns()}", action, payload]).decode())

    def wait_closed(self) -> int | None:
        self._thread.join(PATIENCE)
        return self.closed_with

    def close(self) -> None:
        self._stack.close()
        self._thread.join(PATIENCE)


@pytest.fixture
def charger() -> Iterator[Callable[..., Charger]]:
    """Connect chargers that leave with the test."""
    chargers: list[Charger] = []

    def make(url: str, **answers: Any) -> Charger:
        chargers.append(Charger(url, answers))
        return chargers[-1]

    yield make
    for one in chargers:
        one.close()


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.02)
