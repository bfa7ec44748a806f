"""OCPP 1.6 Firmware Management. What others use: messages, commands, facts, and the plugin's services."""

from __future__ import annotations

from csmsd_firmware.campaign_rules import Campaign, Member, Plan
from csmsd_firmware.commands import GET_DIAGNOSTICS, UPDATE_FIRMWARE
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.facts import DIAGNOSTICS_STATUS_CHANGED, FIRMWARE_STATUS_CHANGED, JobChanged
from csmsd_firmware.messages import (
    DiagnosticsStatusNotification,
    DiagnosticsStatusNotificationResponse,
    FirmwareStatusNotification,
    FirmwareStatusNotificationResponse,
    GetDiagnostics,
    GetDiagnosticsResponse,
    UpdateFirmware,
    UpdateFirmwareResponse,
)
from csmsd_firmware.plugin import FirmwarePlugin
from csmsd_firmware.records import Image, Job, ReceivedFile, ReportedStatus
from csmsd_firmware.service import Retries, Sent, Source

__all__ = [
    "DIAGNOSTICS_STATUS_CHANGED",
    "FIRMWARE_STATUS_CHANGED",
    "GET_DIAGNOSTICS",
    "UPDATE_FIRMWARE",
    "Campaign",
    "DiagnosticsStatusNotification",
    "DiagnosticsStatusNotificationResponse",
    "FirmwareConfig",
    "FirmwarePlugin",
    "FirmwareStatusNotification",
    "FirmwareStatusNotificationResponse",
    "GetDiagnostics",
    "GetDiagnosticsResponse",
    "Image",
    "Job",
    "JobChanged",
    "Member",
    "Plan",
    "ReceivedFile",
    "ReportedStatus",
    "Retries",
    "Sent",
    "Source",
    "UpdateFirmware",
    "UpdateFirmwareResponse",
]
