"""Reservations: what is sent, what the mirror makes of the answers, and how reservations end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import CallFailed, CallTimeout, InvalidPayload, StationUnavailable, UnknownCommand
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    ChangeAvailability,
    ChangeAvailabilityResponse,
    CorePlugin,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
    StartTransaction,
    StartTransactionResponse,
    StatusNotification,
    StatusNotificationResponse,
    Tag,
)
from csmsd_core.commands import CHANGE_AVAILABILITY, GET_CONFIGURATION
from csmsd_reservation import (
    CANCEL_RESERVATION,
    RESERVE_NOW,
    Booked,
    CancelReservation,
    CancelReservationResponse,
    Reservation,
    ReservationIdTaken,
    ReservationPlugin,
    ReserveNow,
    ReserveNowResponse,
    UnknownReservation,
    Wish,
)
from csmsd_web import WebPlugin
from tests.plugins.profile import ask, booted, virtual_env, warnings_about

ACCEPTED, CANCELLED = ReserveNowResponse("Accepted"), CancelReservationResponse("Accepted")
HOUR = timedelta(hours=1)
PLUGINS = ("core", ReservationPlugin, WebPlugin)


@pytest.fixture
async def csms() -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=PLUGINS, env=virtual_env()) as csms:
        await core_of(csms).tags.put(Tag("TAG"), actor="test")
        await core_of(csms).tags.put(Tag("ANNA", parent_id_tag="FLEET"), actor="test")
        await core_of(csms).tags.put(Tag("BERT", parent_id_tag="fleet"), actor="test")
        yield csms


@pytest.fixture
async def station(csms: TestCsms) -> TestStation:
    """A station that obeys."""
    station = await booted(csms, call_timeout=10.0)
    station.behaviour |= {"ReserveNow": ACCEPTED, "CancelReservation": CANCELLED}
    return station


def core_of(csms: TestCsms) -> CorePlugin:
    core = csms.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


def plugin_of(csms: TestCsms) -> ReservationPlugin:
    plugin = csms.host.plugins.get("reservation")
    assert isinstance(plugin, ReservationPlugin)
    return plugin


async def reserve(
    csms: TestCsms, id_tag: str = "TAG", connector_id: int = 1, *, lasting: timedelta = HOUR, **more: Any
) -> Booked:
    wish = Wish(id_tag=id_tag, connector_id=connector_id, expires_at=csms.host.env.now() + lasting, **more)
    return await plugin_of(csms).reserve(csms.host.stations.get("CP-1"), wish)


async def mirror(csms: TestCsms) -> list[Reservation]:
    """All, oldest first, when everything that is under way has been taken."""
    await trio.sleep(2)
    return list(reversed(await plugin_of(csms).reservations.page()))


async def states(csms: TestCsms) -> list[str]:
    return [each.state for each in await mirror(csms)]


async def start(
    csms: TestCsms, station: TestStation, id_tag: str = "TAG", connector_id: int = 1, **more: Any
) -> StartTransactionResponse:
    more.setdefault("timestamp", csms.host.env.now())
    request = StartTransaction(connector_id=connector_id, id_tag=id_tag, meter_start=0, **more)
    return await station.send("StartTransaction", request, StartTransactionResponse)


async def report(station: TestStation, connector_id: int, status: Any) -> None:
    await station.send(
        "StatusNotification", StatusNotification(connector_id, "NoError", status), StatusNotificationResponse
    )


def sent(station: TestStation, action: str = "ReserveNow") -> list[Any]:
    return [json.loads(bytes(call.payload)) for call in station.calls if call.action == action]


# -- what is sent --------------------------------------------------------------------------------------------------


@pytest.mark.req("RES-01", "MSG-34", "TC_046", "TC_047")
async def test_a_reservation_is_sent_as_asked_with_an_id_of_its_own(csms: TestCsms, station: TestStation) -> None:
    first, second = await reserve(csms), await reserve(csms, connector_id=2, lasting=timedelta(minutes=2))
    one, two = sent(station)
    assert first.reservation is not None
    assert one == {
        "connectorId": 1, "expiryDate": "2026-01-01T13:00:00.000Z", "idTag": "TAG",
        "reservationId": first.reservation.reservation_id,
    }  # fmt: skip
    assert two["reservationId"] != one["reservationId"]
    assert [first.status, second.status] == ["Accepted", "Accepted"]
    assert await states(csms) == ["active", "active"]


@pytest.mark.req("RES-01")
async def test_ids_are_unique_over_stations_and_restarts_and_avoid_those_of_operators(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(2):
        async with open_test_csms(plugins=PLUGINS, env=virtual_env(), data_dir=tmp_path) as csms:
            for station_id in ("CP-1", "CP-2"):
                station = await booted(csms, station_id)
                station.behaviour["ReserveNow"] = ACCEPTED
            wish = Wish(id_tag="TAG", connector_id=1, expires_at=csms.host.env.now() + HOUR)
            for station_id in ("CP-1", "CP-2"):
                booked = await plugin_of(csms).reserve(csms.host.stations.get(station_id), wish)
                assert booked.reservation is not None
                seen.append(booked.reservation.reservation_id)
            highest = max(seen)
            for supplied in range(highest + 1, highest + 4):
                request = ReserveNow(1, csms.host.env.now() + HOUR, "TAG", supplied)
                await csms.host.stations.get("CP-1").call(RESERVE_NOW, request)
                seen.append(supplied)
    assert len(set(seen)) == len(seen) == 10


@pytest.mark.req("RES-01", "OP-02")
async def test_what_will_probably_be_refused_is_sent_with_warnings(csms: TestCsms, station: TestStation) -> None:
    keys = (
        KeyValue("SupportedFeatureProfiles", readonly=True, value="Core"),
        KeyValue("NumberOfConnectors", readonly=True, value="2"),
    )
    station.behaviour["GetConfiguration"] = GetConfigurationResponse(keys)
    await csms.host.stations.get("CP-1").call(GET_CONFIGURATION, GetConfiguration())
    await report(station, 2, "Charging")
    other = await booted(csms, "CP-2")
    other.behaviour["ReserveNow"] = ACCEPTED
    later = csms.host.env.now() + HOUR
    await csms.host.stations.get("CP-2").call(RESERVE_NOW, ReserveNow(1, later, "TAG", 7))
    await csms.host.stations.get("CP-1").call(RESERVE_NOW, ReserveNow(1, later, "TAG", 8))

    def about(*fields: Any) -> str:
        return " ".join(warnings_about(csms, RESERVE_NOW, ReserveNow(*fields)))

    assert "SupportedFeatureProfiles" in about(1, later, "TAG", 1)
    assert "RES-01" not in about(1, later, "TAG", 1)
    assert "not in the future (RES-01)" in about(1, csms.host.env.now(), "TAG", 1)
    assert "NumberOfConnectors" in about(3, later, "TAG", 1)
    assert "ReserveConnectorZeroSupported" in about(0, later, "TAG", 1)
    assert "connector 2 is Charging" in about(2, later, "TAG", 1)
    assert "ids should be unique (RES-01)" in about(1, later, "TAG", 7)
    assert "will be replaced (RES-03)" in about(1, later, "TAG", 8)
    assert "expect Rejected (RES-07)" in " ".join(warnings_about(csms, CANCEL_RESERVATION, CancelReservation(99)))
    assert "RES-07" not in " ".join(warnings_about(csms, CANCEL_RESERVATION, CancelReservation(8)))


@pytest.mark.req("RES-01")
async def test_what_operators_should_not_want_is_refused_where_csmsd_fills_in_the_rest(
    csms: TestCsms, station: TestStation
) -> None:
    with pytest.raises(InvalidPayload, match="RES-01"):
        await reserve(csms, lasting=timedelta(0))
    other = await booted(csms, "CP-2")
    other.behaviour["ReserveNow"] = ACCEPTED
    request = ReserveNow(1, csms.host.env.now() + HOUR, "TAG", 7)
    await csms.host.stations.get("CP-2").call(RESERVE_NOW, request)
    await trio.sleep(1)
    with pytest.raises(ReservationIdTaken, match="CP-2"):
        await reserve(csms, reservation_id=7)
    assert sent(station) == []


@pytest.mark.req("MSG-34", "MSG-35")
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ReserveNow", {"connectorId": -1, "expiryDate": "2026-01-01T13:00:00Z", "idTag": "A", "reservationId": 1}),
        ("ReserveNow", {"connectorId": 1, "expiryDate": "2026-01-01T13:00:00Z", "idTag": "A" * 21, "reservationId": 1}),
        ("ReserveNow", {"connectorId": 1, "expiryDate": "tomorrow", "idTag": "A", "reservationId": 1}),
        ("ReserveNow", {"connectorId": 1, "expiryDate": "2026-01-01T13:00:00Z", "idTag": "A"}),
        ("CancelReservation", {}),
    ],
)
async def test_what_breaks_the_schema_is_not_sent(
    csms: TestCsms, station: TestStation, action: str, payload: Any
) -> None:
    with pytest.raises(InvalidPayload):
        await csms.host.commands.submit("CP-1", action, json.dumps(payload).encode(), actor="test")


@pytest.mark.req("RES-05", "TC_053", "AUTH-04")
async def test_the_group_of_the_tag_is_filled_in_and_its_members_may_use_the_connector(
    csms: TestCsms, station: TestStation
) -> None:
    await reserve(csms, "ANNA")
    assert sent(station)[-1]["parentIdTag"] == "FLEET"
    answer = await station.send("Authorize", Authorize("BERT"), AuthorizeResponse)
    assert (answer.id_tag_info.status, answer.id_tag_info.parent_id_tag) == ("Accepted", "fleet")
    (reserved,) = await mirror(csms)
    started = await start(csms, station, "BERT", reservation_id=reserved.reservation_id)
    assert (started.id_tag_info.status, started.id_tag_info.parent_id_tag) == ("Accepted", "fleet")
    assert await states(csms) == ["used"]


@pytest.mark.req("RES-05")
async def test_a_group_can_be_given_and_suppressed(csms: TestCsms, station: TestStation) -> None:
    await reserve(csms, "ANNA", parent_id_tag="OTHER")
    await reserve(csms, "ANNA", with_group=False, connector_id=2)
    await reserve(csms, "TAG", connector_id=3)
    assert [each.get("parentIdTag") for each in sent(station)] == ["OTHER", None, None]


# -- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.req("RES-04", "TC_048_1", "TC_048_2", "TC_048_4")
@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_every_refusal_is_a_normal_result_and_reserves_nothing(
    csms: TestCsms, station: TestStation, status: Any
) -> None:
    await report(station, 1, "Preparing")
    station.behaviour["ReserveNow"] = ReserveNowResponse(status)
    booked = await reserve(csms)
    assert booked.status == status
    assert booked.reservation is not None
    assert booked.reservation.state == status.lower()
    assert len(sent(station)) == 1, "really sent"
    assert plugin_of(csms).reservations.live_with_id(booked.reservation.reservation_id) == []


@pytest.mark.req("TC_048_3", "RES-04")
async def test_an_unavailable_connector_is_not_reserved(csms: TestCsms, station: TestStation) -> None:
    station.behaviour |= {
        "ChangeAvailability": ChangeAvailabilityResponse("Accepted"),
        "ReserveNow": ReserveNowResponse("Unavailable"),
    }
    await csms.host.stations.get("CP-1").call(CHANGE_AVAILABILITY, ChangeAvailability(1, "Inoperative"))
    await report(station, 1, "Unavailable")
    booked = await reserve(csms)
    assert booked.status == "Unavailable"
    assert "connector 1 is Unavailable (RES-04)" in booked.warnings
    assert await states(csms) == ["unavailable"]


@pytest.mark.req("RES-08", "TC_049")
@pytest.mark.parametrize("reports_reserved", [False, True])
async def test_a_whole_station_can_be_reserved_whether_it_reports_reserved_or_not(
    csms: TestCsms, station: TestStation, reports_reserved: bool
) -> None:
    await reserve(csms, connector_id=0)
    assert sent(station)[0]["connectorId"] == 0
    if reports_reserved:
        await report(station, 1, "Reserved")
    assert await states(csms) == ["active"]
    await start(csms, station, connector_id=2)
    assert await states(csms) == ["used"]


@pytest.mark.req("RPC-24", "RES-04")
async def test_a_late_answer_still_counts(csms: TestCsms, station: TestStation) -> None:
    for answer, state in ((ACCEPTED, "active"), (ReserveNowResponse("Occupied"), "occupied")):
        station.behaviour["ReserveNow"] = None
        station.calls.clear()
        with pytest.raises(CallTimeout):
            await reserve(csms)
        assert (await states(csms))[-1] == "requested"
        await station.answer(await station.wait_for_call("ReserveNow"), answer)
        assert (await states(csms))[-1] == state


@pytest.mark.req("RPC-24", "RES-06")
async def test_a_late_accepted_of_something_that_is_over_changes_nothing(csms: TestCsms, station: TestStation) -> None:
    station.behaviour["ReserveNow"] = None
    with pytest.raises(CallTimeout):
        await reserve(csms, lasting=timedelta(seconds=30))
    call = await station.wait_for_call("ReserveNow")
    await trio.sleep(60)
    assert await states(csms) == ["expired"]
    await station.answer(call, ACCEPTED)
    assert await states(csms) == ["expired"]


@pytest.mark.req("RPC-24", "RES-06")
async def test_a_late_accepted_of_something_that_was_used_changes_nothing(csms: TestCsms, station: TestStation) -> None:
    station.behaviour["ReserveNow"] = None
    with pytest.raises(CallTimeout):
        await reserve(csms, reservation_id=7)
    await start(csms, station, reservation_id=7)
    assert await states(csms) == ["used"]
    await station.answer(await station.wait_for_call("ReserveNow"), ACCEPTED)
    assert await states(csms) == ["used"]


async def test_a_callerror_refuses_and_a_lost_line_leaves_it_open(
    csms: TestCsms, station: TestStation, nursery: trio.Nursery
) -> None:
    station.behaviour["ReserveNow"] = CallError("", "NotSupported", "no", msgspec.Raw(b"{}"))
    with pytest.raises(CallFailed):
        await reserve(csms)
    station.behaviour["ReserveNow"] = None

    async def leave() -> None:
        await trio.sleep(1)
        await station.disconnect()

    nursery.start_soon(leave)
    with pytest.raises(StationUnavailable):
        await reserve(csms)
    assert await states(csms) == ["failed", "requested"]
    again = await booted(csms)
    await start(csms, again, reservation_id=sent(station)[-1]["reservationId"])
    assert await states(csms) == ["failed", "used"]


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


# -- facts, the API, and without the plugin ------------------------------------------------------------------------


class Listener(Plugin[NoConfig]):
    """Hears of reservations."""

    name = "listener"
    requires = ("reservation",)
    heard: list[tuple[str, Reservation]]

    def __init__(self, config: NoConfig, host: Any) -> None:
        super().__init__(config, host)
        self.heard = []

    @hookimpl
    async def reservation_changed(self, station_id: str, fact: Reservation) -> None:
        self.heard.append((station_id, fact))


@pytest.mark.req("RES-06")
async def test_plugins_hear_of_everything_in_order() -> None:
    async with open_test_csms(plugins=("core", ReservationPlugin, Listener), env=virtual_env()) as csms:
        station = await booted(csms)
        station.behaviour |= {"ReserveNow": ACCEPTED, "CancelReservation": CANCELLED}
        with csms.host.events.watch(frozenset({"reservation.changed"})) as feed:
            booked = await reserve(csms)
            assert booked.reservation is not None
            await plugin_of(csms).cancel(booked.reservation.reservation_id)
            await trio.sleep(5)
            kinds = [msgspec.json.decode((await feed.receive()).data)["state"] for _ in range(3)]
        listener: Any = csms.host.plugins.get("listener")
        assert [(station_id, fact.state) for station_id, fact in listener.heard] == [
            ("CP-1", "requested"), ("CP-1", "active"), ("CP-1", "cancelled"),
        ]  # fmt: skip
        assert kinds == ["requested", "active", "cancelled"]


@pytest.mark.req("RES-01", "RES-02", "RES-05", "RES-07")
async def test_the_routes_reserve_list_and_cancel(csms: TestCsms, station: TestStation) -> None:
    body: dict[str, Any] = {"id_tag": "ANNA", "connector_id": 1, "expires_in": 900}
    answer = await ask(csms, "POST", "/stations/CP-1/reservations", body)
    assert answer.status_code == 200, answer.text
    made = answer.json()["reservation"]
    expires_at = datetime.fromisoformat(made["expires_at"])
    assert (expires_at - csms.host.env.now()).total_seconds() == pytest.approx(900, abs=5)
    assert (answer.json()["status"], made["state"], made["parent_id_tag"]) == ("Accepted", "active", "FLEET")

    absolute = {"id_tag": "ANNA", "connector_id": 2, "expires_at": "2026-01-01T15:00:00+01:00", "with_group": False}
    answer = await ask(csms, "POST", "/stations/CP-1/reservations", absolute)
    assert answer.json()["reservation"]["expires_at"].startswith("2026-01-01T14:00:00")
    assert sent(station)[-1]["expiryDate"] == "2026-01-01T14:00:00.000Z"
    assert "parentIdTag" not in sent(station)[-1]

    page = (await ask(csms, "GET", "/reservations?limit=1&station_id=CP-1")).json()
    assert [each["connector_id"] for each in page["items"]] == [2]
    page = (await ask(csms, "GET", page["next"].removeprefix("/api/v1"))).json()
    assert [each["connector_id"] for each in page["items"]] == [1]

    answer = await ask(csms, "POST", f"/reservations/{made['reservation_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "Accepted")
    assert answer.json()["reservation"]["state"] == "cancelled"
    live = (await ask(csms, "GET", "/reservations?live=true")).json()["items"]
    assert [each["connector_id"] for each in live] == [2]
    over = (await ask(csms, "GET", "/reservations?state=cancelled")).json()["items"]
    assert [each["connector_id"] for each in over] == [1]


@pytest.mark.req("TX-09")
async def test_the_route_lists_findings(csms: TestCsms, station: TestStation) -> None:
    await start(csms, station, reservation_id=99)
    await trio.sleep(2)
    (finding,) = (await ask(csms, "GET", "/reservation-findings")).json()["items"]
    assert (finding["reservation_id"], finding["finding"]) == (99, "unknown")


@pytest.mark.req("RES-02")
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 422),
        ({"expires_in": 60, "expires_at": "2030-01-01T00:00:00Z"}, 422),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"expires_in": 0}, 422),
    ],
)
async def test_the_route_wants_one_end_that_is_ahead(
    csms: TestCsms, station: TestStation, more: Any, status: int
) -> None:
    body = {"id_tag": "ANNA", "connector_id": 1, **more}
    assert (await ask(csms, "POST", "/stations/CP-1/reservations", body)).status_code == status
    assert sent(station) == []


async def test_the_routes_say_what_is_unknown_or_taken(csms: TestCsms, station: TestStation) -> None:
    body = {"id_tag": "ANNA", "connector_id": 1, "expires_in": 60, "reservation_id": 5}
    assert (await ask(csms, "POST", "/stations/CP-2/reservations", body)).status_code == 404
    assert (await ask(csms, "POST", "/reservations/99/cancel")).status_code == 404
    assert (await ask(csms, "POST", "/stations/CP-1/reservations", body)).status_code == 200
    await booted(csms, "CP-2")
    assert (await ask(csms, "POST", "/stations/CP-2/reservations", body)).status_code == 409


async def test_without_the_plugin_there_are_no_such_commands() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        await booted(csms)
        for action in ("ReserveNow", "CancelReservation"):
            with pytest.raises(UnknownCommand):
                await csms.host.commands.submit("CP-1", action, b"{}", actor="test")
