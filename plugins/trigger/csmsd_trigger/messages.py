"""The messages of Remote Trigger (MSG-36)."""

from __future__ import annotations

from typing import Literal

from csmsd.ocpp.types import ConnectorOrStation, Payload

MessageTrigger = Literal[
    "BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Heartbeat", "MeterValues",
    "StatusNotification",
]  # fmt: skip


class TriggerMessage(Payload, frozen=True):
    """Ask the station to send a message now; connector 0 is the station itself (C-14), none: it and all connectors."""

    requested_message: MessageTrigger
    connector_id: ConnectorOrStation | None = None


class TriggerMessageResponse(Payload, frozen=True):
    """Answer to TriggerMessage; after Accepted the message follows."""

    status: Literal["Accepted", "Rejected", "NotImplemented"]
