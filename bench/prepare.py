"""A database with the stations and id tags that the generator plays."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio

from csmsd import StationRecord
from csmsd.app import open_csms
from csmsd.config import Config, Listen
from csmsd.host import Host
from csmsd_core import Tag, core_of

PASSWORD = "7f3c9a1e5b8d2046c1f7a3e9d5b08264"  # also in native/messages.c; 16 octets, so it need not be hashed slowly


def prepare_database(folder: Path, stations: int) -> None:
    """Create it, with stations CP00000... and tags TAG00000..., as `csmsd station add` and `csmsd tag add` would."""
    trio.run(_prepare, folder, stations)


async def _prepare(folder: Path, stations: int) -> None:
    config = Config(data_dir=folder, plugins=("core",), listen=Listen(ocpp="", http=""))
    async with open_csms(config) as csms, trio.open_nursery() as nursery:
        for number in range(stations):
            nursery.start_soon(partial(_add, csms, number))


async def _add(csms: Host, number: int) -> None:
    await csms.stations.register(StationRecord(f"CP{number:05}"), PASSWORD)
    await core_of(csms).tags.put(Tag(f"TAG{number:05}"), actor="bench")
