"""Reservations: what is sent, and what the mirror makes of the answers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import CallFailed, CallTimeout, InvalidPayload, StationUnavailable
from csmsd.ocpp.frames import CallError
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    ChangeAvailability,
    ChangeAvailabilityResponse,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
)
from csmsd_core.commands import CHANGE_AVAILABILITY, GET_CONFIGURATION
from csmsd_reservation import (
    CANCEL_RESERVATION,
    RESERVE_NOW,
    CancelReservation,
    ReservationIdTaken,
    ReserveNow,
    ReserveNowResponse,
    Wish,
)
from tests.plugins.profile import booted, virtual_env, warnings_about
from tests.plugins.reservation.operator import (
    ACCEPTED,
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
