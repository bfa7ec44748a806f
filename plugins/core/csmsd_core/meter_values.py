"""MeterValues: normalised when they arrive, attributed and stored once for each batch (MV-01..MV-13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from csmsd.ocpp.decoding import Deviation
from csmsd.station import Arrival
from csmsd.store import Store
from csmsd_core import flags
from csmsd_core.attribution import Attribution, MeterRow
from csmsd_core.measurands import NO_NUMBER, is_doubtful, sample_of
from csmsd_core.messages import MeterValue
from csmsd_core.moments import IMPLAUSIBLE, Moment, moment_of
from csmsd_core.reading_rows import Element, NewReading, distinct, reading_facts, store_readings
from csmsd_core.reconciliation import NewProposal, propose
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import transaction

MARK_KNOWN = (
    sa.update(transaction)
    .where(transaction.c.id == sa.bindparam("of"), transaction.c.station_id == sa.bindparam("by"))
    .values(is_known=True)
)

_SET_ASIDE = re.compile(r"^\w+\[\d+\](\.sampledValue\[\d+\])?$")  # a whole element, not a property of one


class Metering:
    """The write of MeterValues; one object per store."""

    def __init__(self, store: Store, rules: TransactionRules) -> None:
        self._store, self._rules = store, rules

    def write(self, connection: sa.Connection, rows: Sequence[MeterRow]) -> Sequence[None]:
        """Store what is new of them; whatever is odd about it is flagged, never refused (MV-01)."""
        attribution = Attribution(connection, rows, self._rules.staleness)
        readings: list[NewReading] = []
        proposals: dict[tuple[str, int, int], NewProposal] = {}
        for row in rows:
            for element in row.elements:
                place = attribution.place(row, element.moment.at)
                readings.append(_reading(row, element, place.transaction_id, place.flags))
                for each in place.candidates:
                    proposals[row.station_id, row.connector_id, each.id] = NewProposal(
                        row.station_id, each.id, row.received_at, connector_id=row.connector_id
                    )
        stored = store_readings(connection, readings)
        propose(connection, list(proposals.values()))
        mark_known(connection, attribution.newly_known(rows))
        self._store.record_facts(connection, reading_facts(stored))
        return [None] * len(rows)


def mark_known(connection: sa.Connection, uses: Sequence[tuple[str, int]]) -> Sequence[None]:
    """Stations have shown to know the ids of their transactions (TX-24); also a write in its own right."""
    if uses:
        connection.execute(MARK_KNOWN, [{"by": station_id, "of": id_} for station_id, id_ in uses])
    return [None] * len(uses)


def elements_of(values: Sequence[MeterValue], arrival: Arrival, path: str) -> tuple[Element, ...]:
    """MeterValue elements, normalised; `path` is their property: "meterValue" or "transactionData".

    If a part was set aside as defective, the message is kept whole beside the first element, or beside an empty one.
    """
    deviations = [each for each in arrival.deviations if each.path.startswith(path)]
    marks = flags.unique(flags.flag_of(each) for each in deviations)
    original = _original(arrival, deviations)
    elements = tuple(
        _element(value, arrival.received_at, marks, original if position == 0 else None)
        for position, value in enumerate(values)
    )
    if elements or not deviations:
        return elements
    digest = hashlib.blake2b(arrival.payload, digest_size=16).hexdigest()
    moment = Moment(arrival.received_at, None, arrival.received_at)
    return (Element(f"empty:{digest}", moment, (), marks, original),)


def _original(arrival: Arrival, deviations: Sequence[Deviation]) -> str | None:
    is_incomplete = any(_SET_ASIDE.match(each.path) for each in deviations)
    return arrival.payload.decode(errors="replace").replace("\x00", "\\u0000") if is_incomplete else None


def _element(value: MeterValue, received_at: datetime, marks: tuple[str, ...], original: str | None) -> Element:
    moment = moment_of(value.timestamp, received_at)
    samples, own = distinct(map(sample_of, value.sampled_value))
    if any(map(is_doubtful, samples)):
        own += (NO_NUMBER,)
    if moment.is_implausible:
        own += (IMPLAUSIBLE,)
    return Element(moment.exact_key, moment, samples, (*marks, *own), original)


def _reading(row: MeterRow, element: Element, transaction_id: int | None, marks: tuple[str, ...]) -> NewReading:
    if marks:
        element = Element(element.key, element.moment, element.samples, (*element.flags, *marks), element.set_aside)
    return NewReading(
        row.station_id,
        row.origin,
        element,
        connector_id=row.connector_id,
        reference=row.reference,
        transaction_id=transaction_id,
    )
