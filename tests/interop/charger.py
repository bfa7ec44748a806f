"""A charger that consists of somebody else's software, in a process of its own, led by lines of JSON.

Orders go to its standard input: `connect`, `call`, `answer` (how to answer commands from now on), `drop` (the line
breaks), `leave` (a proper close). It tells the outcome of each order and all that passes on the wire.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.interop.oracle import CALL, Oracle

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds, for anything; the machine may be busy
Payload = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """Somebody else's software: how it is started."""

    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: whom the charger trusts; its own certificate and key, if it shows one."""

    root: Path
    certificate: Path | None = None


def python_client(module: str) -> Client:
    return Client((sys.executable, "-m", f"tests.interop.clients.{module}"), {})


def node_client(script: str, node: Path, modules: Path) -> Client:
    return Client((str(node), str(Path(__file__).parent / "clients" / script)), {"NODE_PATH": str(modules)})


class CallError(Exception):
    """Csmsd answered CALLERROR, or not at all; `code` says which."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Charger:
    """The reins of one charger."""

    def __init__(self, identity: str, process: trio.Process, oracle: Oracle) -> None:
        self.identity, self.oracle = identity, oracle
        self.subprotocol: str | None = None
        self._process = process
        self._orders = 0
        self._outcomes: dict[int, Payload] = {}
        self._commands: list[tuple[str, Payload]] = []
        self._closed: list[tuple[int, str]] = []
        self._last_sent = ""
        self._has_ended = False
        self._changed = trio.Condition()

    async def connect(
        self,
        url: str,
        password: bytes | None = None,
        subprotocols: Sequence[str] = ("ocpp1.6",),
        tls: TlsFiles | None = None,
    ) -> int:
        """The HTTP status of the answer; 101 means connected. `tls` is needed for wss://."""
        outcome = await self._order(
            "connect",
            url=url,
            identity=self.identity,
            password=None if password is None else password.hex(),
            subprotocols=subprotocols,
            tls=None
            if tls is None
            else {"root": str(tls.root), "certificate": tls.certificate and str(tls.certificate)},
        )
        self.subprotocol = outcome.get("subprotocol")
        status: int = outcome["status"]
        return status

    async def call(self, action: str, **payload: Any) -> Payload:
        """The payload of the answer; CallError."""
        answer: Payload = await self._order("call", action=action, payload=payload)
        return answer

    async def call_unheard(self, action: str, **payload: Any) -> None:
        """Send a CALL whose answer nobody waits for."""
        await self._send_order("call", action=action, payload=payload)
        await self._wait(lambda: self._last_sent == action)

    async def will_answer(self, action: str, **payload: Any) -> None:
        """Answer commands of this name with this payload from now on."""
        await self._order("answer", action=action, payload=payload)

    async def will_keep_silent(self, action: str) -> None:
        """Leave commands of this name without an answer from now on."""
        await self._order("answer", action=action, payload=None)

    async def command(self, action: str) -> Payload:
        """The payload of the next command of this name, also of one that has come already."""
        found = await self._wait(lambda: next((each for each in self._commands if each[0] == action), None))
        self._commands.remove(found)
        payload: Payload = found[1]
        return payload

    async def closed(self) -> tuple[int, str]:
        """Code and reason of a close that csmsd began; 1006 for a line that broke."""
        await self._wait(lambda: self._closed)
        return self._closed.pop(0)

    async def drop(self) -> None:
        """The line breaks."""
        await self._order("drop")
        await self.closed()

    async def leave(self) -> tuple[int, str]:
        """Say goodbye; the code and reason that csmsd answered."""
        await self._order("leave")
        return await self.closed()

    async def listen(self, task_status: trio.TaskStatus[None]) -> None:
        """Take in what the charger tells, until it ends."""
        assert self._process.stdout is not None
        rest = b""
        task_status.started()
        async for data in self._process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            async with self._changed:
                for line in lines:
                    self._take(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _take(self, line: Payload) -> None:
        match line:
            case {"order": number}:
                self._outcomes[number] = line
            case {"sent": text}:
                self.oracle.said(text)
                frame = json.loads(text)
                self._last_sent = frame[2] if frame[0] == CALL else ""
            case {"received": text}:
                self.oracle.heard(text)
                frame = json.loads(text)
                if frame[0] == CALL:
                    self._commands.append((frame[2], frame[3]))
            case {"complaint": text}:
                self.oracle.complaints.append(text)
            case {"closed": code, "reason": reason}:
                self._closed.append((code, reason))
            case _:
                raise AssertionError(line)

    async def _order(self, do: str, **details: Any) -> Any:
        number = await self._send_order(do, **details)
        await self._wait(lambda: number in self._outcomes)
        outcome = self._outcomes.pop(number)
        if "error" in outcome:
            raise CallError(outcome["error"], outcome["text"])
        return outcome["result"]

    async def _send_order(self, do: str, **details: Any) -> int:
        assert self._process.stdin is not None
        self._orders += 1
        order = {"order": self._orders, "do": do, **details}
        await self._process.stdin.send_all(json.dumps(order).encode() + b"\n")
        return self._orders

    async def _wait(self, condition: Callable[[], Any]) -> Any:
        with trio.fail_after(PATIENCE):
            async with self._changed:
                while not (found := condition()):
                    assert not self._has_ended, f"the charger {self.identity} has ended"
                    await self._changed.wait()
                return found


async def start_charger(nursery: trio.Nursery, client: Client, identity: str, oracle: Oracle) -> Charger:
    """Switch on a charger; it goes off with the nursery."""
    process: trio.Process = await nursery.start(_run, client)
    charger = Charger(identity, process, oracle)
    await nursery.start(charger.listen)
    return charger


async def _run(client: Client, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        client.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        check=False,
        cwd=ROOT,
        env={**os.environ, **client.environment},
        task_status=task_status,
    )
