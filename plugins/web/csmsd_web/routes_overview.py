"""What is going on, in numbers, and what goes by a part of a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from csmsd.host import Host
from csmsd.station import StationRecord
from csmsd_web.paging import Page

MOST_FOUND = 50


class Stats(msgspec.Struct, frozen=True):
    """csmsd in numbers, as of now."""

    now: datetime
    ready: bool
    storage_available: bool
    stations_registered: int
    stations_connected: int
    registrations: Mapping[str, int]  # how many stations are Accepted, Pending, Rejected
    security_profiles: Mapping[str, int]  # of those that are connected
    plugins: Mapping[str, int]  # how many are enabled, disabled, quarantined, failed
    backlog: int  # facts that plugins have not taken yet


class Found(msgspec.Struct, frozen=True):
    """Something whose name, or number, has the text in it."""

    kind: Literal["station"]
    id: str
    words: str  # for people
    path: str  # where the API has it
    is_exact: bool


@get("/stats", scope="read", summary="csmsd in numbers", tags=["System"])
async def stats(host: NamedDependency[Host]) -> Stats:
    """Counted now; for curves see /metrics."""
    records = list(host.stations.records())
    online = list(host.stations.online())
    plugins = host.plugins.status()
    return Stats(
        host.env.now(),
        host.is_ready,
        host.store.is_available,
        len(records),
        len(online),
        Counter(record.registration for record in records),
        Counter(str(station.security_profile) for station in online),
        Counter(status.state for status in plugins),
        sum(status.backlog for status in plugins),
    )


@get("/search", scope="read", summary="Find something by a part of its name", tags=["System"])
async def search(
    host: NamedDependency[Host],
    q: Annotated[str, QueryParameter(min_length=1, max_length=100, description="In any case.")],
) -> Page[Found]:
    """Stations by identity, serial number and note: exact ones first, then those that begin so; 50 at most."""
    wanted = q.casefold()
    ranked = sorted(
        (rank, record.id, record) for record in host.stations.records() if (rank := _rank(record, wanted)) is not None
    )
    return Page([_found(host, record, rank) for rank, _, record in ranked[:MOST_FOUND]])


def _rank(record: StationRecord, wanted: str) -> int | None:
    names: Sequence[str] = (record.id.casefold(), record.serial_number.casefold())
    if wanted in names:
        return 0
    if any(name.startswith(wanted) for name in names):
        return 1
    return 2 if any(wanted in text for text in (*names, record.note.casefold())) else None


def _found(host: Host, record: StationRecord, rank: int) -> Found:
    state = "connected" if host.stations.find(record.id) is not None else "not connected"
    words = ", ".join(filter(None, (state, record.serial_number, record.note)))
    return Found("station", record.id, words, f"/api/v1/stations/{quote(record.id, safe='')}", rank == 0)


ROUTES = [stats, search]
