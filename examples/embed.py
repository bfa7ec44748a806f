#!/usr/bin/env python3
"""csmsd inside a trio program: register a station, print where it should connect, and watch it."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from csmsd import Config, StationRecord, open_csms
from csmsd.config import Listen


async def main(data_dir: Path) -> None:
    """Runs until it is interrupted."""
    config = Config(data_dir=data_dir, listen=Listen(ocpp="127.0.0.1:0", http=""))
    async with open_csms(config, plugins=["core"]) as csms:
        if "CP-1" not in {record.id for record in csms.stations.records()}:
            await csms.stations.register(StationRecord("CP-1"), password="correct-horse-bat")
        print(f"{csms.ocpp_urls[0]}/CP-1", flush=True)
        with csms.events.watch() as events:
            async for event in events:
                print(event.at, event.station_id, event.kind, flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data"))
