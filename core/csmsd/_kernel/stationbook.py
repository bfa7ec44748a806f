"""The station book: the records of all stations, and who of them is connected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from csmsd._kernel.credentials import CredentialBook
from csmsd._kernel.registry import Registry
from csmsd._kernel.stationrows import Digest, Secrets, Sighting, StationState, note_sightings
from csmsd._kernel.stationstates import StationStates
from csmsd.env import Env
from csmsd.errors import InvalidStation, StationUnavailable
from csmsd.ocpp.identity import LONGEST_IDENTITY, is_identity
from csmsd.pending import Pending
from csmsd.station import Registration, Station, StationRecord, Stations
from csmsd.store import Store

SIGHTING_INTERVAL = timedelta(minutes=1)  # between two writes of `last_seen_at` of a station

# What an operator may not set: csmsd notes it itself.
_OWN_FIELDS = frozenset({"id", "announced", "has_credentials", "created_at", "last_seen_at"})
_CHANGEABLE = frozenset(StationRecord.__struct_fields__) - _OWN_FIELDS


class StationBook(Stations):
    """Records at hand in memory; every change is committed before it counts."""

    def __init__(
        self, states: StationStates, credentials: CredentialBook, registry: Registry, store: Store, env: Env
    ) -> None:
        self._states, self._credentials, self._registry = states, credentials, registry
        self._store, self._env = store, env
        self._seen: dict[str, datetime] = {}
        self._write_after: dict[str, datetime] = {}

    # -- records ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._states)

    def look_up(self, station_id: str) -> StationRecord | None:
        """The record if there is one."""
        state = self._states.find(station_id)
        return None if state is None else state.record

    def record(self, station_id: str) -> StationRecord:
        """See Stations."""
        return self._states.get(station_id).record

    def records(self) -> Iterable[StationRecord]:
        """See Stations."""
        return sorted((state.record for state in self._states), key=lambda record: record.id)

    async def register(self, record: StationRecord, password: str | None = None) -> StationRecord:
        """See Stations."""
        check_record(record)
        digest = None if password is None else await self._credentials.digest(password)
        created_at = self._env.now()

        def edit(old: StationState | None) -> StationState:
            own = old.record if old is not None else StationRecord(record.id, created_at=created_at)
            kept = {name: getattr(own, name) for name in _OWN_FIELDS}
            secrets = old.secrets if old is not None else Secrets()
            if digest is not None:
                secrets = Secrets(digest)
            return StationState(msgspec.structs.replace(record, **kept), secrets)

        await self._states.put(record.id, edit)
        return self.record(record.id)

    async def enrol(self, station_id: str, digest: Digest | None) -> None:
        """Register a station at first contact (WS-07); one that has been registered meanwhile stays as it is."""
        new = StationRecord(station_id, created_at=self._env.now(), note="registered at first contact")
        check_record(new)
        await self._states.put(station_id, lambda old: old or StationState(new, Secrets(digest)))

    async def change(self, station_id: str, **fields: Any) -> StationRecord:
        """See Stations."""
        old = self.record(station_id)
        if unknown := sorted(fields.keys() - _CHANGEABLE):
            raise InvalidStation(f"{', '.join(unknown)} cannot be changed; what can: {', '.join(sorted(_CHANGEABLE))}")
        check_record(msgspec.structs.replace(old, **fields))

        def edit(state: StationState) -> StationState:
            return StationState(msgspec.structs.replace(state.record, **fields), state.secrets)

        return (await self._states.change(station_id, edit)).record

    def announce(self, station_id: str, registration: Registration) -> Pending[StationRecord]:
        """See Stations. Costs no write when the station was told the same before."""
        record = self.look_up(station_id)
        if record is not None and record.announced == registration and not self._states.is_changing(station_id):
            return Pending[StationRecord].of(record)

        def edit(state: StationState) -> StationState:
            return StationState(msgspec.structs.replace(state.record, announced=registration), state.secrets)

        return self._states.change(station_id, edit).then(lambda state: state.record)

    async def remove(self, station_id: str) -> None:
        """See Stations."""
        self.record(station_id)
        await self._states.put(station_id, lambda _: None)
        self._seen.pop(station_id, None)
        self._write_after.pop(station_id, None)
        connection = self._registry.find(station_id)
        if connection is not None:
            connection.close(1008, "this station is not registered any more")

    # -- signs of life ---------------------------------------------------------------------------

    def saw(self, station_id: str, at: datetime) -> None:
        """A message was received: any is a sign of life (WS-35). Written down once a minute at most."""
        self._seen[station_id] = at
        due = self._write_after.get(station_id)
        if due is None or at >= due:
            self._write_after[station_id] = at + SIGHTING_INTERVAL
            self._store.submit_later(note_sightings, Sighting(station_id, at))

    def last_seen(self, station_id: str) -> datetime | None:
        """See Stations."""
        return self._seen.get(station_id) or self.record(station_id).last_seen_at

    # -- who is connected ------------------------------------------------------------------------

    def find(self, station_id: str) -> Station | None:
        """See Stations."""
        connection = self._registry.find(station_id)
        return None if connection is None else connection.station

    def get(self, station_id: str) -> Station:
        """See Stations."""
        connection = self._registry.find(station_id)
        if connection is None:
            self.record(station_id)
            raise StationUnavailable(f"{station_id} is not connected")
        return connection.station

    def online(self) -> Iterable[Station]:
        """See Stations."""
        return [connection.station for connection in self._registry.online()]

    async def wait_for(self, station_id: str) -> Station:
        """See Stations."""
        return (await self._registry.wait_for(station_id)).station


def check_record(record: StationRecord) -> None:
    """InvalidStation if a station cannot be like that."""
    if not is_identity(record.id):
        raise InvalidStation(
            f"{record.id!r} cannot be an identity: 1 to {LONGEST_IDENTITY} characters, no control characters (WS-06)"
        )
    try:
        msgspec.convert(msgspec.structs.asdict(record), StationRecord)
    except msgspec.ValidationError as error:
        raise InvalidStation(f"{record.id}: {error}") from None
    for profile in (record.security_profile, record.profile_upgrade_to):
        if profile not in (None, 0, 1, 2, 3):
            raise InvalidStation(f"{record.id}: there is no security profile {profile}, only 0 to 3")
    for name in ("call_timeout", "heartbeat_interval"):
        value = getattr(record, name)
        if value is not None and not value > 0:
            raise InvalidStation(f"{record.id}: {name} must be positive, not {value}")
