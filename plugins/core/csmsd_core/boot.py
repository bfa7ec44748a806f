"""BootNotification: who is accepted, what is answered, and the history of what stations are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Arrival, Registration, Station
from csmsd.store import FactRow, fact_row
from csmsd_core import hookspecs
from csmsd_core.background import Background
from csmsd_core.commands import GET_CONFIGURATION
from csmsd_core.config import CoreConfig
from csmsd_core.expected import ExpectedMessages
from csmsd_core.facts import STATION_BOOTED, StationBooted
from csmsd_core.messages import BootNotification, BootNotificationResponse, GetConfiguration
from csmsd_core.tables import boot, configuration, station
from csmsd_core.upsert import upsert

log = logging.getLogger("csmsd.plugin.core")

UNDECIDED: Registration = "Pending"  # when a plugin that should decide fails: the station asks again
CLOSE_REJECTED_AFTER = 1.0  # seconds, so that the conf has left (BOOT-24)


class BootData(msgspec.Struct, frozen=True):
    """What a station says about itself; None: it did not say."""

    vendor: str | None = None
    model: str | None = None
    charge_point_serial_number: str | None = None
    charge_box_serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None

    def merged(self, newer: BootData) -> BootData:
        """With the newer values where there are any: what is absent does not erase what was known (BOOT-05)."""
        told = {name: value for name, value in msgspec.structs.asdict(newer).items() if value is not None}
        return msgspec.structs.replace(self, **told)

    def differences(self, newer: BootData) -> tuple[str, ...]:
        """The names of fields that are told and differ from what was known; a first time is no difference."""
        return tuple(
            name
            for name, value in msgspec.structs.asdict(newer).items()
            if value is not None and getattr(self, name) not in (None, value)
        )


class BootRow(msgspec.Struct, frozen=True):
    """A BootNotification on its way to the database."""

    station_id: str
    at: datetime
    data: BootData
    registration: Registration
    interval: int


class Boot(msgspec.Struct, frozen=True):
    """One BootNotification as stored."""

    id: int
    station_id: str
    at: datetime
    data: BootData
    registration: Registration
    interval: int
    changed: tuple[str, ...]


class Nameplate(msgspec.Struct, frozen=True):
    """What is known of a station from all its BootNotifications."""

    station_id: str
    data: BootData
    booted_at: datetime | None


FIELDS = tuple(field.name for field in msgspec.structs.fields(BootData))
SELECT_LATEST = sa.select(station).where(station.c.station_id.in_(sa.bindparam("ids", expanding=True)))
PUT_LATEST = upsert(station, only=(*FIELDS, "booted_at"))
ADD_BOOT = sa.insert(boot)
APPLY_PENDING_CONFIGURATION = (  # effective after the reboot, which this is (CFG-05)
    sa.update(configuration)
    .where(
        configuration.c.station_id.in_(sa.bindparam("ids", expanding=True)), configuration.c.pending_value.isnot(None)
    )
    .values(value=configuration.c.pending_value, pending_value=None)
)
SELECT_HISTORY = (
    sa.select(boot)
    .where(boot.c.station_id == sa.bindparam("station_id"), boot.c.id < sa.bindparam("before_id"))
    .order_by(boot.c.id.desc())
    .limit(sa.bindparam("count"))
)
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(tuple[str, ...]).decode
LAST_ID = 2**62


def boot_data_of(request: BootNotification) -> BootData:
    """The message's fields, as columns."""
    return BootData(
        vendor=request.charge_point_vendor,
        model=request.charge_point_model,
        charge_point_serial_number=request.charge_point_serial_number,
        charge_box_serial_number=request.charge_box_serial_number,
        firmware_version=request.firmware_version,
        iccid=request.iccid,
        imsi=request.imsi,
        meter_type=request.meter_type,
        meter_serial_number=request.meter_serial_number,
    )


class BootService:
    """Answers BootNotifications and keeps their history; never touches a transaction (BOOT-06)."""

    def __init__(self, host: Host, config: CoreConfig, expected: ExpectedMessages, background: Background) -> None:
        self._host, self._config, self._expected, self._background = host, config, expected, background

    def answer(self, target: Station, request: BootNotification, arrival: Arrival) -> Pending[BootNotificationResponse]:
        """Decide, make the decision and the boot durable, then answer (BOOT-01, BOOT-07, BOOT-11)."""
        asked = self._host.hooks.ask_decision(UNDECIDED, hookspecs.accept_station, target, request)
        return asked.then(lambda registration: self._store(target, request, arrival, registration))

    def decide(self, target: Station) -> Registration | Pending[Registration]:
        """The Core profile's own answer to `accept_station`: the operator's decision, seen through `boot_policy`."""
        record = target.record
        if self._config.boot_policy == "auto" and record.registration == "Pending":
            return "Accepted"
        if self._config.boot_policy == "pending" and record.registration == "Accepted" and record.announced is None:
            return self._background.start(self._put_on_hold, target.id)
        return record.registration

    async def _put_on_hold(self, station_id: str) -> Registration:
        """Durable before it is told, or the next boot would find the station accepted."""
        record = await self._host.stations.change(station_id, registration="Pending")
        return record.registration

    def interval(self, target: Station, registration: Registration) -> int:
        """Seconds between heartbeats (BOOT-02), or until the next BootNotification of one not accepted (BOOT-03)."""
        if registration != "Accepted":
            return self._config.retry_interval
        return target.record.heartbeat_interval or self._config.heartbeat_interval

    def _store(
        self, target: Station, request: BootNotification, arrival: Arrival, registration: Registration
    ) -> Pending[BootNotificationResponse]:
        interval = self.interval(target, registration)
        announced = self._host.stations.announce(target.id, registration)
        row = BootRow(target.id, arrival.received_at, boot_data_of(request), registration, interval)
        stored = self._host.store.submit(self.record_boots, row)

        def respond(_: None) -> BootNotificationResponse:
            self._follow_up(target, registration)
            return BootNotificationResponse(registration, self._host.env.now(), interval)

        return announced.then(lambda _: stored).then(respond)

    def _follow_up(self, target: Station, registration: Registration) -> None:
        self._expected.booted(target.id)
        if registration == "Rejected" and self._config.close_rejected:
            self._host.call_later(CLOSE_REJECTED_AFTER, lambda: target.close(1008, "registration rejected"))
        wanted = self._config.read_configuration_of
        if registration == "Accepted" and (target.id in wanted or "*" in wanted):
            target.submit(GET_CONFIGURATION, GetConfiguration()).when_settled(self._note_unread(target.id))

    @staticmethod
    def _note_unread(station_id: str) -> Callable[[Any, BaseException | None], None]:
        def note(_: Any, error: BaseException | None) -> None:
            if error is not None:
                log.info("the configuration of %s could not be read after its boot: %s", station_id, error)

        return note

    def record_boots(self, connection: sa.Connection, rows: Sequence[BootRow]) -> Sequence[None]:
        """Write the history and what is known now, and tell the plugins."""
        ids = {"ids": sorted({row.station_id for row in rows})}
        latest = {
            found["station_id"]: BootData(*(found[name] for name in FIELDS))
            for found in connection.execute(SELECT_LATEST, ids).mappings()
        }
        history: list[dict[str, Any]] = []
        facts: list[FactRow] = []
        for row in rows:
            known = latest.get(row.station_id, BootData())
            changed, latest[row.station_id] = known.differences(row.data), known.merged(row.data)
            history.append(_columns(row, changed))
            facts.append(fact_row(STATION_BOOTED, row.station_id, _fact(row, changed)))
        moments = {row.station_id: row.at for row in rows}
        connection.execute(ADD_BOOT, history)
        connection.execute(
            PUT_LATEST[connection.dialect.name],
            [
                {"station_id": each, "booted_at": at, **msgspec.structs.asdict(latest[each])}
                for each, at in sorted(moments.items())
            ],
        )
        connection.execute(APPLY_PENDING_CONFIGURATION, ids)
        self._host.store.record_facts(connection, facts)
        return [None] * len(rows)

    async def nameplate(self, station_id: str) -> Nameplate:
        """What is known of a station; empty if it has never booted."""

        def read(connection: sa.Connection) -> Nameplate:
            found = connection.execute(SELECT_LATEST, {"ids": [station_id]}).mappings().first()
            if found is None:
                return Nameplate(station_id, BootData(), None)
            return Nameplate(station_id, _data_of(found), found["booted_at"])

        return await self._host.store.read(read)

    async def history(self, station_id: str, *, before_id: int | None = None, limit: int = 100) -> Sequence[Boot]:
        """Boots of a station, newest first (BOOT-05)."""
        parameters = {"station_id": station_id, "before_id": before_id or LAST_ID, "count": limit}

        def read(connection: sa.Connection) -> list[Boot]:
            return [_boot_of(found) for found in connection.execute(SELECT_HISTORY, parameters).mappings()]

        return await self._host.store.read(read)


def _columns(row: BootRow, changed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "station_id": row.station_id,
        "at": row.at,
        "registration": row.registration,
        "interval": row.interval,
        "changed": _encode(changed).decode(),
        **msgspec.structs.asdict(row.data),
    }


def _fact(row: BootRow, changed: tuple[str, ...]) -> StationBooted:
    data = row.data
    return StationBooted(
        row.at, row.registration, data.vendor or "", data.model or "", data.firmware_version or "", changed
    )


def _data_of(found: Mapping[Any, Any]) -> BootData:
    return BootData(*(found[name] for name in FIELDS))


def _boot_of(found: Mapping[Any, Any]) -> Boot:
    return Boot(
        found["id"],
        found["station_id"],
        found["at"],
        _data_of(found),
        found["registration"],
        found["interval"],
        _decode(found["changed"]),
    )
