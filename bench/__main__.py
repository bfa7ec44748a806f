"""How much, how fast: `python -m bench [--stations 200] [--seconds 10] [--transport auto] [--database URL]`.

A csmsd in a process of its own on an empty database; stations on real sockets in this one. Each station starts a
transaction, sends meter values and heartbeats one after the other without pause, and stops. Both processes share the
machine, so the figures are a floor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio_websocket

MOMENT = "2026-01-31T12:00:00.000Z"
Latencies = dict[str, list[float]]


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--transport", default="auto")
    parser.add_argument("--database", default="", help="postgresql://…; empty = SQLite")
    return parser.parse_args()


@asynccontextmanager
async def running_csmsd(options: argparse.Namespace, folder: Path) -> AsyncGenerator[str, None]:
    """Start csmsd, yield the URL for stations, end it."""
    command = [str(Path(sys.executable).parent / "csmsd"), "run", "--data-dir", str(folder), "--plugins", "core"]
    command += ["--listen-ocpp", "127.0.0.1:0", "--listen-http", "", "--transport", options.transport]
    command += ["--access-authentication", "none", "--access-unknown-stations", "register", "--log-level", "error"]
    if options.database:
        command += ["--store-url", options.database]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        text = b""
        while not (found := re.search(rb"(ws://\S+)/<station id>", text)):
            text += await process.stdout.receive_some() or sys.exit("csmsd did not start")
        yield found[1].decode()
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


async def charge(url: str, identity: str, until: float, latencies: Latencies) -> None:
    """One station's day."""
    async with trio_websocket.open_websocket_url(f"{url}/{identity}", subprotocols=["ocpp1.6"]) as socket:
        count = 0

        async def call(action: str, payload: dict[str, Any]) -> dict[str, Any]:
            nonlocal count
            count += 1
            sent = trio.current_time()
            await socket.send_message(json.dumps([2, str(count), action, payload]))
            answer = json.loads(await socket.get_message())
            if answer[0] != 3:
                sys.exit(f"{action}: {answer}")
            latencies[action].append(trio.current_time() - sent)
            result: dict[str, Any] = answer[2]
            return result

        start = {"connectorId": 1, "idTag": "BENCH", "meterStart": 0, "timestamp": MOMENT}
        transaction = (await call("StartTransaction", start))["transactionId"]
        while trio.current_time() < until:
            moment = f"2026-01-31T{count // 3600 % 24:02}:{count // 60 % 60:02}:{count % 60:02}Z"
            values = [{"timestamp": moment, "sampledValue": [{"value": str(count)}]}]
            await call("MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": values})
            await call("Heartbeat", {})
        await call("StopTransaction", {"transactionId": transaction, "meterStop": count, "timestamp": MOMENT})


def report(latencies: Latencies, seconds: float) -> Sequence[str]:
    """A table: calls per second, and latencies in milliseconds."""
    lines = [f"{'action':20}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"]
    for action, values in latencies.items():
        ordered = sorted(1000 * value for value in values)
        figures = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
        lines.append(f"{action:20}{len(ordered) / seconds:10.0f}" + "".join(f"{figure:10.1f}" for figure in figures))
    return lines


async def main(options: argparse.Namespace) -> None:
    """Run it and print the table."""
    latencies: Latencies = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        async with running_csmsd(options, Path(folder)) as url, trio.open_nursery() as nursery:
            until = trio.current_time() + options.seconds
            for number in range(options.stations):
                nursery.start_soon(charge, url, f"BENCH-{os.getpid()}-{number}", until, latencies)
    print("\n".join(report(latencies, options.seconds)))


if __name__ == "__main__":
    trio.run(main, arguments())
