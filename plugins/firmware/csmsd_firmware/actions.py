"""The CALLs of Firmware Management that stations send (MSG-10, MSG-11)."""

from __future__ import annotations

from csmsd.action import Action
from csmsd_firmware import hookspecs
from csmsd_firmware import messages as m

DIAGNOSTICS_STATUS_NOTIFICATION = Action(
    "DiagnosticsStatusNotification",
    m.DiagnosticsStatusNotification,
    m.DiagnosticsStatusNotificationResponse,
    hookspecs.diagnostics_status_notification,
)
FIRMWARE_STATUS_NOTIFICATION = Action(
    "FirmwareStatusNotification",
    m.FirmwareStatusNotification,
    m.FirmwareStatusNotificationResponse,
    hookspecs.firmware_status_notification,
)

ACTIONS = (DIAGNOSTICS_STATUS_NOTIFICATION, FIRMWARE_STATUS_NOTIFICATION)
