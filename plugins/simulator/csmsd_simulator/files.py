"""Firmware, diagnostics and logs: jobs that take a while and report how far they are (1.6 §4.4, §4.5; security §4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from csmsd_simulator.messages import (
    DiagnosticsStatusNotification,
    Firmware,
    FirmwareStatusNotification,
    LogStatusNotification,
    SignedFirmwareStatusNotification,
)

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation

STEP_SECONDS = 5.0  # for each step of a job
_LOG_LINES = 1000


@dataclass(frozen=True)
class Transfer:
    """What is to be fetched from, or sent to, a location; the transport does it if it can."""

    location: str
    is_upload: bool
    name: str = ""
    content: bytes = b""  # of an upload


Moved: TypeAlias = Callable[[bytes | None], None]  # what has been fetched, empty for an upload; None: it has failed


class Files:
    """The jobs of one station. `transfer` really moves files if somebody sets it, and then signatures are real, too."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self.transfer: Callable[[Transfer, Moved], None] = self._pretend
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self.firmware_status, self.diagnostics_status, self.log_status = "Idle", "Idle", "Idle"
        self.signed_firmware: tuple[str, int | None] = "Idle", None
        self._log_request: int | None = None
        self._boot_report: Callable[[], None] | None = None

    def booted(self) -> None:
        """Report what has to be reported after a start."""
        report, self._boot_report = self._boot_report, None
        if report is not None:
            report()
        if self._station.quirks.firmware_status_at_boot:
            self.report_firmware("Idle")

    def note(self, sentence: str) -> None:
        """Something has happened that belongs into diagnostics and logs."""
        self._log.append(f"{self._station.now().isoformat()} {sentence}")

    # -- firmware ------------------------------------------------------------------------------------

    def update_firmware(self, location: str) -> None:
        """Fetch, install, restart, say so."""
        self.report_firmware("Downloading")

        def fetched(content: bytes | None) -> None:
            if content is None:
                self.report_firmware("DownloadFailed")
                return
            self._in_steps(
                [
                    lambda: self.report_firmware("Downloaded"),
                    lambda: self.report_firmware("Installing"),
                    lambda: self._restart_with(location, lambda: self.report_firmware("Installed")),
                ]
            )

        self.transfer(Transfer(location, is_upload=False), fetched)

    def update_signed_firmware(self, firmware: Firmware, request_id: int) -> None:
        """Fetch, verify, install, restart, say so."""

        def report(status: str) -> Callable[[], None]:
            return lambda: self.report_signed_firmware(status, request_id)

        location = firmware.location

        def fetched(content: bytes | None) -> None:
            if content is None:
                report("DownloadFailed")()
            elif not self._is_genuine(firmware, content):
                self._in_steps([report("Downloaded"), report("InvalidSignature")])
                self._station.key_ring.security_event("InvalidFirmwareSignature")
            else:
                self._in_steps(
                    [
                        report("Downloaded"),
                        report("SignatureVerified"),
                        report("Installing"),
                        lambda: self._restart_with(location, report("Installed")),
                    ]
                )

        report("Downloading")()
        self.transfer(Transfer(location, is_upload=False), fetched)

    def report_firmware(self, status: str | None = None) -> None:
        """Send FirmwareStatusNotification; without a status the last one, Idle where nothing is under way."""
        self.firmware_status = status or self.firmware_status
        self._send("FirmwareStatusNotification", FirmwareStatusNotification(self.firmware_status))
        if self.firmware_status in ("Installed", "DownloadFailed", "InstallationFailed"):
            self.firmware_status = "Idle"

    def report_signed_firmware(self, status: str | None = None, request_id: int | None = None) -> None:
        """Send SignedFirmwareStatusNotification."""
        if status is not None:
            self.signed_firmware = status, request_id
        self._send("SignedFirmwareStatusNotification", SignedFirmwareStatusNotification(*self.signed_firmware))
        if self.signed_firmware[0] in ("Installed", "DownloadFailed", "InvalidSignature"):
            self.signed_firmware = "Idle", None

    # -- diagnostics and logs ------------------------------------------------------------------------

    def upload_diagnostics(self, location: str, name: str) -> None:
        """Upload and say so."""

        def sent(content: bytes | None) -> None:
            self.report_diagnostics("UploadFailed" if content is None else "Uploaded")

        self.report_diagnostics("Uploading")
        self.transfer(Transfer(location, is_upload=True, name=name, content=self._log_text()), sent)

    def report_diagnostics(self, status: str | None = None) -> None:
        """Send DiagnosticsStatusNotification; Idle where no upload is under way."""
        self.diagnostics_status = status or self.diagnostics_status
        self._send("DiagnosticsStatusNotification", DiagnosticsStatusNotification(self.diagnostics_status))
        if self.diagnostics_status != "Uploading":
            self.diagnostics_status = "Idle"

    def upload_log(self, location: str, name: str, request_id: int) -> None:
        """Upload and say so; a new request takes the place of an older one."""
        self._log_request = request_id

        def sent(content: bytes | None) -> None:
            if self._log_request == request_id:
                self.report_log("UploadFailure" if content is None else "Uploaded")

        self.report_log("Uploading")
        self.transfer(Transfer(location, is_upload=True, name=name, content=self._log_text()), sent)

    def report_log(self, status: str | None = None) -> None:
        """Send LogStatusNotification; Idle where no upload is under way."""
        self.log_status = status or self.log_status
        self._send("LogStatusNotification", LogStatusNotification(self.log_status, self._log_request))
        if self.log_status != "Uploading":
            self.log_status, self._log_request = "Idle", None

    @property
    def is_uploading_log(self) -> bool:
        """Is a log on its way?"""
        return self._log_request is not None

    # -- inside --------------------------------------------------------------------------------------

    def _send(self, action: str, notification: msgspec.Struct) -> None:
        self._station.tell(f"{action}: {getattr(notification, 'status', '')}")
        self._station.line.call(action, lambda: notification)

    def _in_steps(self, steps: Sequence[Callable[[], None]]) -> None:
        for number, step in enumerate(steps):
            self._station.clock.after(number * STEP_SECONDS, step)

    def _restart_with(self, location: str, report: Callable[[], None]) -> None:
        def installed() -> None:
            self._boot_report = report
            self._station.firmware = location.rpartition("/")[2][:50] or self._station.firmware
            self._station.power.reset("SoftReset")

        installed()

    def _pretend(self, transfer: Transfer, done: Moved) -> None:
        """Nothing is moved: a location that says so fails, every other one works."""
        self._station.clock.after(STEP_SECONDS, lambda: done(None if "fail" in transfer.location else b""))

    def _is_genuine(self, firmware: Firmware, content: bytes) -> bool:
        """Does the signature fit? Of firmware that was not really fetched, the signature says so itself."""
        if self.transfer == self._pretend:
            return "invalid" not in firmware.signature
        return self._station.key_ring.is_genuine(firmware.signing_certificate, firmware.signature, content)

    def _log_text(self) -> bytes:
        return "".join(f"{line}\n" for line in self._log).encode()
