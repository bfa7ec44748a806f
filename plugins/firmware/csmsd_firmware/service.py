"""What operators do: update firmware, get diagnostics, with files of csmsd's own or of others."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.command import AnyCommand
from csmsd.errors import InvalidPayload
from csmsd.host import CommandRecord, Host
from csmsd.ocpp.encoding import encode_payload
from csmsd_core import core_of
from csmsd_firmware.commands import GET_DIAGNOSTICS, UPDATE_FIRMWARE
from csmsd_firmware.images import Images
from csmsd_firmware.jobs import Intent, Jobs
from csmsd_firmware.links import Links
from csmsd_firmware.messages import GetDiagnostics, UpdateFirmware
from csmsd_firmware.records import Job


class Source(msgspec.Struct, frozen=True):
    """Where an update comes from: exactly one of an image of csmsd's and a location of somebody else's."""

    image: str = ""
    location: str = ""


class Retries(msgspec.Struct, frozen=True):
    """How often a station tries again, and after how many seconds; None: as it likes."""

    count: int | None = None
    interval: int | None = None


AS_IT_LIKES = Retries()


class Sent(msgspec.Struct, frozen=True):
    """A command that was sent, and what became of it."""

    record: CommandRecord
    job: Job | None  # None: it was refused before it was sent
    warnings: tuple[str, ...] = ()


def check_source(source: Source) -> None:
    """InvalidPayload unless there is exactly one."""
    if bool(source.image) == bool(source.location):
        raise InvalidPayload("give either an image or a location")


class FirmwareService:
    """Commands, with everything around them."""

    def __init__(self, host: Host, jobs: Jobs, images: Images, links: Links) -> None:
        self._host, self._jobs, self._images, self._links = host, jobs, images, links

    async def update(
        self,
        station_id: str,
        source: Source,
        *,
        actor: str,
        retrieve_date: datetime | None = None,
        retries: Retries = AS_IT_LIKES,
        campaign_id: int | None = None,
    ) -> Sent:
        """Send UpdateFirmware (FW-01) and wait for the answer.

        Errors: InvalidPayload, UnknownImage, NoFilePlane, UnknownStation, StationUnavailable.
        """
        check_source(source)
        self._host.stations.get(station_id)
        intent = Intent(source.location, campaign_id=campaign_id)
        if source.image:
            image = await self._images.named(source.image)
            location = await self._links.to_image(station_id, image)
            intent = Intent(location, image.id, image.version, campaign_id)
        request = UpdateFirmware(
            intent.location, retrieve_date or self._host.env.now(), retries.count, retries.interval
        )
        return await self._send(station_id, UPDATE_FIRMWARE, request, intent, actor)

    async def get_diagnostics(
        self,
        station_id: str,
        *,
        actor: str,
        location: str = "",
        start_time: datetime | None = None,
        stop_time: datetime | None = None,
        retries: Retries = AS_IT_LIKES,
    ) -> Sent:
        """Send GetDiagnostics (DIAG-01) and wait for the answer; without a location the file comes to csmsd.

        Errors: NoFilePlane, UnknownStation, StationUnavailable.
        """
        self._host.stations.get(station_id)
        intent = Intent(location or await self._links.for_upload(station_id))
        request = GetDiagnostics(intent.location, retries.count, retries.interval, start_time, stop_time)
        return await self._send(station_id, GET_DIAGNOSTICS, request, intent, actor)

    async def _send(
        self, station_id: str, command: AnyCommand, request: msgspec.Struct, intent: Intent, actor: str
    ) -> Sent:
        station = self._host.stations.get(station_id)
        warnings = core_of(self._host).warnings_for(command, request, station)
        with self._jobs.intending(station_id, intent):
            submitted = await self._host.commands.submit(station_id, command.name, encode_payload(request), actor=actor)
            record = await self._host.commands.outcome(submitted.id)
        job = None if intent.job_id is None else await self._jobs.job(intent.job_id)
        return Sent(record, job, tuple(warnings))
