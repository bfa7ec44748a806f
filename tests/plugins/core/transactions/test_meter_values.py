"""MeterValues: stored whole, once, and attributed to the transaction that was running."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csmsd.ocpp.decoding import Deviation
from csmsd.ocpp.types import UnreadableTimestamp
from csmsd_core import attribution
from csmsd_core.messages import MeterValue, MeterValuesResponse, SampledValue
from csmsd_core.transaction_tables import meter_value

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FOREVER = {"since": NOON - timedelta(days=9999), "until": NOON + timedelta(days=9999)}


@pytest.mark.req("MV-01", "MV-02", "MV-03", "MV-04", "MV-07", "MV-11", "MSG-05", "TC_054")
async def test_all_samples_of_all_elements_are_stored_with_all_qualifiers(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    samples = [
        SampledValue("1.5", unit="kWh"),
        SampledValue("230.1", "Sample.Clock", "Raw", "Voltage", "L1-N", "Inlet", "V"),
        SampledValue("231", "Sample.Clock", "Raw", "Voltage", "L2-N", "Inlet"),
        SampledValue("16.02", measurand="Current.Import", phase="L1"),
        SampledValue("41", measurand="SoC", location="EV", unit="Percent"),
    ]
    response = await bench.send_meter(element(NOON, *samples), element(NOON + MINUTE, "1600"), reference=id_)
    assert response == MeterValuesResponse()
    first, second = await bench.transactions.readings(id_)
    assert (first.station_id, first.connector_id, first.reference, first.at) == ("CP-1", 1, id_, NOON)
    assert [each.value for each in first.samples] == ["1.5", "230.1", "231", "16.02", "41"]
    energy, voltage, other, current, soc = first.samples
    assert (energy.number, energy.normal_unit, energy.unit) == ("1500", "Wh", "kWh")
    assert (voltage.context, voltage.phase, voltage.location) == ("Sample.Clock", "L1-N", "Inlet")
    assert (other.unit, other.normal_unit, current.normal_unit, soc.location) == (None, "V", "A", "EV")
    assert (first.energy_wh, first.voltage_mv, first.current_ma, first.soc_permille) == (1500, 231000, 16020, 410)
    assert (second.energy_wh, second.power_w) == (1600, None)
    (fact,) = await bench.facts("meter_values_stored")
    assert [each["energy_wh"] for each in fact["readings"]] == [1500, 1600]


@pytest.mark.req("MV-05", "MV-06", "MV-01")
async def test_signed_and_unparsable_values_are_stored_as_they_are(bench: Any, element: Any) -> None:
    signed = SampledValue("00FFab" * 100, format="SignedData")
    await bench.meter(element(NOON, signed, SampledValue("n/a", measurand="Voltage"), "NaN"))
    (found,) = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert [(each.value, each.number) for each in found.samples] == [(signed.value, ""), ("n/a", ""), ("NaN", "")]
    assert found.energy_wh is None
    assert found.flags == ("MV-05 not a number",)


@pytest.mark.req("MV-08")
async def test_the_main_meter_is_attributed_only_when_a_transaction_is_named(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    await bench.meter(element(NOON, SampledValue("9", location="Inlet")), connector=0)
    assert await bench.transactions.readings(id_) == []
    await bench.meter(element(NOON, SampledValue("9", location="Inlet")), connector=0, reference=id_)
    (found,) = await bench.transactions.readings(id_)
    assert (found.connector_id, found.flags) == (0, ())
    assert len(await bench.transactions.readings_at("CP-1", 0, **FOREVER)) == 2


@pytest.mark.req("MV-09", "MV-10")
@pytest.mark.parametrize("late", [9 * HOUR, timedelta(days=400)], ids=["the same day", "a year later"])
async def test_without_an_id_a_sample_belongs_to_what_was_running_at_its_time(
    bench: Any, element: Any, late: timedelta
) -> None:
    bench.now = NOON + late
    first = await bench.start(at=NOON)
    await bench.stop(first, at=NOON + HOUR)
    second = await bench.start(at=NOON + HOUR, meter=5000)
    third = await bench.start(at=NOON + 3 * HOUR, meter=6000)
    expected = {
        -MINUTE: None,
        timedelta(0): first,
        59 * MINUTE: first,
        HOUR: second,  # a clock-aligned sample after the change belongs to the new one
        2 * HOUR: second,
        3 * HOUR: third,  # the second is superseded from here on
        5 * HOUR: third,
    }
    await bench.meter(*[element(NOON + after, str(after.seconds)) for after in expected])
    await bench.meter(element(NOON + 5 * HOUR, "1"), connector=2)
    await bench.meter(element(NOON + 5 * HOUR, "1"), station="CP-2")
    found = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert {each.at - NOON: each.transaction_id for each in found} == expected
    assert [each.transaction_id for each in await bench.transactions.readings_at("CP-2", 1, **FOREVER)] == [None]
    assert [each.transaction_id for each in await bench.transactions.readings_at("CP-1", 2, **FOREVER)] == [None]


@pytest.mark.req("MV-08")
async def test_the_main_meter_belongs_to_nobody_even_if_a_station_starts_on_connector_zero(
    bench: Any, element: Any
) -> None:
    id_ = await bench.start(connector=0)
    pending = [bench.send_meter(element(NOON + MINUTE, "1"), connector=each) for each in (0, 1)]
    for each in pending:
        await each
    assert await bench.transactions.readings(id_) == []


@pytest.mark.req("MV-09", "PERF-03", "TX-04")
async def test_an_old_clock_makes_nobody_read_the_past_of_all_stations(
    bench: Any, element: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stations = [f"CP-{number}" for number in range(1, 9)]
    for station in stations:
        for hour in range(0, 48, 4):
            id_ = await bench.start(station, at=NOON + hour * HOUR, meter=hour)
            await bench.stop(id_, station, at=NOON + (hour + 1) * HOUR)
    bench.now = NOON + timedelta(days=30)
    read: list[Any] = []
    known = attribution._Known

    def count(**row: Any) -> Any:
        read.append(row)
        return known(**row)

    monkeypatch.setattr(attribution, "_Known", count)
    old = bench.send_meter(element(NOON + 45 * HOUR, "1"), station="CP-1")  # after all that began
    live = [bench.send_meter(element(bench.now, "1"), station=station) for station in stations[1:]]
    for sent in (old, *live):
        await sent
    assert {row["station_id"] for row in read} <= {"CP-1"}
    assert len(read) <= attribution.OVERLAPPING


@pytest.mark.req("MV-09", "TX-12")
async def test_a_superseded_transaction_is_not_running_after_its_successor_has_stopped(
    bench: Any, element: Any
) -> None:
    bench.now = NOON + 9 * HOUR
    older = await bench.start(at=NOON)
    newer = await bench.start(at=NOON + HOUR, meter=2000)
    await bench.stop(newer, at=NOON + 2 * HOUR)
    await bench.meter(element(NOON + 3 * HOUR, "1"))
    assert await bench.transactions.readings(older) == await bench.transactions.readings(newer) == []


@pytest.mark.req("MV-09", "TX-12")
async def test_of_several_running_transactions_the_one_with_the_latest_start_counts(bench: Any, element: Any) -> None:
    late = await bench.start(at=NOON)
    await bench.start(at=NOON - HOUR, tag="OTHER")
    await bench.meter(element(NOON + MINUTE, "1"))
    assert len(await bench.transactions.readings(late)) == 1
    next_one = await bench.start(at=NOON + HOUR, meter=2000, received=NOON + 4 * HOUR)
    await bench.stop(late, at=NOON + 3 * HOUR, received=NOON + 4 * HOUR)
    await bench.stop(next_one, at=NOON + 4 * HOUR, received=NOON + 4 * HOUR)
    await bench.meter(element(NOON + 2 * HOUR, "2"), received=NOON + 4 * HOUR)
    assert [each.energy_wh for each in await bench.transactions.readings(next_one)] == [2]


@pytest.mark.req("MV-09", "TX-25", "WS-08")
async def test_finished_unknown_and_foreign_ids_are_confirmed_stored_and_flagged(bench: Any, element: Any) -> None:
    own, foreign = await bench.start(), await bench.start("CP-2")
    await bench.stop(own, at=NOON + MINUTE)
    await bench.meter(element(NOON + HOUR, "1"), reference=own, connector=2)
    await bench.meter(element(NOON + HOUR, "2"), reference=foreign)
    await bench.meter(element(NOON + HOUR, "3"), reference=4711)
    (found,) = await bench.transactions.readings(own)
    assert found.flags == ("MV-09 after the stop", "MV-09 other connector")
    assert await bench.transactions.readings(foreign) == []
    others = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert [(each.transaction_id, each.flags) for each in others] == [(None, ("TX-25 unknown transaction",))] * 2


@pytest.mark.req("MV-13", "RPC-12", "B-01")
async def test_duplicates_are_stored_once_and_other_values_are_kept_and_flagged(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    power = SampledValue("7000", measurand="Power.Active.Import")
    await bench.meter(element(NOON, "1000", power), reference=id_)
    bench.restart()
    await bench.meter(element(NOON, "1000", power), reference=id_, received=NOON + HOUR)
    await bench.meter(element(NOON, SampledValue("7", unit="kW", measurand="Power.Active.Import")), reference=id_)
    assert await bench.count(meter_value) == 1
    await bench.meter(element(NOON, "1000", "1001"), reference=id_)
    await bench.meter(element(NOON, "1001"), reference=id_)
    found = await bench.transactions.readings(id_)
    assert [[each.value for each in reading.samples] for reading in found] == [["1000", "7000"], ["1001"]]
    assert [each.flags for each in found] == [(), ("MV-13 differing value",)]
    assert sum(len(fact["readings"]) for fact in await bench.facts("meter_values_stored")) == 2


@pytest.mark.req("MV-13")
async def test_another_value_in_another_message_is_kept_and_flagged(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    for value in ("1000", "1001"):
        await bench.meter(element(NOON, value), reference=id_)
    found = await bench.transactions.readings(id_)
    assert [(each.energy_wh, each.flags) for each in found] == [(1000, ()), (1001, ("MV-13 differing value",))]


@pytest.mark.req("MV-13", "MV-11")
async def test_within_an_element_doubles_go_and_differing_values_stay(bench: Any, element: Any) -> None:
    await bench.meter(element(NOON, "5", "5.0", SampledValue("5", context="Trigger"), "6"))
    (found,) = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert [each.value for each in found.samples] == ["5", "5", "6"]
    assert found.flags == ("MV-13 differing value",)


@pytest.mark.req("MV-13")
async def test_duplicates_in_one_batch_collapse(bench: Any, element: Any) -> None:
    pending = [bench.send_meter(element(NOON, "5"), element(NOON, "6")) for _ in range(3)]
    for each in pending:
        await each
    found = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert [[each.value for each in reading.samples] for reading in found] == [["5"], ["6"]]


@pytest.mark.req("MV-13", "PERF-04")
async def test_another_fraction_is_another_instant(bench: Any, element: Any) -> None:
    await bench.meter(element(NOON, "5"), element(NOON + timedelta(milliseconds=1), "5"))
    found = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert [each.at for each in found] == [NOON, NOON + timedelta(milliseconds=1)]


@pytest.mark.req("VAL-14", "MV-13", "TX-39")
async def test_unreadable_times_are_the_time_of_receipt_and_repeat_by_their_text(bench: Any, element: Any) -> None:
    for later in (timedelta(0), HOUR):
        at = UnreadableTimestamp.at(NOON + later, "noon")
        await bench.meter(element(at, "5"), received=NOON + later)
    await bench.meter(element(datetime(1970, 1, 1, tzinfo=UTC), "5"))
    first, second = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert (first.at, first.reported_at) == (NOON, None)
    assert (second.at, second.flags) == (NOON, ("TX-39 implausible timestamp",))


@pytest.mark.req("VAL-14", "MV-01", "B-01")
async def test_what_was_set_aside_is_kept_raw_and_the_rest_is_processed(bench: Any, element: Any) -> None:
    payload = b'{"connectorId":1,"meterValue":[{"timestamp":"x"}]}'
    broken = [Deviation("VAL-14", "meterValue[1].sampledValue[0]", "{}")]
    await bench.meter(element(NOON, "5"), deviations=broken, payload=payload)
    for _ in range(2):
        await bench.meter(deviations=[Deviation("VAL-14", "meterValue[0]", "{}")], payload=payload)
    await bench.meter(
        element(NOON + MINUTE, "6"), deviations=[Deviation("VAL-14", "meterValue[0].sampledValue[0].unit", "?")]
    )
    query = sa.select(meter_value.c.set_aside, meter_value.c.samples, meter_value.c.flags).order_by(meter_value.c.id)
    rows = await bench.store.read(lambda connection: connection.execute(query).all())
    assert [row.set_aside for row in rows] == [payload.decode(), payload.decode(), None]
    assert [len(msgspec.json.decode(row.samples)) for row in rows] == [1, 0, 1]
    assert msgspec.json.decode(rows[2].flags) == ["VAL-14 meterValue.sampledValue.unit"]


@pytest.mark.req("VAL-14", "TX-28")
async def test_a_stop_with_defective_transaction_data_keeps_it_raw(bench: Any) -> None:
    id_ = await bench.start()
    await bench.stop(id_, deviations=[Deviation("VAL-14", "transactionData[0]", "{}")])
    query = sa.select(meter_value.c.set_aside, meter_value.c.transaction_id)
    assert await bench.store.read(lambda connection: connection.execute(query).all()) == [("{}", id_)]
    assert (await bench.transactions.find(id_)).flags == ()


@pytest.mark.req("MV-01", "VAL-18")
async def test_strange_characters_break_nothing(bench: Any) -> None:
    raw: Any = "\x00"  # VAL-14 lets texts through where an enumeration is expected
    odd = SampledValue("\x00\u202e'", unit=raw, measurand=raw)
    await bench.meter(MeterValue(UnreadableTimestamp.at(NOON, "\x00"), (odd,)))
    (found,) = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert (found.samples[0].value, found.samples[0].unit) == ("\x00\u202e'", "\x00")


@pytest.mark.req("MV-12", "B-05")
async def test_a_register_that_runs_backwards_is_flagged(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    values = [element(NOON + number * MINUTE, value) for number, value in enumerate(("1000", "900", "950", "1000"))]
    await bench.meter(*values, element(NOON + HOUR, SampledValue("7", measurand="Voltage")), reference=id_)
    marks = [each.flags for each in await bench.transactions.readings(id_)]
    assert marks == [(), ("MV-12 decreasing register",), ("MV-12 decreasing register",), (), ()]


@pytest.mark.req("MV-12", "MV-14")
async def test_intervals_exports_and_offers_are_not_taken_for_the_register_or_a_measurement(
    bench: Any, element: Any
) -> None:
    samples = [
        SampledValue("10", "Sample.Clock", measurand="Energy.Active.Import.Interval"),
        SampledValue("11", measurand="Energy.Active.Export.Register"),
        SampledValue("12", measurand="Power.Offered"),
        SampledValue("13", measurand="Power.Active.Export"),
        SampledValue("14", measurand="Current.Offered"),
    ]
    await bench.meter(element(NOON, *samples))
    (found,) = await bench.transactions.readings_at("CP-1", 1, **FOREVER)
    assert (found.energy_wh, found.power_w, found.current_ma) == (None, None, None)
    assert len(found.samples) == 5


@pytest.mark.req("MV-15", "TX-28")
async def test_missing_samples_spoil_no_transaction(bench: Any, element: Any) -> None:
    id_ = await bench.start(meter=1000)
    await bench.meter(element(NOON + MINUTE, "1010"), reference=id_)
    await bench.stop(id_, meter=9000, at=NOON + 5 * HOUR)  # hours without a sample
    stored = await bench.transactions.find(id_)
    assert (stored.energy_wh, stored.flags) == (8000, ())
    assert [each.energy_wh for each in await bench.transactions.readings(id_)] == [1010]
