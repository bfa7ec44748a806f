"""Smart Charging."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.charger import Fields
from csmsd_certification.execution import Execution, at
from csmsd_certification.states import authorize, charging, report, start

SMART_CHARGING = CaseTable("Smart Charging")
_case = SMART_CHARGING.case
_DAY = 86_400
_PERIODS = [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}]


def _profile(execution: Execution, purpose: str, kind: str = "Absolute", transaction: int | None = None) -> Fields:
    """The OCA's: 6 A for a day; what is absolute says when."""
    schedule: Fields = {"chargingRateUnit": "A", "chargingSchedulePeriod": _PERIODS}
    profile: Fields = {
        "chargingProfileId": execution.central.new_id(),
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }
    if kind == "Absolute":
        schedule |= {"duration": _DAY, "startSchedule": at()}
        profile |= {"validFrom": at(), "validTo": at(_DAY)}
    return profile if transaction is None else {**profile, "transactionId": transaction}


async def _install(execution: Execution, connector: int, profile: Fields) -> None:
    ordered = {"connectorId": connector, "csChargingProfiles": profile}
    await execution.order("SetChargingProfile", ordered, status="Accepted")


@_case("TC_056", "Central smart charging - TxDefaultProfile", "SetChargingProfile")
async def default_profile(execution: Execution) -> None:
    """For every transaction of a connector."""
    await _install(execution, 1, _profile(execution, "TxDefaultProfile"))


@_case("TC_057", "Central smart charging - TxProfile", "SetChargingProfile")
async def transaction_profile(execution: Execution) -> None:
    """For the transaction that is going on; absolute and relative."""
    transaction = await charging(execution, await execution.tag())
    await _install(execution, 1, _profile(execution, "TxProfile", "Absolute", transaction))
    await _install(execution, 1, _profile(execution, "TxProfile", "Relative", transaction))


@_case("TC_059", "Remote start transaction with charging profile", "RemoteStartTransaction", "SetChargingProfile")
async def remote_start_with_profile(execution: Execution) -> None:
    """A TxProfile that knows no transaction yet."""
    tag = await execution.tag()
    ordered = {"idTag": tag, "connectorId": 1, "chargingProfile": _profile(execution, "TxProfile", "Relative")}
    await execution.order("RemoteStartTransaction", ordered, status="Accepted")
    await authorize(execution, tag)
    await report(execution, "Preparing")
    await start(execution, tag)
    await report(execution, "Charging")


@_case("TC_066", "Get composite schedule", "GetCompositeSchedule")
async def composite_schedule(execution: Execution) -> None:
    """What all profiles add up to."""
    await execution.order(
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"},
        status="Accepted",
        connectorId=1,
        scheduleStart=at(),
        chargingSchedule={"duration": 300, "chargingRateUnit": "A", "chargingSchedulePeriod": _PERIODS},
    )


@_case("TC_067", "Clear charging profile", "SetChargingProfile", "ClearChargingProfile")
async def clear_profiles(execution: Execution) -> None:
    """By id, by what it is, and everything; each with exactly the fields that it takes."""
    transaction = await charging(execution, await execution.tag())
    first = _profile(execution, "ChargePointMaxProfile")
    await _install(execution, 0, first)
    await _install(execution, 1, _profile(execution, "TxDefaultProfile"))
    await _install(execution, 1, _profile(execution, "TxProfile", transaction=transaction))
    for ordered in (
        {"id": first["chargingProfileId"]},
        {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0},
        {},
    ):
        arrived = await execution.order("ClearChargingProfile", ordered, status="Accepted")
        execution.expect("ClearChargingProfile.req", ordered, arrived)
