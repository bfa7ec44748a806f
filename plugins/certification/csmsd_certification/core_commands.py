"""Core: cases in which the operator takes the initiative."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.execution import Execution
from csmsd_certification.states import authorize, booted, charging, report, start, stop

CORE_COMMANDS = CaseTable("Core")
_case = CORE_COMMANDS.case
_INTERVAL = "MeterValueSampleInterval"


@_case("TC_061", "Clear authorization data in authorization cache", "ClearCache")
async def clear_cache(execution: Execution) -> None:
    """The charger forgets the tags it has seen."""
    await execution.order("ClearCache", status="Accepted")


@_case("TC_010", "Remote start charging session - cable plugged in first", "RemoteStartTransaction")
async def remote_start_plugged_in(execution: Execution) -> None:
    """The operator starts for a driver who has plugged in."""
    tag = await execution.tag()
    await report(execution, "Preparing")
    await execution.order("RemoteStartTransaction", {"idTag": tag, "connectorId": 1}, status="Accepted")
    await authorize(execution, tag)
    await start(execution, tag)
    await report(execution, "Charging")


@_case("TC_011_1", "Remote start charging session - remote start first", "RemoteStartTransaction")
async def remote_start_first(execution: Execution) -> None:
    """The driver plugs in afterwards."""
    tag = await execution.tag()
    await execution.order("RemoteStartTransaction", {"idTag": tag, "connectorId": 1}, status="Accepted")
    await authorize(execution, tag)
    await report(execution, "Preparing")
    await start(execution, tag)
    await report(execution, "Charging")


@_case("TC_011_2", "Remote start charging session - time out", "RemoteStartTransaction")
async def remote_start_timeout(execution: Execution) -> None:
    """The driver never plugs in."""
    tag = await execution.tag()
    await execution.order("RemoteStartTransaction", {"idTag": tag, "connectorId": 1}, status="Accepted")
    await authorize(execution, tag)
    await report(execution, "Preparing")
    await report(execution, "Available")


@_case("TC_012", "Remote stop charging session", "RemoteStopTransaction")
async def remote_stop(execution: Execution) -> None:
    """By the id that the central system has given."""
    transaction = await charging(execution, await execution.tag())
    await execution.order("RemoteStopTransaction", {"transactionId": transaction}, status="Accepted")
    await stop(execution, transaction, "Remote")
    await report(execution, "Finishing")
    await report(execution, "Available")


@_case("TC_013", "Hard reset", "Reset")
async def hard_reset(execution: Execution) -> None:
    """The charger restarts and comes back."""
    await execution.order("Reset", {"type": "Hard"}, status="Accepted")
    await execution.connect()
    await booted(execution)


@_case("TC_014", "Soft reset", "Reset")
async def soft_reset(execution: Execution) -> None:
    """The charger restarts and keeps its connection, which it may."""
    await execution.order("Reset", {"type": "Soft"}, status="Accepted")
    await booted(execution)


@_case("TC_017_1", "Unlock connector - no charging session, not fixed cable", "UnlockConnector")
async def unlock(execution: Execution) -> None:
    """A stuck plug."""
    await execution.order("UnlockConnector", {"connectorId": 1}, status="Unlocked")


@_case("TC_017_2", "Unlock connector - no charging session, fixed cable", "UnlockConnector")
async def unlock_fixed_cable(execution: Execution) -> None:
    """There is nothing to unlock."""
    await execution.order("UnlockConnector", {"connectorId": 1}, status="NotSupported")


@_case("TC_018_1", "Unlock connector - with charging session", "UnlockConnector")
async def unlock_while_charging(execution: Execution) -> None:
    """The transaction ends by it."""
    transaction = await charging(execution, await execution.tag())
    await execution.order("UnlockConnector", {"connectorId": 1}, status="Unlocked")
    await report(execution, "Finishing")
    await stop(execution, transaction, "UnlockCommand")
    await report(execution, "Available")


@_case("TC_019_1", "Retrieve all configuration keys", "GetConfiguration")
async def all_configuration_keys(execution: Execution) -> None:
    """A list of keys that is empty or absent, and a large answer."""
    keys = [{"key": f"VendorKey{number:03}", "readonly": number % 2 == 0, "value": "x" * 200} for number in range(150)]
    arrived = await execution.order("GetConfiguration", configurationKey=keys)
    execution.expect("GetConfiguration.req key", [], arrived.get("key", []))


@_case("TC_019_2", "Retrieve specific configuration key", "GetConfiguration")
async def one_configuration_key(execution: Execution) -> None:
    """SupportedFeatureProfiles."""
    key = {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core"}
    await execution.order("GetConfiguration", {"key": ["SupportedFeatureProfiles"]}, configurationKey=[key])


@_case("TC_021", "Change/set configuration", "ChangeConfiguration")
async def change_configuration(execution: Execution) -> None:
    """Key and value exactly."""
    await execution.order("ChangeConfiguration", {"key": _INTERVAL, "value": "60"}, status="Accepted")


@_case("TC_026", "Remote start charging session - rejected", "RemoteStartTransaction")
async def remote_start_rejected(execution: Execution) -> None:
    """The charger does not want to."""
    tag = await execution.tag()
    await execution.order("RemoteStartTransaction", {"idTag": tag, "connectorId": 1}, status="Rejected")


@_case("TC_028", "Remote stop charging session - rejected", "RemoteStopTransaction")
async def remote_stop_rejected(execution: Execution) -> None:
    """A transaction that the charger does not know: the request is sent all the same."""
    transaction = await charging(execution, await execution.tag())
    await execution.order("RemoteStopTransaction", {"transactionId": transaction + 1_000_000}, status="Rejected")


@_case("TC_030", "Unlock connector - unlock failure", "UnlockConnector")
async def unlock_failure(execution: Execution) -> None:
    """The plug stays."""
    await execution.order("UnlockConnector", {"connectorId": 1}, status="UnlockFailed")


@_case("TC_031", "Unlock connector - unknown connector", "UnlockConnector")
async def unlock_unknown_connector(execution: Execution) -> None:
    """A connector that does not exist: the request is sent all the same."""
    await execution.order("UnlockConnector", {"connectorId": 99}, status="NotSupported")


@_case("TC_040_1", "Configuration keys - NotSupported", "ChangeConfiguration")
async def unknown_key(execution: Execution) -> None:
    """A key that the charger does not have."""
    await execution.order("ChangeConfiguration", {"key": "NoSuchKey", "value": "1"}, status="NotSupported")


@_case("TC_040_2", "Configuration keys - invalid value", "ChangeConfiguration")
async def invalid_value(execution: Execution) -> None:
    """A value that the charger cannot use: it is sent all the same."""
    await execution.order("ChangeConfiguration", {"key": _INTERVAL, "value": "-1"}, status="Rejected")
