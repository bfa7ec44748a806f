"""Jobs: every UpdateFirmware and GetDiagnostics that is sent, by whatever way, and what stations report of it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from csmsd.command import AnyCommand
from csmsd.errors import CallFailed, CsmsdError, InvalidResponse, NeverSent
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Station
from csmsd_core import CorePlugin, StationBooted, core_of
from csmsd_firmware import job_queries
from csmsd_firmware.commands import UPDATE_FIRMWARE
from csmsd_firmware.job_rows import AnswerRow, BootRow, JobWrites, NewJob, StatusRow
from csmsd_firmware.messages import GetDiagnostics, GetDiagnosticsResponse, UpdateFirmware
from csmsd_firmware.progress import Kind
from csmsd_firmware.records import Job, ReportedStatus
from csmsd_firmware.redaction import masked
from csmsd_firmware.tokens import hash_in

log = logging.getLogger("csmsd.plugin.firmware")

REMEMBERED = 16  # commands of each station that may still be answered
NOTIFICATIONS: dict[Kind, str] = {
    "firmware": "FirmwareStatusNotification",
    "diagnostics": "DiagnosticsStatusNotification",
}
SIGNED_ONLY = "stations that want signed updates answer so: use SignedUpdateFirmware (FW-07)"


class UnknownJob(CsmsdError):
    """No job has that number."""


@dataclass(slots=True, eq=False)
class Intent:
    """What csmsd knows of a command before it is sent, beyond the message itself; told apart by its location."""

    location: str
    image_id: int | None = None
    expected_version: str = ""
    campaign_id: int | None = None
    job_id: int | None = None  # as soon as there is a job


@dataclass(slots=True, eq=False)
class _Command:
    """A command under way; told apart by its request, because an answer may come late (RPC-24)."""

    station: Station
    request: msgspec.Struct
    job_id: int
    is_told: bool = False  # it is known what became of it


class Jobs:
    """All jobs of one csmsd."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._writes = JobWrites(host.store)
        self._commands: dict[str, deque[_Command]] = {}
        self._intents: dict[str, list[Intent]] = {}
        self._signed_only: set[str] = set()  # stations that answered NotSupported (FW-07)

    @property
    def _core(self) -> CorePlugin:
        return core_of(self._host)

    async def load(self) -> None:
        """After a start: stations that were told something may report of it (BOOT-21)."""
        await self._host.store.submit(self._writes.interrupt, self._host.env.now())
        known = await self._host.store.read(job_queries.select_known)
        for station_id, kind in known.stations:
            self._core.expected.expect(station_id, NOTIFICATIONS[kind], for_job=True)
        self._signed_only |= known.signed_only

    # -- what is sent --------------------------------------------------------------------------------

    @contextmanager
    def intending(self, station_id: str, intent: Intent) -> Generator[None]:
        """Say more about the command that is submitted in this context, by whatever way it goes."""
        intents = self._intents.setdefault(station_id, [])
        intents.append(intent)
        try:
            yield
        finally:
            intents.remove(intent)
            if not intents:
                self._intents.pop(station_id, None)

    async def prepare(self, station: Station, request: UpdateFirmware | GetDiagnostics) -> None:
        """A job exists before the station can report of it."""
        kind: Kind = "firmware" if isinstance(request, UpdateFirmware) else "diagnostics"
        nameplate = await self._core.boots.nameplate(station.id)
        intent, now = self._intent(station.id, request.location), self._host.env.now()
        job = Job(
            id=0,
            kind=kind,
            station_id=station.id,
            location=masked(request.location),
            state="requested",
            requested_at=now,
            changed_at=now,
            image_id=intent.image_id,
            expected_version=intent.expected_version,
            version_before=nameplate.data.firmware_version or "",
            campaign_id=intent.campaign_id,
        )
        job_id = await self._host.store.submit(self._writes.add, NewJob(job, hash_in(request.location)))
        intent.job_id = job_id
        self._commands.setdefault(station.id, deque(maxlen=REMEMBERED)).append(_Command(station, request, job_id))
        self._core.expected.expect(station.id, NOTIFICATIONS[kind], for_job=True)

    def answered(self, station: Station, request: msgspec.Struct, response: msgspec.Struct) -> None:
        """In time or late (RPC-24)."""
        command = self._find(station.id, request)
        if command is None:
            return
        self._commands[station.id].remove(command)
        now = self._host.env.now()
        if isinstance(response, GetDiagnosticsResponse) and not response.file_name:
            self._note(AnswerRow(command.job_id, "no diagnostics", now))
            return
        if isinstance(request, UpdateFirmware):
            self._signed_only.discard(station.id)
        file_name = (response.file_name if isinstance(response, GetDiagnosticsResponse) else None) or ""
        self._note(AnswerRow(command.job_id, "accepted", now, file_name=file_name))

    def failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """No proper answer; one may still come late."""
        found = self._find(station.id, request)
        if found is None:
            return
        found.is_told = True
        now = self._host.env.now()
        match error:
            case CallFailed(code="NotSupported") if command is UPDATE_FIRMWARE:
                self._signed_only.add(station.id)
                log.warning("%s; %s", error, SIGNED_ONLY)
                self._note(AnswerRow(found.job_id, "refused", now, error.code, f"{error}; {SIGNED_ONLY}"))
            case CallFailed():
                self._note(AnswerRow(found.job_id, "refused", now, error.code, str(error)))
            case NeverSent():
                self._note(AnswerRow(found.job_id, "not sent", now, "", str(error)))
            case InvalidResponse():
                self._note(AnswerRow(found.job_id, "accepted", now, "", str(error)))
            case _:
                self._note(AnswerRow(found.job_id, "unanswered", now, "", str(error)))

    def left(self, station: Station) -> None:
        """The connection is gone, and with it what was not on the line yet."""
        queue = self._commands.get(station.id, deque())
        for each in [each for each in queue if each.station is station]:
            queue.remove(each)
            if not each.is_told:
                reason = f"{station.id} left before it could be told"
                self._note(AnswerRow(each.job_id, "not sent", self._host.env.now(), "", reason))

    # -- what stations report ------------------------------------------------------------------------

    def reported(self, kind: Kind, station_id: str, status: str, at: datetime) -> Pending[None]:
        """Keep a status notification, asked for or not, and move the latest job on (FW-04, DIAG-03)."""
        self._host.events.publish(f"{kind}.status", station_id, at, {"status": status})
        return self._host.store.submit(self._writes.report, StatusRow(kind, station_id, status, at))

    async def booted(self, station_id: str, fact: StationBooted) -> None:
        """A changed firmware version tells that an update has succeeded (FW-05)."""
        await self._host.store.submit(self._writes.boot, BootRow(station_id, fact.firmware_version, fact.at))

    # -- what is known -------------------------------------------------------------------------------

    def wants_signed_updates(self, station_id: str) -> bool:
        """Whether it answered NotSupported to its last UpdateFirmware (FW-07)."""
        return station_id in self._signed_only

    async def job(self, job_id: int) -> Job:
        """One job; UnknownJob."""
        found = await self._host.store.read(lambda connection: job_queries.select_job(connection, job_id))
        if found is None:
            raise UnknownJob(f"there is no job {job_id}")
        return found

    async def jobs(
        self, kind: Kind, station_id: str | None = None, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[Job]:
        """Newest first; those of one station, or of all."""
        return await self._host.store.read(
            lambda connection: job_queries.select_jobs(connection, kind, station_id, before_id, limit)
        )

    async def statuses(self, kind: Kind, station_id: str, limit: int = 100) -> Sequence[ReportedStatus]:
        """What a station has reported, newest first."""
        return await self._host.store.read(
            lambda connection: job_queries.select_statuses(connection, kind, station_id, limit)
        )

    # -- inside --------------------------------------------------------------------------------------

    def _intent(self, station_id: str, location: str) -> Intent:
        for each in self._intents.get(station_id, ()):
            if each.location == location and each.job_id is None:
                return each
        return Intent(location)

    def _find(self, station_id: str, request: msgspec.Struct) -> _Command | None:
        for each in reversed(self._commands.get(station_id, ())):
            if each.request is request:
                return each
        return None

    def _note(self, row: AnswerRow) -> None:
        def report(_: Any, error: BaseException | None) -> None:
            if error is not None:
                log.warning("job %s: what became of the command is not stored: %s", row.job_id, error)

        self._host.store.submit(self._writes.answer, row).when_settled(report)
