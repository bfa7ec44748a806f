"""Smart Charging with other people's chargers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.interop.charger import Charger
from tests.interop.conftest import Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, boot, now, provision, start

WHEN = "2026-05-06T07:08:09.000Z"
LATER = "2036-05-06T07:08:09.000Z"
HELD = (
    "SELECT charging_profile_id, connector_id, transaction_id FROM smartcharging_profile ORDER BY charging_profile_id"
)


def schedule(**more: Any) -> dict[str, Any]:
    periods = [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}, {"startPeriod": 3600, "limit": 0}]
    return {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, **more}


def profile(number: int, purpose: str, kind: str = "Relative", **more: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": number,
        "stackLevel": number,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule() if kind == "Relative" else schedule(startSchedule=WHEN, duration=86_400),
        **more,
    }


@pytest.mark.req("SC-20", "TC_056", "TC_057", "TC_067", "PERF-05")
@pytest.mark.exercises(to_station="SetChargingProfile ClearChargingProfile")
async def test_profiles_of_every_purpose_are_set_and_cleared(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    await boot(charger)
    transaction = await start(charger)
    span = {"validFrom": WHEN, "validTo": LATER}
    sent = [
        (0, profile(1, "ChargePointMaxProfile", "Absolute", **span)),
        (0, profile(2, "TxDefaultProfile", "Recurring", recurrencyKind="Daily")),
        (2, profile(3, "TxDefaultProfile", "Recurring", recurrencyKind="Weekly")),
        (1, profile(4, "TxProfile", transactionId=transaction)),
    ]
    where = ("SetChargingProfile", "csChargingProfiles")
    for field in ("chargingProfilePurpose", "chargingProfileKind", "recurrencyKind"):
        assert {each[field] for _, each in sent if field in each} == set(choices(*where, field))
    for connector, each in sent:
        request = {"connectorId": connector, "csChargingProfiles": each}
        for status in sorted(choices("SetChargingProfileResponse", "status"), key="Accepted".__eq__):
            await ask(csmsd, charger, "SetChargingProfile", request, status=status)
    held = [(1, 0, None), (2, 0, None), (3, 2, None), (4, 1, transaction)]
    await csmsd.shows(held, HELD)
    content = (await csmsd.query("SELECT content FROM smartcharging_profile WHERE charging_profile_id = 1"))[0][0]
    assert json.loads(content)["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 16.1

    assert set(choices("ClearChargingProfileResponse", "status")) == {"Accepted", "Unknown"}
    await ask(csmsd, charger, "ClearChargingProfile", {"id": 1}, status="Accepted")
    await csmsd.shows(held[1:], HELD)
    some = {"connectorId": 2, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 3}
    await ask(csmsd, charger, "ClearChargingProfile", some, status="Accepted")
    await csmsd.shows([held[1], held[3]], HELD)
    await ask(csmsd, charger, "ClearChargingProfile", {"id": 77}, status="Unknown")
    await csmsd.shows([held[1], held[3]], HELD)
    await ask(csmsd, charger, "ClearChargingProfile", {}, status="Accepted")
    await csmsd.shows([], HELD)


@pytest.mark.req("SC-29", "TC_066")
@pytest.mark.exercises(to_station="GetCompositeSchedule")
async def test_stations_tell_their_schedules(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    told: dict[str, Any] = {"connectorId": 1, "scheduleStart": WHEN, "chargingSchedule": schedule(duration=7200)}
    for unit in choices("GetCompositeSchedule", "chargingRateUnit"):
        told["chargingSchedule"]["chargingRateUnit"] = unit
        request = {"connectorId": 1, "duration": 7200, "chargingRateUnit": unit}
        await ask(csmsd, charger, "GetCompositeSchedule", request, status="Accepted", **told)
        shown = f"SELECT connector_id, duration, unit FROM smartcharging_answer WHERE content LIKE '%\"{unit}\"%'"
        await csmsd.shows([(1, 7200, unit)], shown)
    await ask(csmsd, charger, "GetCompositeSchedule", {"connectorId": 0, "duration": 60}, status="Rejected")
    assert set(choices("GetCompositeScheduleResponse", "status")) == {"Accepted", "Rejected"}


@pytest.mark.req("SC-22", "TC_059")
async def test_a_profile_comes_with_a_remote_start(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    request = {"idTag": "APP-1", "connectorId": 1, "chargingProfile": profile(5, "TxProfile")}
    await ask(csmsd, charger, "RemoteStartTransaction", request, status="Rejected")
    await ask(csmsd, charger, "RemoteStartTransaction", request, status="Accepted")
    await csmsd.shows([(1,)], "SELECT count(*) FROM smartcharging_offer")
    started = await charger.call("StartTransaction", connectorId=1, idTag="APP-1", meterStart=0, timestamp=now())
    transaction = started["transactionId"]
    await csmsd.shows([(5, 1, transaction)], HELD)
    await csmsd.shows([(0,)], "SELECT count(*) FROM smartcharging_offer")
