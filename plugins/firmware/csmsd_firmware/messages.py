"""The messages of Firmware Management (MSG-10, MSG-11, MSG-30, MSG-31)."""

from __future__ import annotations

from typing import Annotated, Literal

from csmsd.ocpp.types import SECRET, CiString255, Integer, Payload, Timestamp

FirmwareStatus = Literal[
    "Downloaded", "DownloadFailed", "Downloading", "Idle", "InstallationFailed", "Installing", "Installed"
]
DiagnosticsStatus = Literal["Idle", "Uploaded", "UploadFailed", "Uploading"]
Location = Annotated[str, SECRET]  # a URI; it may hold a user and a password (FW-02)


class FirmwareStatusNotification(Payload, frozen=True):
    """How far an update is; it names no update: it belongs to the latest one (FW-04)."""

    status: FirmwareStatus


class FirmwareStatusNotificationResponse(Payload, frozen=True):
    """Answer to FirmwareStatusNotification."""


class DiagnosticsStatusNotification(Payload, frozen=True):
    """How far an upload of diagnostics is."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResponse(Payload, frozen=True):
    """Answer to DiagnosticsStatusNotification."""


class GetDiagnostics(Payload, frozen=True):
    """Upload a file with diagnostics into the directory `location`; `retry_interval` in seconds (DIAG-01)."""

    location: Location
    retries: Integer | None = None  # further attempts after the first
    retry_interval: Integer | None = None
    start_time: Timestamp | None = None
    stop_time: Timestamp | None = None


class GetDiagnosticsResponse(Payload, frozen=True):
    """Answer to GetDiagnostics; without a file name there are no diagnostics (DIAG-02)."""

    file_name: CiString255 | None = None


class UpdateFirmware(Payload, frozen=True):
    """Download an image from `location`, not before `retrieve_date`, and install it (FW-01)."""

    location: Location
    retrieve_date: Timestamp
    retries: Integer | None = None  # further attempts after the first
    retry_interval: Integer | None = None  # seconds


class UpdateFirmwareResponse(Payload, frozen=True):
    """Answer to UpdateFirmware."""
