"""What is known of jobs, statuses, images and files."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd_firmware.progress import Kind, State


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An UpdateFirmware or GetDiagnostics that was sent, and how far it is."""

    id: int
    kind: Kind
    station_id: str
    location: str  # masked
    state: State
    requested_at: datetime
    changed_at: datetime
    error_code: str = ""  # of a CALLERROR
    error: str = ""
    image_id: int | None = None
    expected_version: str = ""
    version_before: str = ""
    version_after: str = ""
    shown_by: str = ""  # what tells that an update is installed: status, version or both (FW-05)
    file_name: str = ""  # as the station calls its diagnostics
    campaign_id: int | None = None


class ReportedStatus(msgspec.Struct, frozen=True):
    """One status notification."""

    id: int
    station_id: str
    job_id: int | None  # None: nobody had asked
    status: str
    at: datetime


class Image(msgspec.Struct, frozen=True):
    """A firmware image that csmsd offers to stations."""

    id: int
    name: str
    version: str
    note: str
    size: int  # bytes
    sha256: str
    stored_name: str
    created_at: datetime
    created_by: str


class ReceivedFile(msgspec.Struct, frozen=True):
    """A file that a station has uploaded."""

    id: int
    station_id: str
    job_id: int | None
    claimed_name: str
    size: int  # bytes
    sha256: str
    stored_name: str
    received_at: datetime
