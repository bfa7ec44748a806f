"""A csmsd with the events plugin, and something that happens at its stations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from csmsd.station import StationRecord
from csmsd.testing import TestCsms, open_test_csms
from csmsd_events import EventsPlugin
from csmsd_events.webhooks import Webhooks

HASTY = {"internal_networks": ["127.0.0.0/8"], "attempts": 3, "first_pause": 0.02, "longest_pause": 0.05}


@asynccontextmanager
async def open_site(data_dir: Path | None = None, **settings: Any) -> AsyncGenerator[TestCsms, None]:
    """`settings`: of [plugin.events]."""
    settings = {"webhooks": HASTY, **settings}
    async with open_test_csms(
        plugins=["core", "web", EventsPlugin], plugin={"events": settings}, data_dir=data_dir
    ) as csms:
        yield csms


def webhooks_of(csms: TestCsms) -> Webhooks:
    plugin = csms.host.plugins.get("events")
    assert isinstance(plugin, EventsPlugin)
    return plugin.webhooks


async def happen(csms: TestCsms, *station_ids: str) -> None:
    """A fact of each of these stations, again and again if need be."""
    for station_id in station_ids:
        if station_id in {known.id for known in csms.host.stations.records()}:
            await csms.host.stations.remove(station_id)
        await csms.host.stations.register(StationRecord(station_id))


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)
