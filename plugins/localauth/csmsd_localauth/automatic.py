"""Lists that follow the id tags by themselves, for stations whose operator wants it (BOOT-26)."""

from __future__ import annotations

import logging

import trio

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.station import Station
from csmsd_localauth.config import LocalAuthConfig
from csmsd_localauth.lists import Lists
from csmsd_localauth.sync import Synchroniser

log = logging.getLogger("csmsd.plugin.localauth")


class Following:
    """Compares lists with the id tags every so often, and at once after a boot, a conflict or a failure."""

    def __init__(self, host: Host, config: LocalAuthConfig, lists: Lists, synchroniser: Synchroniser) -> None:
        self._host, self._config, self._lists, self._synchroniser = host, config, lists, synchroniser
        self._due: set[str] = set()
        self._is_due = trio.Event()

    def is_wanted(self, station_id: str) -> bool:
        """Whether this station's list follows by itself."""
        return station_id in self._config.sync_automatically or "*" in self._config.sync_automatically

    def note(self, station_id: str) -> None:
        """Something has happened that makes a look worthwhile."""
        if self.is_wanted(station_id):
            self._due.add(station_id)
            self._is_due.set()

    async def run(self) -> None:
        """Until cancelled; without stations that want it there is nothing to do."""
        if not self._config.sync_automatically:
            await trio.sleep_forever()
        while True:
            with trio.move_on_after(self._config.sync_interval) as interval:
                await self._is_due.wait()
            due, self._due, self._is_due = self._due, set(), trio.Event()
            for station in list(self._host.stations.online()):
                if station.id in due or (interval.cancelled_caught and self.is_wanted(station.id)):
                    await self._look(station, is_due=station.id in due)

    async def _look(self, station: Station, *, is_due: bool) -> None:
        if station.record.in_force != "Accepted" or not self._lists.state_of(station.id).is_supported:
            return
        try:
            if is_due or await self._synchroniser.differs(station):
                result = await self._synchroniser.sync(station)
                log.info("the local list of %s: %s", station.id, result.outcome)
        except CsmsdError as error:
            log.warning("the local list of %s could not be synchronised: %s", station.id, error)
