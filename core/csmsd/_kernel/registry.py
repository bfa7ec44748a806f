"""The registry: which stations are connected. The newest authenticated connection wins (WS-30)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

import msgspec
import trio

from csmsd.env import Env
from csmsd.events import Events
from csmsd.hookspecs import station_connected, station_disconnected
from csmsd.host import Hooks
from csmsd.station import Station
from csmsd.throttling import address_of

log = logging.getLogger("csmsd.door")


class Occupant(Protocol):
    """What the registry needs of a connection."""

    @property
    def station(self) -> Station:
        """The handle others have."""
        ...

    @property
    def is_pinged(self) -> bool:
        """Are pings answered, so that its silence is found out without us?"""
        ...

    def retire(self, reason: str) -> None:
        """Be deaf from now on; finish what has arrived; then go."""

    def drain(self) -> None:
        """Go as soon as what has arrived is answered."""

    def close(self, code: int, reason: str) -> None:
        """Go at once."""


class Arrived(msgspec.Struct, frozen=True):
    """The data of `station.connected`."""

    peer: str
    listener: str
    security_profile: int
    replaced: bool  # another connection of the station was still open


class Departed(msgspec.Struct, frozen=True):
    """The data of `station.disconnected`."""

    reason: str


class Registry:
    """Connections by station. A connection is removed by itself alone, never by its station's id."""

    def __init__(self, hooks: Hooks, events: Events, env: Env) -> None:
        self._hooks, self._events, self._env = hooks, events, env
        self._owners: dict[str, Occupant] = {}
        self._all: dict[int, Occupant] = {}  # with those that were replaced and are not gone yet
        self._awaited: dict[str, trio.lowlevel.ParkingLot] = {}
        self._gone = trio.lowlevel.ParkingLot()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._owners)

    def find(self, station_id: str) -> Occupant | None:
        """The station's connection, if it has one."""
        return self._owners.get(station_id)

    def online(self) -> Iterable[Occupant]:
        """Everybody's connection."""
        return list(self._owners.values())

    async def wait_for(self, station_id: str) -> Occupant:
        """The station's connection, as soon as it has one."""
        while (occupant := self._owners.get(station_id)) is None:
            lot = self._awaited.setdefault(station_id, trio.lowlevel.ParkingLot())
            try:
                await lot.park()
            finally:
                if not lot and self._awaited.get(station_id) is lot:
                    del self._awaited[station_id]
        return occupant

    def enter(self, occupant: Occupant) -> None:
        """A station was let in; an older connection of it is deaf from now on."""
        station = occupant.station
        older = self._owners.get(station.id)
        self._owners[station.id] = self._all[id(occupant)] = occupant
        if older is not None:
            _note_takeover(older.station, station)
            older.retire("replaced by a newer connection")
        arrived = Arrived(station.peer, station.listener, station.security_profile, older is not None)
        self._events.publish("station.connected", station.id, self._env.now(), arrived)
        self._hooks.tell(station_connected, station)
        if (lot := self._awaited.get(station.id)) is not None:
            lot.unpark_all()
        if self.is_draining:
            occupant.drain()

    def leave(self, occupant: Occupant, reason: str) -> None:
        """A connection is gone; told again it does nothing. The station has left only if no newer one took over."""
        if self._all.pop(id(occupant), None) is None:
            return
        station = occupant.station
        if self._owners.get(station.id) is occupant:
            del self._owners[station.id]
            self._events.publish("station.disconnected", station.id, self._env.now(), Departed(reason))
        self._hooks.tell(station_disconnected, station, reason)
        if not self._all:
            self._gone.unpark_all()

    async def drain(self) -> None:
        """Let every CALL in hand be answered, then close with 1001; returns when everybody is gone (WS-39).

        Bounded by the caller, who also keeps newcomers out: the door does while `is_draining`.
        """
        self.is_draining = True
        for occupant in list(self._all.values()):
            occupant.drain()
        while self._all:
            await self._gone.park()


def _note_takeover(older: Station, newer: Station) -> None:
    """Two addresses may be a station that changed networks, or a copied secret: the operator should see it (WS-27)."""
    is_elsewhere = address_of(older.peer) != address_of(newer.peer)
    level = logging.WARNING if is_elsewhere else logging.INFO
    about = {"station": newer.id, "peer": newer.peer}
    log.log(
        level,
        "%r connected from %s while its connection from %s was open",
        newer.id,
        newer.peer,
        older.peer,
        extra=about,
    )
