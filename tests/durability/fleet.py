"""Simulated stations that charge for ever, and keep every message until it is answered, as real ones do."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from tests.durability.wire import ConnectionLost, Wire, connect

PATIENCE = 5.0  # seconds for an answer, then the line is taken for dead
Message = tuple[str, dict[str, Any]]


@dataclass
class WireLog:
    """What has passed on the wires, as the stations saw it: one JSON object a line."""

    lines: list[str] = field(default_factory=list[str])

    def note(self, station_id: str, line: int, direction: str, message: bytes) -> None:
        """One message; `line` tells the connections of a station apart."""
        frame = json.loads(message)
        self.lines.append(json.dumps({"station": station_id, "line": line, "direction": direction, "frame": frame}))

    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines) + "\n"


class Station:
    """One connector, one driver after the other. Its clock goes a second for each message: no two are alike."""

    def __init__(self, station_id: str, port: int, log: WireLog, chance: random.Random) -> None:
        self.id, self._port, self._log, self._chance = station_id, port, log, chance
        self._clock = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        self._register = chance.randrange(1_000_000)
        self._ids = itertools.count()
        self._lines = itertools.count()
        self._wire: Wire | None = None
        self._line = 0
        self.id_tag = f"TAG-{station_id}"
        self.answered = 0
        self.sent = 0
        self.seconds: list[tuple[float, float]] = []  # when each answer came, and how long it took

    async def run(self, think: float, is_over: Callable[[], bool]) -> None:
        """Charge until it is over; the last transaction is finished."""
        while not is_over():
            await self._charge(think, is_over)
        if self._wire is not None:
            await self._wire.aclose()

    async def _charge(self, think: float, is_over: Callable[[], bool]) -> None:
        start = {"connectorId": 1, "idTag": self.id_tag, "meterStart": self._register, "timestamp": self._now()}
        answer = await self._deliver(("StartTransaction", start))
        transaction_id = answer["transactionId"]
        for _ in range(self._chance.randrange(1, 6)):
            if is_over():
                break
            await trio.sleep(self._chance.uniform(0, 2 * think))
            await self._deliver(("MeterValues", self._sample(transaction_id)))
        stop = {"transactionId": transaction_id, "meterStop": self._register, "timestamp": self._now()}
        await self._deliver(("StopTransaction", stop))

    def _now(self) -> str:
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _sample(self, transaction_id: int) -> dict[str, Any]:
        self._register += self._chance.randrange(1, 500)
        sampled = [{"value": str(self._register)}]
        values = [{"timestamp": self._now(), "sampledValue": sampled}]
        return {"connectorId": 1, "transactionId": transaction_id, "meterValue": values}

    async def _deliver(self, message: Message) -> dict[str, Any]:
        """Send it again and again, with a new id, over a new connection if need be, until it is answered."""
        while True:
            try:
                with trio.fail_after(PATIENCE):
                    answer = await self._attempt(message)
                self.answered += 1
                return answer
            except (ConnectionLost, trio.TooSlowError):
                if self._wire is not None:
                    await self._wire.aclose()
                    self._wire = None
                await trio.sleep(self._chance.uniform(0.05, 0.5))

    async def _attempt(self, message: Message) -> dict[str, Any]:
        if self._wire is None:
            self._wire = await connect(self._port, self.id)
            self._line = next(self._lines)
        call_id = f"{next(self._ids)}"
        request = json.dumps([2, call_id, *message]).encode()
        self._log.note(self.id, self._line, "sent", request)
        self.sent += 1
        begun = time.monotonic()
        await self._wire.send(request)
        while True:
            received = await self._wire.receive()
            self._log.note(self.id, self._line, "received", received)
            frame = json.loads(received)
            if frame[0] == 3 and frame[1] == call_id:
                answer: dict[str, Any] = frame[2]
                self.seconds.append((time.monotonic(), time.monotonic() - begun))
                return answer
            if frame[0] == 4 and frame[1] == call_id:
                raise AssertionError(f"{self.id} was refused: {request!r} {frame}")
