"""Figures over the whole fleet: counted at most every two seconds, in pieces, so that no station waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from csmsd.host import Host
from csmsd.station import StationRecord
from csmsd_core import ConnectorStatus, core_of

LIFE = 2.0  # seconds that a count is good for
PIECE = 500  # stations between two checkpoints


@dataclass(frozen=True, slots=True)
class Fleet:
    """All stations, counted."""

    stations: int = 0
    online: int = 0
    pending: int = 0  # not accepted
    connectors: Mapping[str, int] = field(default_factory=dict[str, int])  # by status, connector 0 left out
    faulted: Sequence[ConnectorStatus] = ()
    records: Sequence[StationRecord] = ()


class Figures:
    """Counts what pages show, once for all of them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fleet, self._counted_at = Fleet(), -LIFE
        self._lock = trio.Lock()

    async def fleet(self) -> Fleet:
        """As it was at most two seconds ago."""
        async with self._lock:
            if trio.current_time() - self._counted_at >= LIFE:
                self._fleet = await self._count()
                self._counted_at = trio.current_time()
        return self._fleet

    async def _count(self) -> Fleet:
        statuses, stations = core_of(self._host).statuses, self._host.stations
        records = list(stations.records())
        by_status, faulted = Counter[str](), list[ConnectorStatus]()
        online = pending = 0
        for number, record in enumerate(records):
            if number % PIECE == PIECE - 1:
                await trio.lowlevel.checkpoint()
            online += stations.find(record.id) is not None
            pending += record.registration != "Accepted"
            for each in statuses.of_station(record.id):
                if each.connector_id:
                    by_status[each.status] += 1
                if each.status == "Faulted":
                    faulted.append(each)
        return Fleet(len(records), online, pending, by_status, faulted, records)
