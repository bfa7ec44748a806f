"""Core: cases in which the charger takes the initiative."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.execution import Execution
from csmsd_certification.states import authorize, booted, charging, report, start, stop

CORE_SESSIONS = CaseTable("Core")
_case = CORE_SESSIONS.case
_AN_HOUR, _HALF_AN_HOUR = 3600.0, 1800.0


@_case("TC_001", "Cold boot charge point")
async def cold_boot(execution: Execution) -> None:
    """Boot, the state of everything, heartbeats."""
    await booted(execution)
    for _ in range(2):
        answer = await execution.charger.call("Heartbeat")
        execution.demand("Heartbeat.conf", "currentTime", answer, holds="currentTime" in answer)


@_case("TC_003", "Regular charging session - plugin first")
async def plugin_first(execution: Execution) -> None:
    """Plug in, identify, charge."""
    tag = await execution.tag()
    await report(execution, "Preparing")
    await authorize(execution, tag)
    await start(execution, tag)
    await report(execution, "Charging")


@_case("TC_004_1", "Regular charging session - identification first")
async def identification_first(execution: Execution) -> None:
    """Identify, plug in, charge."""
    await charging(execution, await execution.tag())


@_case("TC_004_2", "Regular charging session - identification first - ConnectionTimeOut")
async def nobody_plugs_in(execution: Execution) -> None:
    """Identify, and leave it at that."""
    await authorize(execution, await execution.tag())
    await report(execution, "Preparing")
    await report(execution, "Available")


@_case("TC_005_1", "EV side disconnected - StopTransactionOnEVSideDisconnect and UnlockConnectorOnEVSideDisconnect")
async def vehicle_side_disconnected(execution: Execution) -> None:
    """The driver pulls the plug out of the vehicle."""
    transaction = await charging(execution, await execution.tag())
    await report(execution, "SuspendedEV")
    await stop(execution, transaction, "EVDisconnected")
    await report(execution, "Finishing")
    await report(execution, "Available")


@_case("TC_007", "Regular start charging session - cached id")
async def cached_id(execution: Execution) -> None:
    """A charger that knows the tag does not ask."""
    await report(execution, "Preparing")
    await start(execution, await execution.tag())
    await report(execution, "Charging")


@_case("TC_023_1", "Start charging session - Authorize invalid")
async def authorize_invalid(execution: Execution) -> None:
    """A tag that nobody knows."""
    await authorize(execution, execution.unknown_tag(), "Invalid")


@_case("TC_023_2", "Start charging session - Authorize expired")
async def authorize_expired(execution: Execution) -> None:
    """A tag whose time is over."""
    await authorize(execution, await execution.tag(expired=True), "Expired")


@_case("TC_023_3", "Start charging session - Authorize blocked")
async def authorize_blocked(execution: Execution) -> None:
    """A tag that is blocked."""
    await authorize(execution, await execution.tag(blocked=True), "Blocked")


@_case("TC_024", "Start charging session - lock failure")
async def lock_failure(execution: Execution) -> None:
    """The connector cannot lock the plug."""
    await authorize(execution, await execution.tag())
    await report(execution, "Preparing")
    await report(execution, "Faulted", error="ConnectorLockFailure")


@_case("TC_032_1", "Power failure - stop transactions before going down")
async def power_failure(execution: Execution) -> None:
    """The charger comes back and tells that it has stopped what was going on."""
    transaction = await charging(execution, await execution.tag())
    await execution.connect()
    await booted(execution)
    await report(execution, "Finishing")
    await stop(execution, transaction, "PowerLoss")
    await report(execution, "Available")


@_case("TC_037_1", "Offline start transaction - valid id tag")
async def offline_start(execution: Execution) -> None:
    """The transaction began while there was no connection."""
    await start(execution, await execution.tag(), seconds_ago=_AN_HOUR)
    await report(execution, "Charging")


@_case("TC_037_3", "Offline start transaction - invalid id tag, StopTransactionOnInvalidId")
async def offline_start_invalid(execution: Execution) -> None:
    """Even a transaction that must not be gets its id."""
    transaction = await start(execution, execution.unknown_tag(), "Invalid", seconds_ago=_HALF_AN_HOUR)
    await report(execution, "Charging")
    await stop(execution, transaction, "DeAuthorized")
    await report(execution, "Finishing")


@_case("TC_039", "Offline transaction")
async def offline_transaction(execution: Execution) -> None:
    """All of it happened while there was no connection."""
    tag = await execution.tag()
    transaction = await start(execution, tag, seconds_ago=_AN_HOUR)
    await stop(execution, transaction, "Local", tag, seconds_ago=_HALF_AN_HOUR)


@_case("TC_064", "Data transfer to a central system", "DataTransfer")
async def data_transfer(execution: Execution) -> None:
    """A vendor that nobody knows."""
    answer = await execution.charger.call("DataTransfer", vendorId="org.example.certification", messageId="probe")
    refusals = ("UnknownVendorId", "UnknownMessageId", "Rejected")
    execution.demand(
        "DataTransfer.conf status", " or ".join(refusals), answer["status"], holds=answer["status"] in refusals
    )
