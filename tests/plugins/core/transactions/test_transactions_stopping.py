"""StopTransaction: confirmed always, counted once, by rank."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csmsd.ocpp.decoding import Deviation
from csmsd.ocpp.types import UnreadableTimestamp
from csmsd_core.messages import SampledValue
from csmsd_core.transaction_queries import TransactionFilter
from csmsd_core.transaction_tables import stop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.req("TX-20", "TX-26", "TX-27", "TX-37", "VAL-12", "MSG-08", "B-07")
async def test_a_stop_ends_its_transaction_with_energy_in_whole_wh(bench: Any) -> None:
    id_ = await bench.start(meter=1000)
    response = await bench.stop(id_, meter=8500, at=NOON + HOUR)
    assert response.id_tag_info is None
    stored = await bench.transactions.find(id_)
    assert (stored.status, stored.energy_wh, stored.reason, stored.stopped_at) == (
        "stopped",
        7500,
        "Local",
        NOON + HOUR,
    )
    assert stored.duration_seconds == 3600
    (fact,) = await bench.facts("transaction_stopped")
    assert (fact["id"], fact["energy_wh"], fact["status"]) == (id_, 7500, "stopped")


@pytest.mark.req("TX-21", "AUTH-07", "AUTH-02")
@pytest.mark.parametrize("verdict", ["Accepted", "Blocked", "Invalid"])
async def test_the_conf_has_the_own_verdict_of_the_tag_that_stopped(bench: Any, verdict: str) -> None:
    id_ = await bench.start()
    response = await bench.stop(id_, tag="TAG", verdict=verdict, parent="GROUP")
    assert (response.id_tag_info.status, response.id_tag_info.parent_id_tag) == (verdict, "GROUP")
    assert (await bench.transactions.find(id_)).status == "stopped"


@pytest.mark.req("TX-26", "TX-35", "VAL-14")
@pytest.mark.parametrize("reason", ["SoftReset", "HardReset", "PowerLoss", "DeAuthorized", "VendorReason"])
async def test_reasons_are_stored_as_given(bench: Any, reason: str) -> None:
    id_ = await bench.start()
    await bench.stop(id_, reason=reason, deviations=[Deviation("VAL-14", "reason", reason)])
    stored = await bench.transactions.find(id_)
    assert stored.reason == reason
    assert "VAL-14 reason" in stored.flags


@pytest.mark.req("TX-22", "RPC-12", "B-03")
async def test_a_repeated_stop_is_confirmed_and_changes_nothing(bench: Any) -> None:
    id_ = await bench.start()
    await bench.stop(id_, at=NOON + timedelta(milliseconds=500))
    bench.restart()
    for at in (NOON, NOON + timedelta(milliseconds=500)):
        assert (await bench.stop(id_, at=at, received=NOON + HOUR)).id_tag_info is None
    assert await bench.count(stop) == 1
    assert len(await bench.facts("transaction_stopped")) == 1


@pytest.mark.req("TX-22")
async def test_stops_in_progress_at_the_same_time_collapse(bench: Any) -> None:
    id_ = await bench.start()
    pending = [bench.send_stop(id_), bench.send_stop(id_), bench.send_stop(id_, meter=6000)]
    for each in pending:
        await each
    assert (await bench.transactions.find(id_)).meter_stop == 5000
    assert [each.state for each in await bench.transactions.stops(id_)] == ["applied", "conflict"]


@pytest.mark.req("TX-22", "B-03")
async def test_a_differing_second_stop_is_kept_as_a_conflict(bench: Any) -> None:
    id_ = await bench.start()
    await bench.stop(id_, meter=5000)
    await bench.stop(id_, meter=9000)
    await bench.stop(id_, meter=9000)
    await bench.stop(id_, meter=5000, reason="PowerLoss")
    await bench.stop(id_, meter=5000, reason="PowerLoss")
    found = await bench.transactions.stops(id_)
    assert [(each.state, each.meter_stop, each.reason) for each in found] == [
        ("applied", 5000, "Local"),
        ("conflict", 9000, "Local"),
        ("conflict", 5000, "PowerLoss"),
    ]
    stored = await bench.transactions.find(id_)
    assert (stored.meter_stop, stored.reason, stored.stop_id) == (5000, "Local", found[0].id)


@pytest.mark.req("TX-22")
async def test_an_operator_can_make_a_transaction_of_a_conflict(bench: Any) -> None:
    id_ = await bench.start(connector=2)
    await bench.stop(id_, meter=5000)
    await bench.stop(id_, meter=9000, at=NOON + HOUR)
    conflict = (await bench.transactions.stops(id_))[1]
    about = {"actor": "ann", "started_at": NOON + MINUTE, "meter_start": 5000, "id_tag": "OTHER"}
    made = await bench.transactions.separate(conflict.id, **about)
    assert (made.connector_id, made.energy_wh, made.status, made.id_tag) == (2, 4000, "stopped", "OTHER")
    assert made.id != id_
    assert (await bench.transactions.find(made.id)).flags == made.flags
    assert (await bench.transactions.find(id_)).energy_wh == 4000
    with pytest.raises(Exception, match="separated"):
        await bench.transactions.separate(conflict.id, **about)
    with pytest.raises(Exception, match="no stop 999"):
        await bench.transactions.separate(999, **about)
    await bench.stop(id_, meter=9000, at=NOON + HOUR)  # the station repeats it: no effect
    assert await bench.count(stop) == 2


@pytest.mark.req("TX-25", "WS-08")
async def test_another_stations_transaction_is_never_touched(bench: Any) -> None:
    id_ = await bench.start("CP-1")
    response = await bench.stop(id_, "CP-2", tag="TAG")
    assert response.id_tag_info.status == "Accepted"
    assert (await bench.transactions.find(id_)).status == "open"
    (lost,) = await bench.transactions.unmatched_stops()
    assert (lost.station_id, lost.reference, lost.transaction_id) == ("CP-2", id_, None)
    assert lost.flags == ("TX-25 transaction of another station",)
    await bench.stop(id_, "CP-1")
    assert (await bench.transactions.find(id_)).status == "stopped"


@pytest.mark.req("TX-25", "TX-38")
async def test_an_unknown_id_is_confirmed_and_kept_once(bench: Any) -> None:
    for _ in range(2):
        await bench.stop(4711)
    (lost,) = await bench.transactions.unmatched_stops("CP-1")
    assert (lost.reference, lost.meter_stop, lost.flags) == (4711, 5000, ("TX-25 unknown transaction",))
    assert await bench.transactions.unmatched_stops("CP-2") == []


@pytest.mark.req("TX-27", "TX-39")
@pytest.mark.parametrize(
    ("about", "flag", "duration"),
    [
        ({"meter": 900}, "TX-27 negative energy", 60),
        ({"meter": 3_000_000}, "TX-27 implausible energy", 60),
        ({"meter": 101_000}, "TX-27 implausible energy", 60),  # 100 kWh in a minute
        ({"at": NOON - HOUR}, "TX-27 stop before start", None),
        ({"at": datetime(2099, 1, 1, tzinfo=UTC)}, "TX-39 implausible timestamp", 60),
    ],
)
async def test_implausible_results_are_stored_and_flagged(
    bench: Any, about: dict[str, Any], flag: str, duration: int | None
) -> None:
    id_ = await bench.start(meter=1000)
    bench.now = NOON + MINUTE
    await bench.stop(id_, **{"meter": 1010, **about})
    stored = await bench.transactions.find(id_)
    assert flag in stored.flags
    assert stored.duration_seconds == duration
    assert stored.energy_wh == stored.meter_stop - 1000


@pytest.mark.req("MSG-91", "TX-27")
async def test_registers_at_both_ends_of_their_range_are_stored(bench: Any) -> None:
    id_ = await bench.start(meter=-(2**63))
    await bench.stop(id_, meter=2**63 - 1)
    stored = await bench.transactions.find(id_)
    assert (stored.meter_start, stored.meter_stop, stored.energy_wh) == (-(2**63), 2**63 - 1, None)
    assert "TX-27 implausible energy" in stored.flags


@pytest.mark.req("VAL-14", "TX-22")
async def test_an_unreadable_stop_time_is_the_time_of_receipt_and_repeats_by_its_text(bench: Any) -> None:
    id_ = await bench.start()
    for later in (MINUTE, HOUR):
        await bench.stop(id_, at=UnreadableTimestamp.at(NOON + later, "soon"), received=NOON + later)
    stored = await bench.transactions.find(id_)
    assert (stored.stopped_at, stored.stop_reported_at, stored.stop_raw) == (NOON + MINUTE, None, "soon")
    assert await bench.count(stop) == 1


@pytest.mark.req("TX-28")
async def test_transaction_data_is_stored_like_meter_values_and_not_doubled(bench: Any, element: Any) -> None:
    id_ = await bench.start(connector=2)
    power = SampledValue("7", unit="kW", measurand="Power.Active.Import")
    await bench.meter(element(NOON + MINUTE, "1100", power), connector=2, reference=id_)
    data = (
        element(NOON, SampledValue("1000", context="Transaction.Begin")),
        element(NOON + MINUTE, SampledValue("1.1", unit="kWh")),  # known, in another spelling
        element(NOON + HOUR, SampledValue("5000", context="Transaction.End"), power),
    )
    for _ in range(2):
        await bench.stop(id_, at=NOON + HOUR, data=data)
    found = await bench.transactions.readings(id_)
    assert [(each.at, len(each.samples), each.energy_wh) for each in found] == [
        (NOON, 1, 1000),
        (NOON + MINUTE, 2, 1100),
        (NOON + HOUR, 2, 5000),
    ]
    assert {each.connector_id for each in found} == {2}
    assert sum(len(fact["readings"]) for fact in await bench.facts("meter_values_stored")) == 3


@pytest.mark.req("TX-28")
async def test_a_repeated_stop_may_bring_more_samples(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    await bench.stop(id_)
    await bench.stop(id_, data=[element(NOON, "1000")])
    assert [each.energy_wh for each in await bench.transactions.readings(id_)] == [1000]


@pytest.mark.req("TX-40", "TX-32")
async def test_the_real_stop_replaces_an_operators_close_days_later(bench: Any) -> None:
    id_ = await bench.start()
    closed = await bench.transactions.close(id_, actor="ann", meter_stop=1200)
    assert (closed.status, closed.energy_wh, closed.actor) == ("closed", 200, "ann")
    await bench.stop(id_, meter=7000, at=NOON + HOUR, received=NOON + timedelta(days=3))
    stored = await bench.transactions.find(id_)
    assert (stored.status, stored.energy_wh, stored.actor) == ("stopped", 6000, "")
    assert [each.state for each in await bench.transactions.stops(id_)] == ["replaced", "applied"]
    assert [fact["change"] for fact in await bench.facts("transaction_updated")] == ["closed", "stop_replaced"]
    assert len(await bench.facts("transaction_stopped")) == 1


@pytest.mark.req("TX-40", "TX-24")
async def test_the_own_id_replaces_a_reconciled_stop_which_is_unmatched_again(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    await bench.stop(-1, tag="TAG", meter=4000, data=[element(NOON, "1000")])
    assert (await bench.transactions.find(id_)).status == "reconciled"
    await bench.stop(id_, meter=4100)
    stored = await bench.transactions.find(id_)
    assert (stored.status, stored.meter_stop) == ("stopped", 4100)
    (lost,) = await bench.transactions.unmatched_stops()
    assert (lost.reference, lost.rank) == (-1, 0)
    assert await bench.transactions.readings(id_) == []
    await bench.stop(-1, tag="TAG", meter=4000)  # its repeat is still a repeat
    assert await bench.count(stop) == 2


@pytest.mark.req("TX-32", "TX-40")
async def test_a_close_can_be_taken_back_and_never_replaces_a_stop(bench: Any) -> None:
    id_ = await bench.start()
    await bench.transactions.close(id_, actor="ann")
    with pytest.raises(Exception, match="closed already"):
        await bench.transactions.close(id_, actor="bob")
    reopened = await bench.transactions.reopen(id_, actor="bob")
    assert (reopened.status, reopened.stop_id, reopened.reason, reopened.flags) == ("open", None, None, ())
    assert await bench.transactions.find(id_) == reopened
    assert [each.state for each in await bench.transactions.stops(id_)] == ["revoked"]
    await bench.stop(id_)
    for impossible in (bench.transactions.close, bench.transactions.reopen):
        with pytest.raises(Exception, match="stopped"):
            await impossible(id_, actor="ann")
        with pytest.raises(Exception, match="no transaction 999"):
            await impossible(999, actor="ann")
    assert [entry[1] for entry in bench.audit.entries] == ["transaction.close", "transaction.reopen"]


@pytest.mark.req("TX-32", "TX-12")
async def test_the_mark_superseded_can_be_taken_back(bench: Any) -> None:
    older = await bench.start()
    await bench.start(at=NOON + MINUTE, meter=1100)
    assert (await bench.transactions.reopen(older, actor="ann")).status == "open"
    assert (await bench.transactions.find(older)).superseded_by is None


@pytest.mark.req("TX-32", "TX-31", "BOOT-06", "TC_032_1", "TC_018_1")
async def test_status_and_time_close_nothing(bench: Any) -> None:
    id_ = await bench.start()
    await bench.put_status("Available", since=NOON)
    bench.now = NOON + timedelta(days=400)
    assert (await bench.transactions.find(id_)).status == "open"
    await bench.stop(id_, at=NOON + MINUTE, reason="PowerLoss")
    assert (await bench.transactions.find(id_)).status == "stopped"


@pytest.mark.req("TX-30", "TX-34")
async def test_a_queue_of_old_messages_is_processed_like_live_ones(bench: Any) -> None:
    bench.now = NOON + timedelta(days=2)
    for number in range(5):
        at = NOON + number * HOUR
        id_ = await bench.start(meter=number * 1000, at=at)
        if number != 2:  # a lost stop
            await bench.stop(id_, meter=number * 1000 + 900, at=at + MINUTE)
    assert [each.status for each in await bench.all()] == ["stopped", "stopped", "superseded", "stopped", "stopped"]


@pytest.mark.req("TX-37")
async def test_transactions_are_listed_by_what_is_asked_for(bench: Any) -> None:
    first = await bench.start("CP-1")
    second = await bench.start("CP-2", tag="OTHER", at=NOON + HOUR)
    third = await bench.start("CP-1", at=NOON + HOUR, meter=1001)
    await bench.stop(second, "CP-2")

    async def ids(**about: Any) -> list[int]:
        return [each.id for each in await bench.transactions.list(TransactionFilter(**about))]

    assert await ids() == [third, second, first]
    assert await ids(station_id="CP-1") == [third, first]
    assert await ids(status="open") == [third]
    assert await ids(status="superseded", station_id="CP-1") == [first]
    assert await ids(status="stopped") == [second]
    assert await ids(status="reconciled") == await ids(status="closed") == []
    assert await ids(id_tag_key="other") == [second]
    assert await ids(connector_id=2) == []
    assert await ids(started_since=NOON + HOUR, limit=1) == [third]
    assert await ids(started_until=NOON + HOUR) == [first]
    assert await ids(before_id=third, limit=1) == [second]
    with pytest.raises(Exception, match="no transaction 999"):
        await bench.transactions.find(999)


@pytest.mark.req("TX-37")
async def test_who_watches_sees_starts_and_stops_once(bench: Any) -> None:
    with bench.events.watch() as channel:
        id_ = await bench.start()
        await bench.start()
        await bench.stop(id_)
        await bench.stop(id_)
        kinds = [channel.receive_nowait().kind for _ in range(channel.statistics().current_buffer_used)]
    assert kinds == ["transaction.started", "transaction.stopped"]
