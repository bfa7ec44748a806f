#!/usr/bin/env python3
"""Two csmsds in one trio program, each with its own stations, and a plugin of the program's own in one of them.

Run it with a folder for the data; it ends with Ctrl-C. Give it a number as well and it ends after so many seconds.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

import trio

from csmsd import Config, Host, NoConfig, Plugin, Station, StationRecord, hookimpl, open_csms
from csmsd.config import Listen


class WelcomePlugin(Plugin[NoConfig]):
    """Says which stations have come."""

    name = "welcome"

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Called in the background: nobody waits for it."""
        print(f"{station.id} has come", flush=True)


async def run_site(name: str, folder: Path, *, is_loud: bool) -> None:
    """One csmsd: registers a station, and prints where it should connect."""
    config = Config(data_dir=folder / name, listen=Listen(ocpp="127.0.0.1:0", http=""))
    async with open_csms(config, plugins=["core", WelcomePlugin] if is_loud else ["core"]) as csms:
        await register(csms, f"{name}-1")
        print(f"{csms.ocpp_urls[0]}/{name}-1", flush=True)
        await trio.sleep_forever()


async def register(csms: Host, station_id: str) -> None:
    """Once: the database remembers it."""
    if station_id not in {record.id for record in csms.stations.records()}:
        await csms.stations.register(StationRecord(station_id), password="correct-horse-bat")


async def main(folder: Path, seconds: float) -> None:
    """Both, until the time is over or somebody interrupts; stations are sent away before it ends."""
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run_site, "NORTH", folder, is_loud=True))
            nursery.start_soon(partial(run_site, "SOUTH", folder, is_loud=False))
    print("both have ended", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)  # the program's business, not csmsd's
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data")
    trio.run(main, data, float(sys.argv[2]) if len(sys.argv) > 2 else float("inf"))
