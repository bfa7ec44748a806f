"""Nothing acknowledged is lost: csmsd is killed at random moments under 200 stations, and its books are audited."""

from __future__ import annotations

import faulthandler
import os
import random
import statistics
import sys
from pathlib import Path

import pytest
import trio

from tests.durability import auditor
from tests.durability.daemon import Daemon, free_port
from tests.durability.fleet import Station, WireLog

STATIONS = 200
THINK = 0.4  # seconds between messages of a station, on average
DIES_STARTING = 0.2  # of the starts after a kill end in another kill
START_UP = 3.0  # seconds


async def campaign(folder: Path, kills: int, seed: int, stations: int = STATIONS) -> Daemon:
    """Run it; then the auditor, as a program of its own, has the last word."""
    faulthandler.cancel_dump_traceback_later()  # a campaign takes its time; the dump would end Python
    chance, log, is_over = random.Random(seed), WireLog(), False
    daemon = Daemon(folder, free_port())
    fleet = [Station(f"CP-{index}", daemon.port, log, random.Random(seed + index)) for index in range(stations)]
    try:
        await daemon.start()
        async with trio.open_nursery() as nursery:
            for station in fleet:
                nursery.start_soon(station.run, THINK, lambda: is_over)
            for _ in range(kills):
                await trio.sleep(chance.uniform(0.05, 2.0))
                daemon.kill()
                if chance.random() < DIES_STARTING:
                    daemon.spawn()
                    await trio.sleep(chance.uniform(0, 1))
                    daemon.kill()
                await daemon.start()
            await trio.sleep(1)
            is_over = True
        daemon.stop()
    finally:
        daemon.kill()
    (folder / "wire.jsonl").write_text(log.text())
    program = [sys.executable, auditor.__file__, str(folder / "wire.jsonl"), str(daemon.database)]
    verdict = await trio.run_process(program, capture_stdout=True, capture_stderr=True, check=False)
    said = verdict.stdout.decode()
    starts = f"start-up: median {statistics.median(daemon.starts):.2f} s, worst {max(daemon.starts):.2f} s"
    print(f"{kills} kills, seed {seed}: {said.splitlines()[-1]}; {starts}")
    assert verdict.returncode == 0, f"seed {seed}:\n{said}{verdict.stderr.decode()}"
    assert all(station.answered for station in fleet)
    assert "Traceback" not in daemon.log
    return daemon


@pytest.mark.timeout(300)
@pytest.mark.req("TX-04", "RPC-12", "TX-05", "RPC-31")
async def test_ten_kills_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    daemon = await campaign(tmp_path, 10, random.randrange(2**32))
    assert statistics.median(daemon.starts) < START_UP  # the worst is the campaign's: others may be at work here


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.req("TX-04", "RPC-12", "TX-05")
async def test_many_kills_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    kills = int(os.environ.get("CSMSD_SOAK_KILLS", "60"))
    daemon = await campaign(tmp_path, kills, random.randrange(2**32))
    assert max(daemon.starts) < START_UP
