"""The commands of Firmware Management (MSG-30, MSG-31)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_firmware import messages as m
from csmsd_firmware.redaction import mask_location

GET_DIAGNOSTICS = Command(
    "GetDiagnostics",
    m.GetDiagnostics,
    m.GetDiagnosticsResponse,
    "Ask the station to upload a file with diagnostics.",
    redact_request=mask_location,
    redact_response=mask_location,
)
UPDATE_FIRMWARE = Command(
    "UpdateFirmware",
    m.UpdateFirmware,
    m.UpdateFirmwareResponse,
    "Tell the station to download and install a firmware image.",
    redact_request=mask_location,
    redact_response=mask_location,
)

COMMANDS = (GET_DIAGNOSTICS, UPDATE_FIRMWARE)
