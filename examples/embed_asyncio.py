#!/usr/bin/env python3
"""csmsd in an asyncio program: it runs in a thread of its own, and `Portal.call` runs typed functions there.

Run it with a folder for the data. It registers a station, prints where it should connect, and asks it for a reset as
soon as it has come.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from csmsd import CallFailed, CallTimeout, Config, Host, StationRecord
from csmsd.config import Listen
from csmsd.portal import Portal, open_portal
from csmsd_core.commands import RESET
from csmsd_core.messages import Reset


async def register(csms: Host, station_id: str) -> str:
    """Runs in csmsd's thread: everything of `csms` may be used here, and plain values go back."""
    if station_id not in {record.id for record in csms.stations.records()}:
        await csms.stations.register(StationRecord(station_id), password="correct-horse-bat")
    return f"{csms.ocpp_urls[0]}/{station_id}"


async def reset(csms: Host, station_id: str) -> str:
    """Also in csmsd's thread; its errors reach whoever calls it by the portal."""
    answer = await csms.stations.get(station_id).call(RESET, Reset("Soft"))
    return answer.status


async def wait_for(portal: Portal, kind: str) -> str:
    """In asyncio: the id of the next station to which it happens."""
    async with aclosing(portal.events(frozenset({kind}))) as events:
        async for event in events:
            return event.station_id
    raise AssertionError("the feed ends with csmsd only")


async def main(folder: Path) -> None:
    """An ordinary asyncio program."""
    config = Config(data_dir=folder, listen=Listen(ocpp="127.0.0.1:0", http=""))
    async with open_portal(config, plugins=["core"]) as portal:
        comes = asyncio.create_task(wait_for(portal, "station.connected"))
        print(await portal.call(register, "CP-1"), flush=True)
        station_id = await comes
        print(f"{station_id} has come", flush=True)
        try:
            print(f"reset: {await portal.call(reset, station_id)}", flush=True)
        except (CallFailed, CallTimeout) as error:
            print(f"no reset: {error}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data")))
