"""Composite schedules of real stations: our own calculation, previews, and what stations answer (SC-29, SC-30)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd.pending import Pending
from csmsd_core import core_of
from csmsd_core.messages import ChargingProfile, ChargingRateUnit
from csmsd_core.upsert import upsert
from csmsd_smartcharging.composite import Composite, Installed, Query, Rules, Running, composite
from csmsd_smartcharging.config import SmartChargingConfig
from csmsd_smartcharging.differences import Difference, changes, differences, steps_of
from csmsd_smartcharging.messages import GetCompositeSchedule, GetCompositeScheduleResponse
from csmsd_smartcharging.mirror import ProfileMirror
from csmsd_smartcharging.mirror_rows import Held
from csmsd_smartcharging.running import running_at
from csmsd_smartcharging.tables import answer

LONGEST = 31 * 86_400  # seconds; recurring profiles make longer schedules of any size


class InvalidQuery(CsmsdError):
    """No schedule is worked out for that: says why."""


class Answer(msgspec.Struct, frozen=True):
    """The last GetCompositeSchedule.conf for a connector; a snapshot, which local limits may be part of."""

    station_id: str
    connector_id: int
    received_at: datetime
    duration: int  # as asked
    unit: ChargingRateUnit | None  # as asked
    response: GetCompositeScheduleResponse

    @property
    def starts_at(self) -> datetime:
        """What its periods are relative to (SC-29)."""
        return self.response.schedule_start or self.received_at


class Comparison(msgspec.Struct, frozen=True):
    """What a station says, what csmsd thinks, and where they differ: `before` is the station, `after` is csmsd."""

    answer: Answer
    ours: Composite | None  # None: the station has not told a schedule
    differences: tuple[Difference, ...]


class Preview(msgspec.Struct, frozen=True):
    """What a profile would change."""

    profile: ChargingProfile
    before: Composite
    after: Composite
    differences: tuple[Difference, ...]
    replaced: tuple[int, ...]  # ids of the profiles that it would replace (SC-21)


PUT = upsert(answer)
OF_STATION = sa.select(answer).where(answer.c.station_id == sa.bindparam("of_station")).order_by(answer.c.connector_id)
_decoder = PayloadDecoder(GetCompositeScheduleResponse)


def put_answers(connection: sa.Connection, rows: Sequence[Answer]) -> Sequence[None]:
    """Keep the last answer of each connector."""
    latest = {(row.station_id, row.connector_id): row for row in rows}
    connection.execute(
        PUT[connection.dialect.name],
        [
            {
                "station_id": row.station_id,
                "connector_id": row.connector_id,
                "received_at": row.received_at,
                "duration": row.duration,
                "unit": row.unit,
                "content": encode_payload(row.response).decode(),
            }
            for row in latest.values()
        ],
    )
    return [None] * len(rows)


class CompositeSchedules:
    """The calculation, fed with what is known of the stations."""

    def __init__(self, host: Host, config: SmartChargingConfig, mirror: ProfileMirror) -> None:
        self._host, self._config, self._mirror = host, config, mirror

    async def calculate(self, station_id: str, query: Query) -> Composite:
        """What the station's profiles add up to, as csmsd knows them; InvalidQuery."""
        running = await running_at(core_of(self._host), station_id)
        return self._composite(station_id, self._mirror.installed(station_id), running, query)

    async def preview(self, station_id: str, connector_id: int, profile: ChargingProfile, query: Query) -> Preview:
        """What would change if the station accepted a profile; InvalidQuery."""
        running = await running_at(core_of(self._host), station_id)
        candidate = self.candidate(station_id, connector_id, profile, running)
        query = msgspec.structs.replace(query, unit=query.unit or profile.charging_schedule.charging_rate_unit)
        before = self._composite(station_id, self._mirror.installed(station_id), running, query)
        after = self._composite(station_id, self._mirror.after(candidate), running, query)
        replaced = tuple(each.id for each in self._mirror.replaced_by(candidate))
        return Preview(profile, before, after, changes(before, after), replaced)

    def candidate(
        self, station_id: str, connector_id: int, profile: ChargingProfile, running: Sequence[Running]
    ) -> Held:
        """A profile as it would be held; a TxProfile without id belongs to what runs there."""
        transaction_id = profile.transaction_id
        if profile.charging_profile_purpose == "TxProfile" and transaction_id is None:
            here = (each.transaction_id for each in running if each.connector_id == connector_id)
            transaction_id = next(here, None)
        return Held(station_id, connector_id, transaction_id, self._host.env.now(), profile)

    # -- answers of stations -------------------------------------------------------------------------------------

    def answered(
        self, station_id: str, request: GetCompositeSchedule, response: GetCompositeScheduleResponse
    ) -> Pending[None]:
        """A station has answered GetCompositeSchedule."""
        now = self._host.env.now()
        row = Answer(station_id, request.connector_id, now, request.duration, request.charging_rate_unit, response)
        return self._host.store.submit(put_answers, row)

    async def comparisons(self, station_id: str) -> Sequence[Comparison]:
        """The last answer for each connector beside what csmsd works out for the same time (SC-30)."""

        def read(connection: sa.Connection) -> list[Answer]:
            rows = connection.execute(OF_STATION, {"of_station": station_id}).mappings()
            return [_answer_of(row) for row in rows]

        return [await self._compared(each) for each in await self._host.store.read(read)]

    async def _compared(self, each: Answer) -> Comparison:
        schedule = each.response.charging_schedule
        if schedule is None or each.response.status != "Accepted" or not 0 < each.duration <= LONGEST:
            return Comparison(each, None, ())
        query = Query(each.connector_id, each.starts_at, each.duration, schedule.charging_rate_unit)
        ours = await self.calculate(each.station_id, query)
        return Comparison(each, ours, differences(steps_of(schedule, each.duration), ours.periods, each.duration))

    # -- inside --------------------------------------------------------------------------------------------------

    def _composite(
        self, station_id: str, profiles: Sequence[Installed], running: Sequence[Running], query: Query
    ) -> Composite:
        if not 0 < query.duration <= LONGEST:
            raise InvalidQuery(f"a duration of 1 to {LONGEST} seconds is worked out, not {query.duration}")
        return composite(profiles, running, query, self._rules(station_id))

    def _rules(self, station_id: str) -> Rules:
        count = core_of(self._host).configuration.number(station_id, "NumberOfConnectors") or 0
        every = tuple(range(1, count + 1)) if self._config.sum_all_connectors else ()
        return Rules(self._config.exact_voltage, self._config.tx_profile_hides_default, every)


def _answer_of(row: sa.RowMapping) -> Answer:
    response, _ = _decoder.decode_strictly(row["content"].encode())
    return Answer(row["station_id"], row["connector_id"], row["received_at"], row["duration"], row["unit"], response)
