"""The program as an operator starts it, in a process of its own, and a charger that lives through its end."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.interop.conftest import IDENTITY, OpenCharger
from tests.interop.routine import boot, now

OPEN = ("--access-authentication", "none", "--access-unknown-stations", "register")


@asynccontextmanager
async def program(transport: str, data_dir: Path, end: signal.Signals) -> AsyncIterator[str]:
    """Run `csmsd run`, in the end with this signal: where stations connect."""
    place = ("--plugins", "core", "--data-dir", str(data_dir), "--listen-ocpp", "127.0.0.1:0", "--listen-http", "")
    command = (sys.executable, "-m", "csmsd", "run", "--transport", transport, *place, *OPEN)
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False, cwd=data_dir)
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        said = b""
        with trio.fail_after(30):
            while (found := re.search(rb"(ws://\S+/ocpp)/", said)) is None:
                data = await process.stdout.receive_some()
                assert data, "csmsd has ended"
                said += data
        yield found[1].decode()
        process.send_signal(end)
        with trio.fail_after(30):
            assert await process.wait() == (0 if end == signal.SIGTERM else -end)


@pytest.mark.req("TX-04", "TX-05", "WS-31", "WS-39", "BOOT-10")
@pytest.mark.parametrize("client", ["ocpp"], indirect=True)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_answered_is_known_to_the_next_csmsd(
    transport: str, tmp_path: Path, switch_on: OpenCharger, end: signal.Signals
) -> None:
    charger = await switch_on(IDENTITY)
    request = {"connectorId": 1, "idTag": "nobody", "meterStart": 7, "timestamp": now()}
    async with program(transport, tmp_path, end) as url:
        assert await charger.connect(url) == 101
        await boot(charger)
        answer = await charger.call("StartTransaction", **request)
    code, _ = await charger.closed()
    assert code == (1001 if end == signal.SIGTERM else 1006)
    async with program(transport, tmp_path, signal.SIGTERM) as url:
        assert await charger.connect(url) == 101
        assert await charger.call("StartTransaction", **request) == answer
    with closing(sqlite3.connect(tmp_path / "csmsd.db")) as database:
        rows = database.execute("SELECT id, station_id, meter_start FROM core_transaction").fetchall()
    assert rows == [(answer["transactionId"], IDENTITY, 7)]
