"""Stations in the database: records and secrets share one kind of write, so that changes of a station keep order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd._kernel.storage.tables import credential, station
from csmsd.facts import STATION_REGISTERED
from csmsd.ocpp.decoding import Tolerance
from csmsd.station import StationRecord, StationRegistered
from csmsd.store import FactRow, fact_row

RecordFacts = Callable[[sa.Connection, Sequence[FactRow]], None]


class Digest(msgspec.Struct, frozen=True):
    """What is kept of a secret."""

    text: str
    created_at: datetime


class Secrets(msgspec.Struct, frozen=True):
    """The one secret in force, and those that are staged, the oldest first (SEC-33)."""

    present: Digest | None = None
    staged: tuple[Digest, ...] = ()

    @property
    def valid(self) -> tuple[Digest, ...]:
        """All of them."""
        return self.staged if self.present is None else (self.present, *self.staged)


class StationState(msgspec.Struct, frozen=True):
    """All that is stored of one station."""

    record: StationRecord
    secrets: Secrets = Secrets()


class Change(msgspec.Struct, frozen=True):
    """One change of one station.

    `edit` is a pure function from what is stored to what shall be; None means no such station. It runs in the
    committer's thread, on what earlier changes have left: no change is lost to another.
    """

    station_id: str
    edit: Callable[[StationState | None], StationState | None]


class Sighting(msgspec.Struct, frozen=True):
    """A station was heard of (WS-35)."""

    station_id: str
    at: datetime


_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_ALL_STATIONS = sa.select(station)
_ALL_CREDENTIALS = sa.select(credential).order_by(credential.c.station_id, credential.c.rank)
_STATIONS = _ALL_STATIONS.where(station.c.id.in_(_IDS))
_CREDENTIALS = _ALL_CREDENTIALS.where(credential.c.station_id.in_(_IDS))
_ADD_STATION = sa.insert(station)
_CHANGEABLE = [column.name for column in station.columns if column.name not in ("id", "created_at", "last_seen_at")]
_CHANGE_STATION = (
    sa.update(station)
    .where(station.c.id == sa.bindparam("key"))
    .values({name: sa.bindparam(name) for name in _CHANGEABLE})
)
_REMOVE_STATIONS = sa.delete(station).where(station.c.id.in_(_IDS))
_ADD_CREDENTIAL = sa.insert(credential)
_REMOVE_CREDENTIALS = sa.delete(credential).where(credential.c.station_id.in_(_IDS))
_NOTE_SIGHTING = (
    sa.update(station).where(station.c.id == sa.bindparam("key")).values(last_seen_at=sa.bindparam("seen_at"))
)


def load_stations(connection: sa.Connection) -> dict[str, StationState]:
    """Everything, by station id."""
    return _states(connection.execute(_ALL_STATIONS), connection.execute(_ALL_CREDENTIALS))


def change_stations(
    connection: sa.Connection, rows: Sequence[Change], record_facts: RecordFacts
) -> list[StationState | None]:
    """A write: the state each change has left behind. A station that comes into being is a fact."""
    ids = {"ids": list({row.station_id for row in rows})}
    before = _states(connection.execute(_STATIONS, ids), connection.execute(_CREDENTIALS, ids))
    after, results = dict[str, StationState | None](before), list[StationState | None]()
    for row in rows:
        state = row.edit(after.get(row.station_id))
        if state is not None:
            state = _with_flag(state)
        after[row.station_id] = state
        results.append(state)
    _write_records(connection, before, after)
    _write_secrets(connection, before, after)
    new = [state.record for station_id, state in after.items() if state is not None and station_id not in before]
    record_facts(connection, [_registered(record) for record in new])
    return results


def _registered(record: StationRecord) -> FactRow:
    if record.created_at is None:
        raise AssertionError(f"the record of {record.id} was made without a time")
    fact = StationRegistered(
        record.created_at, record.registration, record.security_profile, record.serial_number, record.note
    )
    return fact_row(STATION_REGISTERED, record.id, fact)


def note_sightings(connection: sa.Connection, rows: Sequence[Sighting]) -> list[None]:
    """A write that nobody waits for."""
    latest = {row.station_id: row.at for row in rows}
    connection.execute(_NOTE_SIGHTING, [{"key": station_id, "seen_at": at} for station_id, at in latest.items()])
    return [None] * len(rows)


def _write_records(
    connection: sa.Connection, before: dict[str, StationState], after: dict[str, StationState | None]
) -> None:
    added, changed, removed = list[dict[str, Any]](), list[dict[str, Any]](), list[str]()
    for station_id, state in after.items():
        old = before.get(station_id)
        if state is None:
            if old is not None:
                removed.append(station_id)
        elif old is None:
            added.append(_row(state.record))
        elif _row(old.record) != (row := _row(state.record)):
            changed.append({name: row[name] for name in _CHANGEABLE} | {"key": station_id})
    if removed:
        connection.execute(_REMOVE_STATIONS, {"ids": removed})
    if added:
        connection.execute(_ADD_STATION, added)
    if changed:
        connection.execute(_CHANGE_STATION, changed)


def _write_secrets(
    connection: sa.Connection, before: dict[str, StationState], after: dict[str, StationState | None]
) -> None:
    stale, added = list[str](), list[dict[str, Any]]()
    for station_id, state in after.items():
        old = before[station_id].secrets if station_id in before else Secrets()
        new = state.secrets if state is not None else Secrets()
        if new != old:
            stale.append(station_id)
            added += _credential_rows(station_id, new)
    if stale:
        connection.execute(_REMOVE_CREDENTIALS, {"ids": stale})
    if added:
        connection.execute(_ADD_CREDENTIAL, added)


def _credential_rows(station_id: str, secrets: Secrets) -> list[dict[str, Any]]:
    return [
        {"station_id": station_id, "rank": rank, "digest": digest.text, "created_at": digest.created_at}
        for rank, digest in enumerate((secrets.present, *secrets.staged))
        if digest is not None
    ]


def _states(stations: sa.Result[Any], credentials: sa.Result[Any]) -> dict[str, StationState]:
    secrets: dict[str, Secrets] = {}
    for row in credentials:
        known, digest = secrets.get(row.station_id, Secrets()), Digest(row.digest, row.created_at)
        secrets[row.station_id] = (
            Secrets(known.present, (*known.staged, digest)) if row.rank else Secrets(digest, known.staged)
        )
    records = [_record(dict(row)) for row in stations.mappings()]
    return {record.id: _with_flag(StationState(record, secrets.get(record.id, Secrets()))) for record in records}


def _with_flag(state: StationState) -> StationState:
    has_credentials = bool(state.secrets.valid)
    if state.record.has_credentials == has_credentials:
        return state
    return StationState(msgspec.structs.replace(state.record, has_credentials=has_credentials), state.secrets)


def _record(fields: dict[str, Any]) -> StationRecord:
    if fields["tolerance"] is not None:
        fields["tolerance"] = Tolerance(fields["tolerance"])
    return StationRecord(**fields)


def _row(record: StationRecord) -> dict[str, Any]:
    row = msgspec.structs.asdict(record)
    del row["has_credentials"]
    row["tolerance"] = record.tolerance.value if record.tolerance is not None else None
    return row
