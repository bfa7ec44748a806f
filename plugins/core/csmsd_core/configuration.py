"""The mirror of stations' configuration: what they last said of each key, updated by every answer, late ones too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.host import Host
from csmsd.station import Station
from csmsd_core.commands import GET_CONFIGURATION
from csmsd_core.configuration_keys import is_authorization_key, known_key
from csmsd_core.configuration_values import as_integer, as_list
from csmsd_core.folding import folded
from csmsd_core.messages import (
    ChangeConfiguration,
    ChangeConfigurationResponse,
    GetConfiguration,
    GetConfigurationResponse,
)
from csmsd_core.tables import configuration, station
from csmsd_core.upsert import upsert

SECRET = re.compile(r"passw|secret|passphrase|private_?key", re.IGNORECASE)  # vendors' keys that should be write-only
REMEMBERED = frozenset(  # kept in memory for every station: what warnings and plausibility need on the spot
    folded(name)
    for name in (
        "AdditionalRootCertificateCheck",
        "AuthorizationCacheEnabled",
        "CertificateSignedMaxChainSize",
        "CertificateStoreMaxLength",
        "ChargeProfileMaxStackLevel",
        "ChargingScheduleAllowedChargingRateUnit",
        "ChargingScheduleMaxPeriods",
        "ConnectionTimeOut",
        "ConnectorPhaseRotationMaxLength",
        "ConnectorSwitch3to1PhaseSupported",
        "CpoName",
        "GetConfigurationMaxKeys",
        "LocalAuthListEnabled",
        "LocalAuthListMaxLength",
        "MaxChargingProfilesInstalled",
        "MeterValuesAlignedDataMaxLength",
        "MeterValuesSampledDataMaxLength",
        "NumberOfConnectors",
        "ReserveConnectorZeroSupported",
        "SendLocalListMaxLength",
        "StopTxnAlignedDataMaxLength",
        "StopTxnSampledDataMaxLength",
        "SupportedFeatureProfiles",
        "SupportedFileTransferProtocols",
        "TransactionMessageAttempts",
        "TransactionMessageRetryInterval",
        "WebSocketPingInterval",
    )
)


class Entry(msgspec.Struct, frozen=True):
    """One key of one station."""

    key: str  # as the station spells it
    is_known: bool  # False: the station said that it has no such key
    is_readonly: bool | None  # None: never read
    value: str | None  # None: not set, never read, or a secret (CFG-11)
    pending_value: str | None  # accepted, effective after a reboot that the station does not do by itself (CFG-05)
    changed_at: datetime


class Mirror(msgspec.Struct, frozen=True):
    """All that is known of one station's configuration."""

    station_id: str
    entries: tuple[Entry, ...]  # by name
    read_at: datetime | None  # of the last GetConfiguration that asked for everything; None: never

    def find(self, name: str) -> Entry | None:
        """The entry of that name in any spelling, also in the documents' other ones (CFG-04)."""
        standard = known_key(name)
        wanted = folded(name.strip())
        for each in self.entries:
            if folded(each.key) == wanted or (standard is not None and known_key(each.key) is standard):
                return each
        return None

    def is_absent(self, name: str) -> bool:
        """Whether the station has no such key; of an optional switch this means no such feature (CFG-09)."""
        found = self.find(name)
        return not found.is_known if found is not None else self.read_at is not None

    def list_limit(self, name: str) -> int | None:
        """How many items a list key can hold; 1 if the station does not say (CFG-08); None if it was never asked."""
        limit = self.find(f"{name}MaxLength")
        if limit is not None and limit.is_known:
            return as_integer(limit.value)
        return 1 if self.read_at is not None else None


class ReadRow(msgspec.Struct, frozen=True):
    """An answer to GetConfiguration on its way to the database."""

    station_id: str
    at: datetime
    response: GetConfigurationResponse
    is_complete: bool  # it asked for everything


class ChangeRow(msgspec.Struct, frozen=True):
    """An answer to ChangeConfiguration on its way to the database."""

    station_id: str
    at: datetime
    request: ChangeConfiguration
    status: str


OF_STATION = configuration.c.station_id == sa.bindparam("of_station")
PUT_READ = upsert(configuration, only=("key", "is_known", "is_readonly", "value", "changed_at"))
PUT_UNKNOWN = upsert(configuration, only=("is_known", "value", "pending_value", "changed_at"))
PUT_ACCEPTED = upsert(configuration, only=("is_known", "value", "pending_value", "changed_at"))
PUT_PENDING = upsert(configuration, only=("is_known", "pending_value", "changed_at"))
PUT_READ_AT = upsert(station, only=("configuration_read_at",))
DELETE_OTHERS = sa.delete(configuration).where(
    OF_STATION, configuration.c.key_folded.not_in(sa.bindparam("keys", expanding=True))
)
CLEAR_REACHED = (
    sa.update(configuration)
    .where(OF_STATION, configuration.c.pending_value == configuration.c.value)
    .values(pending_value=None)
)
SELECT_ENTRIES = sa.select(configuration).where(OF_STATION).order_by(configuration.c.key_folded)
SELECT_READ_AT = sa.select(station.c.configuration_read_at).where(station.c.station_id == sa.bindparam("of_station"))
SELECT_REMEMBERED = sa.select(configuration.c.station_id, configuration.c.key_folded, configuration.c.value).where(
    configuration.c.key_folded.in_(sorted(REMEMBERED)), configuration.c.value.isnot(None)
)
SELECT_COMPLETELY_READ = sa.select(station.c.station_id).where(station.c.configuration_read_at.isnot(None))
BY_STATUS = {"Accepted": PUT_ACCEPTED, "RebootRequired": PUT_PENDING, "NotSupported": PUT_UNKNOWN}


def is_secret(key: str) -> bool:
    """Whether values of this key are never stored: the station's password, and what looks like one."""
    return is_authorization_key(key) or SECRET.search(key) is not None


def record_reads(connection: sa.Connection, rows: Sequence[ReadRow]) -> Sequence[None]:
    """Write what stations said of their keys; after a complete answer what it does not name is gone (CFG-09)."""
    for row in rows:
        entries = [*_entries_read(row), *_entries_unknown(row)]
        if row.is_complete:
            keys = [each["key_folded"] for each in entries]
            connection.execute(DELETE_OTHERS, {"of_station": row.station_id, "keys": keys})
            connection.execute(
                PUT_READ_AT[connection.dialect.name],
                {"station_id": row.station_id, "configuration_read_at": row.at},
            )
        if entries:
            connection.execute(PUT_READ[connection.dialect.name], entries)
            connection.execute(CLEAR_REACHED, {"of_station": row.station_id})
    return [None] * len(rows)


def record_changes(connection: sa.Connection, rows: Sequence[ChangeRow]) -> Sequence[None]:
    """Write what a ChangeConfiguration has changed (CFG-05)."""
    for row in rows:
        connection.execute(BY_STATUS[row.status][connection.dialect.name], _entry_changed(row))
    return [None] * len(rows)


def _entry(station_id: str, key: str, at: datetime) -> dict[str, Any]:
    return {
        "station_id": station_id,
        "key_folded": folded(key),
        "key": key,
        "is_known": True,
        "is_readonly": None,
        "value": None,
        "pending_value": None,
        "changed_at": at,
    }


def _entries_read(row: ReadRow) -> list[dict[str, Any]]:
    return [
        _entry(row.station_id, each.key, row.at)
        | {"is_readonly": each.readonly, "value": None if is_secret(each.key) else each.value}
        for each in row.response.configuration_key
    ]


def _entries_unknown(row: ReadRow) -> list[dict[str, Any]]:
    return [_entry(row.station_id, key, row.at) | {"is_known": False} for key in row.response.unknown_key]


def _entry_changed(row: ChangeRow) -> dict[str, Any]:
    value = None if is_secret(row.request.key) else row.request.value
    entry = _entry(row.station_id, row.request.key, row.at)
    if row.status == "NotSupported":
        return entry | {"is_known": False}
    return entry | {"value" if row.status == "Accepted" else "pending_value": value}


class ConfigurationMirror:
    """The mirrors of all stations."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._remembered: dict[str, dict[str, str]] = {}
        self._completely_read: set[str] = set()

    async def load(self) -> None:
        """Read what is kept in memory; before stations are let in."""

        def read(connection: sa.Connection) -> tuple[list[tuple[str, str, str]], set[str]]:
            values = [(row[0], row[1], row[2]) for row in connection.execute(SELECT_REMEMBERED)]
            return values, set(connection.scalars(SELECT_COMPLETELY_READ))

        values, self._completely_read = await self._host.store.read(read)
        for station_id, key, value in values:
            self._remembered.setdefault(station_id, {})[key] = value

    def remembered(self, station_id: str, key: str) -> str | None:
        """The value of one of the `REMEMBERED` keys, without a query."""
        return self._remembered.get(station_id, {}).get(folded(key))

    def number(self, station_id: str, key: str) -> int | None:
        """The same as an integer; None if it is unknown or no number."""
        return as_integer(self.remembered(station_id, key))

    def lacks(self, station_id: str, key: str) -> bool:
        """Whether a complete answer did not name one of the `REMEMBERED` keys (CFG-09)."""
        return station_id in self._completely_read and self.remembered(station_id, key) is None

    def lacks_profile(self, station_id: str, profile: str) -> bool:
        """Whether the station names its feature profiles, and not this one; it may know its messages all the same."""
        named = as_list(self.remembered(station_id, "SupportedFeatureProfiles"))
        return bool(named) and folded(profile) not in map(folded, named)

    async def of_station(self, station_id: str) -> Mirror:
        """Everything that is known of a station's configuration."""
        parameters = {"of_station": station_id}

        def read(connection: sa.Connection) -> Mirror:
            entries = tuple(map(_entry_of, connection.execute(SELECT_ENTRIES, parameters).mappings()))
            return Mirror(station_id, entries, connection.execute(SELECT_READ_AT, parameters).scalar())

        return await self._host.store.read(read)

    async def refresh(self, target: Station, keys: Sequence[str] = ()) -> GetConfigurationResponse:
        """Ask a station for keys, or for all, in as many GetConfigurations as its limit needs (CFG-03).

        The station's password is never asked for (CFG-11). Errors: those of `Station.call`.
        """
        wanted = tuple(key for key in keys if not is_authorization_key(key))
        if not wanted:
            return await target.call(GET_CONFIGURATION, GetConfiguration()) if not keys else GetConfigurationResponse()
        size = max(self.number(target.id, "GetConfigurationMaxKeys") or len(wanted), 1)
        answers = [
            await target.call(GET_CONFIGURATION, GetConfiguration(wanted[start : start + size]))
            for start in range(0, len(wanted), size)
        ]
        return GetConfigurationResponse(
            tuple(entry for answer in answers for entry in answer.configuration_key),
            tuple(key for answer in answers for key in answer.unknown_key),
        )

    def read(self, station_id: str, request: GetConfiguration, response: GetConfigurationResponse) -> None:
        """A station has answered GetConfiguration."""
        if not request.key:
            self._completely_read.add(station_id)
            self._remembered.pop(station_id, None)
        for each in response.configuration_key:
            if each.value is not None:
                self._remember(station_id, each.key, each.value)
        row = ReadRow(station_id, self._host.env.now(), response, is_complete=not request.key)
        self._host.store.submit_later(record_reads, row)

    def changed(self, station_id: str, request: ChangeConfiguration, response: ChangeConfigurationResponse) -> None:
        """A station has answered ChangeConfiguration; Rejected changes nothing."""
        if response.status == "Accepted":
            self._remember(station_id, request.key, request.value)
        if response.status in BY_STATUS:
            row = ChangeRow(station_id, self._host.env.now(), request, response.status)
            self._host.store.submit_later(record_changes, row)

    def _remember(self, station_id: str, key: str, value: str) -> None:
        name = folded(key)
        if name in REMEMBERED:
            self._remembered.setdefault(station_id, {})[name] = value


def _entry_of(row: Mapping[Any, Any]) -> Entry:
    return Entry(
        row["key"],
        row["is_known"],
        row["is_readonly"],
        row["value"],
        row["pending_value"],
        row["changed_at"],
    )
