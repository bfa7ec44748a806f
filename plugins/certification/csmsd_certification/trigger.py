"""Remote Trigger."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.charger import Fields
from csmsd_certification.execution import Execution, at

TRIGGER = CaseTable("Remote Trigger")
_case = TRIGGER.case


@_case("TC_054", "Trigger message", "TriggerMessage")
async def trigger(execution: Execution) -> None:
    """Five messages in this order; those that the system has no plugin for are NotImplemented by the charger."""
    sample = {"timestamp": at(), "sampledValue": [{"value": "1000", "context": "Trigger"}]}
    status: Fields = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": at()}
    messages: tuple[tuple[str, bool, Fields], ...] = (
        ("MeterValues", True, {"connectorId": 1, "meterValue": [sample]}),
        ("Heartbeat", False, {}),
        ("StatusNotification", True, status),
        ("DiagnosticsStatusNotification", False, {"status": "Idle"}),
        ("FirmwareStatusNotification", False, {"status": "Idle"}),
    )
    for message, has_connector, fields in messages:
        ordered: Fields = {"requestedMessage": message, **({"connectorId": 1} if has_connector else {})}
        if execution.central.lacks([message]):
            await execution.order("TriggerMessage", ordered, status="NotImplemented")
        else:
            await execution.order("TriggerMessage", ordered, status="Accepted")
            await execution.charger.call(message, **fields)


@_case("TC_055", "Trigger message - rejected", "TriggerMessage")
async def trigger_rejected(execution: Execution) -> None:
    """The charger does not want to."""
    ordered = {"requestedMessage": "MeterValues", "connectorId": 1}
    await execution.order("TriggerMessage", ordered, status="Rejected")
