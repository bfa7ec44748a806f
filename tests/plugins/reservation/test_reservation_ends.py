"""How reservations end, and what becomes of reservation ids that are odd."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from csmsd.config import StoreConfig
from csmsd.errors import CallTimeout
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
)
from csmsd_core.commands import GET_CONFIGURATION
from csmsd_reservation import (
    CANCEL_RESERVATION,
    RESERVE_NOW,
    CancelReservation,
    CancelReservationResponse,
    ReserveNow,
    ReserveNowResponse,
    UnknownReservation,
)
from tests.plugins.profile import booted, virtual_env
from tests.plugins.reservation.operator import (
    ACCEPTED,
    CANCELLED,
    HOUR,
    PLUGINS,
    mirror,
    plugin_of,
    report,
    reserve,
    sent,
    start,
    states,
)

# -- how they end --------------------------------------------------------------------------------------------------


@pytest.mark.req("RES-06", "TX-09", "TC_046")
async def test_a_transaction_with_its_id_uses_a_reservation_up(csms: TestCsms, station: TestStation) -> None:
    booked = await reserve(csms)
    assert booked.reservation is not None
    await report(station, 1, "Reserved")
    await trio.sleep(60)
    started = await start(csms, station, reservation_id=booked.reservation.reservation_id)
    assert started.id_tag_info.status == "Accepted"
    (used,) = await mirror(csms)
    assert (used.state, used.transaction_id) == ("used", started.transaction_id)
    assert await plugin_of(csms).reservations.findings() == []


@pytest.mark.req("RES-06", "TX-09")
@pytest.mark.parametrize(
    ("reserved_for", "connector_id", "id_tag", "started_on", "state"),
    [
        ("TAG", 1, "tag", 1, "used"),
        ("TAG", 1, "TAG", 2, "active"),
        ("TAG", 0, "TAG", 2, "used"),
        ("ANNA", 1, "BERT", 1, "used"),
        ("ANNA", 0, "BERT", 2, "used"),
        ("ANNA", 1, "TAG", 1, "active"),
        ("TAG", 1, "BERT", 1, "active"),
    ],
)
async def test_a_transaction_of_its_tag_or_group_on_its_connector_uses_it_up(
    csms: TestCsms,
    station: TestStation,
    reserved_for: str,
    connector_id: int,
    id_tag: str,
    started_on: int,
    state: str,
) -> None:
    await reserve(csms, reserved_for, connector_id)
    await trio.sleep(1)
    await start(csms, station, id_tag, started_on)
    assert await states(csms) == [state]


@pytest.mark.req("RES-06", "TX-09")
@pytest.mark.parametrize("names_it", [False, True])
async def test_a_transaction_that_started_before_does_not_use_it_up(
    csms: TestCsms, station: TestStation, names_it: bool
) -> None:
    await trio.sleep(3600)
    booked = await reserve(csms, reservation_id=7)
    assert booked.reservation is not None
    before = csms.host.env.now() - timedelta(minutes=1)
    await start(csms, station, timestamp=before, reservation_id=7 if names_it else None)
    assert await states(csms) == ["active"]
    findings = [each.finding for each in await plugin_of(csms).reservations.findings()]
    assert findings == (["older than the reservation"] if names_it else [])


@pytest.mark.req("RES-06")
async def test_the_best_match_is_used_its_tag_before_its_group_and_its_connector_before_any(
    csms: TestCsms, station: TestStation
) -> None:
    await reserve(csms, "ANNA", 0)
    await reserve(csms, "BERT", 0)
    await reserve(csms, "BERT", 1)
    await trio.sleep(1)
    for expected in (["active", "active", "used"], ["active", "used", "used"], ["used", "used", "used"]):
        await start(csms, station, "BERT", 1)
        assert await states(csms) == expected


@pytest.mark.req("RES-06", "TC_047")
async def test_it_expires_by_our_clock_whether_the_station_confirms_it_or_not(
    csms: TestCsms, station: TestStation
) -> None:
    await reserve(csms, lasting=timedelta(seconds=90))
    await reserve(csms, lasting=timedelta(days=2), connector_id=2)
    await trio.sleep(80)
    assert await states(csms) == ["active", "active"]
    await trio.sleep(10)
    first, second = await mirror(csms)
    assert (first.state, second.state) == ("expired", "active")
    assert first.ended_at == first.expires_at
    await report(station, 1, "Available")
    await trio.sleep(2 * 86400)
    assert await states(csms) == ["expired", "expired"]


@pytest.mark.req("RES-06")
async def test_what_expired_while_csmsd_was_away_has_expired(tmp_path: Path) -> None:
    env = virtual_env()
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        station = await booted(csms)
        station.behaviour["ReserveNow"] = ACCEPTED
        await reserve(csms, lasting=timedelta(seconds=90))
        await reserve(csms, lasting=timedelta(seconds=300), connector_id=2)
    await trio.sleep(120)
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        assert await states(csms) == ["expired", "active"]
        await trio.sleep(180)
        assert await states(csms) == ["expired", "expired"]


@pytest.mark.req("RES-06")
async def test_a_reservation_of_before_a_restart_is_used_up(tmp_path: Path) -> None:
    env = virtual_env()
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        station = await booted(csms)
        station.behaviour["ReserveNow"] = ACCEPTED
        await reserve(csms)
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        await start(csms, await csms.connect("CP-1"))
        assert await states(csms) == ["used"]


async def test_a_transaction_where_nothing_is_reserved_any_more_costs_no_write(
    csms: TestCsms, station: TestStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = await reserve(csms)
    assert booked.reservation is not None
    await plugin_of(csms).cancel(booked.reservation.reservation_id)
    assert await states(csms) == ["cancelled"]
    monkeypatch.setattr(plugin_of(csms).reservations, "_record", None)
    await start(csms, station)
    await trio.sleep(2)
    failures = {each.name: each.failures for each in csms.host.plugins.status()}
    assert failures["reservation"] == 0


@pytest.mark.req("RES-07", "MSG-35", "TC_051", "TC_052")
@pytest.mark.parametrize(("status", "state"), [("Accepted", "cancelled"), ("Rejected", "gone")])
async def test_a_cancelled_reservation_is_over_and_a_rejected_one_is_gone(
    csms: TestCsms, station: TestStation, status: Any, state: str
) -> None:
    booked = await reserve(csms)
    assert booked.reservation is not None
    await report(station, 1, "Reserved")
    station.behaviour["CancelReservation"] = CancelReservationResponse(status)
    cancelled = await plugin_of(csms).cancel(booked.reservation.reservation_id)
    assert sent(station, "CancelReservation") == [{"reservationId": booked.reservation.reservation_id}]
    assert cancelled.status == status
    assert await states(csms) == [state]
    await plugin_of(csms).cancel(booked.reservation.reservation_id)
    assert len(sent(station, "CancelReservation")) == 2, "one that is gone is asked for all the same"
    assert await states(csms) == [state]


@pytest.mark.req("RES-07", "RPC-24")
async def test_a_cancellation_that_is_answered_late_still_counts(csms: TestCsms, station: TestStation) -> None:
    booked = await reserve(csms)
    assert booked.reservation is not None
    station.behaviour["CancelReservation"] = None
    with pytest.raises(CallTimeout):
        await plugin_of(csms).cancel(booked.reservation.reservation_id)
    assert await states(csms) == ["active"]
    await station.answer(await station.wait_for_call("CancelReservation"), CANCELLED)
    assert await states(csms) == ["cancelled"]


@pytest.mark.req("RES-07")
async def test_a_cancellation_does_not_touch_what_waits_behind_it_on_the_line(
    csms: TestCsms, station: TestStation, nursery: trio.Nursery
) -> None:
    target = csms.host.stations.get("CP-1")
    station.behaviour["CancelReservation"] = None
    later = csms.host.env.now() + HOUR
    await target.call(RESERVE_NOW, ReserveNow(1, later, "TAG", 7))
    nursery.start_soon(target.call, CANCEL_RESERVATION, CancelReservation(7))
    call = await station.wait_for_call("CancelReservation")
    nursery.start_soon(target.call, RESERVE_NOW, ReserveNow(2, later, "TAG", 7))
    await trio.sleep(2)
    assert await states(csms) == ["active", "requested"]
    await station.answer(call, CANCELLED)
    assert await states(csms) == ["cancelled", "active"]


async def test_a_reservation_that_nobody_knows_cannot_be_cancelled(csms: TestCsms, station: TestStation) -> None:
    with pytest.raises(UnknownReservation):
        await plugin_of(csms).cancel(99)


@pytest.mark.req("RES-06")
@pytest.mark.parametrize("status", ["Faulted", "Unavailable"])
@pytest.mark.parametrize(
    ("reserved", "reported", "state"),
    [(1, (1,), "out of service"), (1, (2,), "active"), (1, (0,), "out of service"), (0, (0,), "out of service"),
     (0, (1,), "active"), (0, (1, 2), "out of service")],
)  # fmt: skip
async def test_an_outage_ends_reservations(
    csms: TestCsms, station: TestStation, status: str, reserved: int, reported: tuple[int, ...], state: str
) -> None:
    for connector_id in (1, 2):
        await report(station, connector_id, "Available")
    await reserve(csms, connector_id=reserved)
    await trio.sleep(1)
    for connector_id in reported:
        await report(station, connector_id, status)
    assert await states(csms) == [state]


@pytest.mark.req("RES-06")
async def test_a_connector_that_has_told_nothing_may_be_in_service(csms: TestCsms, station: TestStation) -> None:
    keys = (KeyValue("NumberOfConnectors", readonly=True, value="2"),)
    station.behaviour["GetConfiguration"] = GetConfigurationResponse(keys)
    await csms.host.stations.get("CP-1").call(GET_CONFIGURATION, GetConfiguration())
    await reserve(csms, connector_id=0)
    await trio.sleep(1)
    await report(station, 1, "Faulted")
    assert await states(csms) == ["active"]


@pytest.mark.req("RES-06")
async def test_an_outage_from_before_it_was_accepted_does_not_end_it(csms: TestCsms, station: TestStation) -> None:
    station.behaviour["ReserveNow"] = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reserve, csms)
        call = await station.wait_for_call("ReserveNow")
        await report(station, 1, "Faulted")
        await trio.sleep(2)
        await report(station, 1, "Available")
        await station.answer(call, ACCEPTED)
    assert await states(csms) == ["active"]


@pytest.mark.req("RES-03", "RES-06")
async def test_the_same_id_replaces_a_reservation_once_it_is_accepted(csms: TestCsms, station: TestStation) -> None:
    await reserve(csms, reservation_id=7)
    station.behaviour["ReserveNow"] = ReserveNowResponse("Occupied")
    await reserve(csms, connector_id=2, reservation_id=7)
    assert await states(csms) == ["active", "occupied"]
    station.behaviour["ReserveNow"] = ACCEPTED
    booked = await reserve(csms, "ANNA", connector_id=2, reservation_id=7)
    assert any("RES-03" in warning for warning in booked.warnings)
    assert await states(csms) == ["replaced", "occupied", "active"]
    await start(csms, station, "ANNA", 2, reservation_id=7)
    assert await states(csms) == ["replaced", "occupied", "used"]


@pytest.mark.req("RES-03", "RPC-24")
async def test_a_late_accepted_does_not_bring_back_what_was_replaced(csms: TestCsms, station: TestStation) -> None:
    station.behaviour["ReserveNow"] = None
    with pytest.raises(CallTimeout):
        await reserve(csms, reservation_id=7)
    late = await station.wait_for_call("ReserveNow")
    station.behaviour["ReserveNow"] = ACCEPTED
    await reserve(csms, connector_id=2, reservation_id=7)
    await station.answer(late, ACCEPTED)
    assert await states(csms) == ["replaced", "active"]


# -- odd reservation ids -------------------------------------------------------------------------------------------


@pytest.mark.req("TX-09", "RES-09")
async def test_unknown_foreign_expired_and_cancelled_ids_are_accepted_and_flagged(
    csms: TestCsms, station: TestStation
) -> None:
    other = await booted(csms, "CP-2")
    await reserve(csms, reservation_id=1)
    await reserve(csms, reservation_id=2, lasting=timedelta(seconds=30), connector_id=2)
    await reserve(csms, reservation_id=3, connector_id=3)
    await plugin_of(csms).cancel(3)
    await trio.sleep(60)
    await start(csms, station, reservation_id=1)
    answers = [
        await start(csms, station, connector_id=5, reservation_id=99),
        await start(csms, other, connector_id=1, reservation_id=1),
        await start(csms, station, connector_id=2, reservation_id=2),
        await start(csms, station, connector_id=3, reservation_id=3),
        await start(csms, station, connector_id=4, reservation_id=1),
    ]
    assert {answer.id_tag_info.status for answer in answers} == {"Accepted"}
    assert await states(csms) == ["used", "expired", "cancelled"]
    findings = {each.transaction_id: each.finding for each in await plugin_of(csms).reservations.findings()}
    expected = ["unknown", "of another station", "ended", "ended", "used"]
    assert findings == dict(zip([answer.transaction_id for answer in answers], expected, strict=True))


@pytest.mark.req("TX-09", "RES-06")
async def test_a_start_from_before_the_expiry_that_is_told_after_it_has_used_the_reservation(
    csms: TestCsms, station: TestStation
) -> None:
    await reserve(csms, reservation_id=2, lasting=timedelta(seconds=30))
    began = csms.host.env.now() + timedelta(seconds=20)
    await trio.sleep(600)
    assert await states(csms) == ["expired"]
    await start(csms, station, reservation_id=2, timestamp=began)
    assert await states(csms) == ["used"]


@pytest.mark.req("TX-09")
async def test_a_start_with_an_unknown_id_still_ends_the_reservation_of_its_tag(
    csms: TestCsms, station: TestStation
) -> None:
    await reserve(csms)
    await trio.sleep(1)
    await start(csms, station, reservation_id=0)
    assert await states(csms) == ["used"]
    assert [each.finding for each in await plugin_of(csms).reservations.findings()] == ["unknown"]


@pytest.mark.req("RES-06", "RES-07", "TX-09")
async def test_both_databases_take_the_whole_life_of_reservations(database_url: str) -> None:
    store = StoreConfig(url=database_url)
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), store=store) as csms:
        station = await booted(csms, call_timeout=10.0)
        station.behaviour |= {"ReserveNow": ACCEPTED, "CancelReservation": CANCELLED}
        await reserve(csms, reservation_id=7)
        await reserve(csms, reservation_id=7, connector_id=2)
        await reserve(csms, lasting=timedelta(seconds=20))
        await reserve(csms, connector_id=3)
        await reserve(csms, connector_id=4)
        await plugin_of(csms).cancel((await mirror(csms))[-1].reservation_id)
        await start(csms, station, connector_id=2, reservation_id=7)
        await start(csms, station, connector_id=5, reservation_id=99)
        await trio.sleep(30)
        await report(station, 3, "Faulted")
        assert await states(csms) == ["replaced", "used", "expired", "out of service", "cancelled"]
        assert [each.finding for each in await plugin_of(csms).reservations.findings()] == ["unknown"]
        used = await plugin_of(csms).reservations.page(station_id="CP-1", states=("used",), before=100, limit=5)
        assert [each.connector_id for each in used] == [2]
