"""Firmware Management."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.execution import Execution, at
from csmsd_certification.states import boot, report

FIRMWARE = CaseTable("Firmware Management")
_case = FIRMWARE.case
_UPDATE = ("UpdateFirmware", "FirmwareStatusNotification")
_DIAGNOSTICS = ("GetDiagnostics", "DiagnosticsStatusNotification")
_IMAGE = "https://files.example.com/firmware.bin"
_FOLDER = "https://files.example.com/diagnostics/"


async def _update(execution: Execution, *statuses: str) -> None:
    await execution.order("UpdateFirmware", {"location": _IMAGE, "retrieveDate": at()})
    for status in statuses:
        await execution.charger.call("FirmwareStatusNotification", status=status)


async def _install(execution: Execution, outcome: str) -> None:
    await _update(execution, "Downloading", "Downloaded")
    await report(execution, "Unavailable")
    await execution.charger.call("FirmwareStatusNotification", status="Installing")
    await execution.connect()
    await boot(execution)
    await report(execution, "Available")
    await execution.charger.call("FirmwareStatusNotification", status=outcome)


@_case("TC_044_1", "Firmware update - download and install", *_UPDATE)
async def update(execution: Execution) -> None:
    """Everything goes well."""
    await _install(execution, "Installed")


@_case("TC_044_2", "Firmware update - download failed", *_UPDATE)
async def download_failed(execution: Execution) -> None:
    """The image cannot be had."""
    await _update(execution, "Downloading", "DownloadFailed")


@_case("TC_044_3", "Firmware update - installation failed", *_UPDATE)
async def installation_failed(execution: Execution) -> None:
    """The image is of no use."""
    await _install(execution, "InstallationFailed")


async def _diagnose(execution: Execution, *statuses: str) -> None:
    await execution.order("GetDiagnostics", {"location": _FOLDER}, fileName="diagnostics.zip")
    for status in statuses:
        await execution.charger.call("DiagnosticsStatusNotification", status=status)


@_case("TC_045_1", "Get diagnostics", *_DIAGNOSTICS)
async def diagnostics(execution: Execution) -> None:
    """A file is uploaded."""
    await _diagnose(execution, "Uploading", "Uploaded")


@_case("TC_045_2", "Get diagnostics - upload failed", *_DIAGNOSTICS)
async def upload_failed(execution: Execution) -> None:
    """It cannot be uploaded."""
    await _diagnose(execution, "Uploading", "UploadFailed")
