"""Readings in their table: what is known already is not stored again (MV-13, TX-28).

The first part of an instant is inserted blindly; only where there is one already are samples compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import FactRow, fact_row
from csmsd_core import flags
from csmsd_core.facts import METER_VALUES_STORED
from csmsd_core.insertion import insert_new
from csmsd_core.lookup import by_key, wanted
from csmsd_core.measurands import figures_of, identity_of, is_same
from csmsd_core.moments import Moment
from csmsd_core.records import MeterValuesBatch, Reading, Sample
from csmsd_core.transaction_tables import meter_value

Key = tuple[str, str, str]

DIFFERING = "MV-13 differing value"

ADD = insert_new(meter_value, ("at_key", "station_id", "origin", "part"), returning=("at_key", "station_id", "origin"))
ADD_PART = sa.insert(meter_value)
SAME_INSTANT = sa.select(
    meter_value.c.at_key, meter_value.c.station_id, meter_value.c.origin, meter_value.c.part, meter_value.c.samples
).where(by_key(meter_value.c.at_key, meter_value.c.station_id))
OF_TRANSACTIONS = sa.select(meter_value.c.transaction_id, meter_value.c.at_key, meter_value.c.samples).where(
    meter_value.c.transaction_id.in_(sa.bindparam("ids", expanding=True)),
    meter_value.c.at_key.in_(sa.bindparam("instants", expanding=True)),
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Sample, ...]).decode


class Element(msgspec.Struct, frozen=True, gc=False):
    """One MeterValue element, normalised."""

    key: str  # equal for retransmissions
    moment: Moment
    samples: tuple[Sample, ...]
    flags: tuple[str, ...] = ()
    set_aside: str | None = None  # the message's JSON, if a part of it could not be understood (VAL-14)


class NewReading(msgspec.Struct, frozen=True, gc=False):
    """An element, and where it belongs."""

    station_id: str
    origin: str
    element: Element
    connector_id: int | None = None
    reference: int | None = None
    transaction_id: int | None = None
    stop_id: int | None = None
    part: int = 0

    @property
    def key(self) -> Key:
        """Station, message kind and instant; see the table's unique key."""
        return (self.element.key, self.station_id, self.origin)


def distinct(samples: Iterable[Sample]) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """The samples without repetitions, and a flag if two differ in nothing but the value (MV-13)."""
    kept: list[Sample] = []
    marks: tuple[str, ...] = ()
    for sample in samples:
        if any(is_same(sample, each) for each in kept):
            continue
        if any(identity_of(sample) == identity_of(each) for each in kept):
            marks = (DIFFERING,)
        kept.append(sample)
    return tuple(kept), marks


def store_readings(connection: sa.Connection, readings: Sequence[NewReading]) -> list[Reading]:
    """Store what is new of them, and return that."""
    if not readings:
        return []
    first: dict[Key, NewReading] = {}
    later = [each for each in readings if first.setdefault(each.key, each) is not each]
    found = connection.execute(ADD[connection.dialect.name], [_values(each) for each in first.values()])
    added = {(row.at_key, row.station_id, row.origin) for row in found}
    stored = [_reading_of(each) for key, each in first.items() if key in added]
    rest = [each for key, each in first.items() if key not in added] + later
    return stored + (_store_parts(connection, rest) if rest else [])


def _store_parts(connection: sa.Connection, readings: Sequence[NewReading]) -> list[Reading]:
    """For instants of which there is something already: keep only samples that are new."""
    known: dict[Key, list[Sample]] = {}
    parts: dict[Key, int] = {}
    for row in connection.execute(SAME_INSTANT, wanted([each.key for each in readings])):
        key = (row.at_key, row.station_id, row.origin)
        known.setdefault(key, []).extend(_decode(row.samples))
        parts[key] = max(parts.get(key, 0), row.part)
    new: list[NewReading] = []
    for reading in readings:
        more = _without(reading.element, known[reading.key])
        if more.samples:
            known[reading.key].extend(more.samples)
            parts[reading.key] += 1
            new.append(msgspec.structs.replace(reading, element=more, part=parts[reading.key]))
    if new:
        connection.execute(ADD_PART, [_values(each) for each in new])
    return [_reading_of(each) for each in new]


def without_known(connection: sa.Connection, readings: Sequence[NewReading]) -> list[NewReading]:
    """Readings of transactionData without the samples that MeterValues have brought already (TX-28)."""
    linked = [each for each in readings if each.transaction_id is not None]
    if not linked:
        return list(readings)
    parameters = {
        "ids": sorted({each.transaction_id for each in linked if each.transaction_id is not None}),
        "instants": sorted({each.element.key for each in linked}),
    }
    known: dict[tuple[int | None, str], list[Sample]] = {}
    for row in connection.execute(OF_TRANSACTIONS, parameters):
        known.setdefault((row.transaction_id, row.at_key), []).extend(_decode(row.samples))
    kept: list[NewReading] = []
    for reading in readings:
        before = known.get((reading.transaction_id, reading.element.key), [])
        more = _without(reading.element, before)
        if more.samples or not before or more.set_aside is not None:
            kept.append(msgspec.structs.replace(reading, element=more))
    return kept


def reading_facts(readings: Iterable[Reading]) -> list[FactRow]:
    """One fact for each station that has something new."""
    by_station: dict[str, list[Reading]] = {}
    for reading in readings:
        by_station.setdefault(reading.station_id, []).append(reading)
    return [
        fact_row(METER_VALUES_STORED, station_id, MeterValuesBatch(station_id, tuple(new)))
        for station_id, new in by_station.items()
    ]


def reading_of(row: sa.RowMapping) -> Reading:
    """A row of the table as others see it."""
    return Reading(
        station_id=row["station_id"],
        connector_id=row["connector_id"],
        transaction_id=row["transaction_id"],
        at=row["at"],
        reported_at=row["reported_at"],
        received_at=row["received_at"],
        samples=_decode(row["samples"]),
        reference=row["reference"],
        stop_id=row["stop_id"],
        energy_wh=row["energy_wh"],
        power_w=row["power_w"],
        current_ma=row["current_ma"],
        voltage_mv=row["voltage_mv"],
        soc_permille=row["soc_permille"],
        flags=flags.from_text(row["flags"]),
    )


def _without(element: Element, known: Sequence[Sample]) -> Element:
    more = tuple(each for each in element.samples if not any(is_same(each, other) for other in known))
    identities = {identity_of(each) for each in known}
    marks = (DIFFERING,) if any(identity_of(each) in identities for each in more) else ()
    return msgspec.structs.replace(element, samples=more, flags=flags.unique((*element.flags, *marks)))


def _values(new: NewReading) -> dict[str, Any]:
    element, moment = new.element, new.element.moment
    figures = figures_of(element.samples)
    return {
        "at_key": element.key,
        "station_id": new.station_id,
        "origin": new.origin,
        "part": new.part,
        "connector_id": new.connector_id,
        "reference": new.reference,
        "transaction_id": new.transaction_id,
        "stop_id": new.stop_id,
        "at": moment.at,
        "reported_at": moment.reported_at,
        "received_at": moment.received_at,
        "samples": _encode(element.samples).decode(),
        "set_aside": element.set_aside,
        "energy_wh": figures.energy_wh,
        "power_w": figures.power_w,
        "current_ma": figures.current_ma,
        "voltage_mv": figures.voltage_mv,
        "soc_permille": figures.soc_permille,
        "flags": flags.to_text(element.flags),
    }


def _reading_of(new: NewReading) -> Reading:
    element, moment = new.element, new.element.moment
    return Reading(
        station_id=new.station_id,
        connector_id=new.connector_id,
        transaction_id=new.transaction_id,
        at=moment.at,
        reported_at=moment.reported_at,
        received_at=moment.received_at,
        samples=element.samples,
        reference=new.reference,
        stop_id=new.stop_id,
        flags=element.flags,
        **msgspec.structs.asdict(figures_of(element.samples)),
    )


def distinct_readings(readings: Iterable[Reading]) -> list[Reading]:
    """Readings of one transaction without samples that an earlier one of the same instant has."""
    known: dict[object, list[Sample]] = {}
    kept: list[Reading] = []
    for reading in readings:
        before = known.setdefault(reading.at, [])
        samples = tuple(each for each in reading.samples if not any(is_same(each, other) for other in before))
        before.extend(samples)
        if samples or not reading.samples:
            kept.append(msgspec.structs.replace(reading, samples=samples))
    return kept
