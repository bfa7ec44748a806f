"""Firmware Management's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, asgi, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler, Receive, Scope, Send
from msgspec import Meta

from csmsd_firmware.records import Job, ReceivedFile, ReportedStatus
from csmsd_firmware.redaction import masked
from csmsd_firmware.routes_campaigns import campaign_routes
from csmsd_firmware.routes_files import file_routes
from csmsd_firmware.service import Retries, Sent, Source

if TYPE_CHECKING:
    from csmsd_firmware.plugin import FirmwarePlugin

Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class UpdateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either an image of csmsd's or a location; not before `retrieve_date` (null: now)."""

    image: str = ""
    location: str = ""
    retrieve_date: Annotated[datetime, Meta(tz=True)] | None = None
    retries: Number | None = None
    retry_interval: Number | None = None


class DiagnosticsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which time, and where to: without a location the file comes to csmsd."""

    location: str = ""
    start_time: Annotated[datetime, Meta(tz=True)] | None = None
    stop_time: Annotated[datetime, Meta(tz=True)] | None = None
    retries: Number | None = None
    retry_interval: Number | None = None


class FirmwareView(msgspec.Struct, frozen=True):
    """What is known of a station's firmware: jobs and reported statuses, newest first."""

    station_id: str
    version: str
    wants_signed_updates: bool
    jobs: Sequence[Job]
    statuses: Sequence[ReportedStatus]


class DiagnosticsView(msgspec.Struct, frozen=True):
    """Uploads that a station was asked for, what it reported, and the files that came; newest first."""

    station_id: str
    jobs: Sequence[Job]
    statuses: Sequence[ReportedStatus]
    files: Sequence[ReceivedFile]


def firmware_routes(plugin: FirmwarePlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the services."""
    host = plugin.host

    @post(
        "/stations/{station_id:str}/firmware",
        scope="operate",
        summary="Update firmware",
        tags=["Firmware"],
        status_code=200,
    )
    async def update_firmware(
        request: Request[Any, Any, Any], station_id: FromPath[str], data: JSONBody[UpdateBody]
    ) -> Sent:
        """Sends UpdateFirmware; with `image`, its location is a link that is good for this station only."""
        wanted = {"image": data.image, "location": masked(data.location)}
        host.audit.record(request.user, "firmware.update", station_id, None, wanted)
        return await plugin.service.update(
            station_id,
            Source(data.image, data.location),
            actor=request.user,
            retrieve_date=data.retrieve_date,
            retries=Retries(data.retries, data.retry_interval),
        )

    @get("/stations/{station_id:str}/firmware", scope="read", summary="Show updates", tags=["Firmware"])
    async def show_firmware(station_id: FromPath[str]) -> FirmwareView:
        """How far updates of a station are."""
        host.stations.record(station_id)
        return FirmwareView(
            station_id,
            await plugin.version_of(station_id),
            plugin.jobs.wants_signed_updates(station_id),
            await plugin.jobs.jobs("firmware", station_id, limit=20),
            await plugin.jobs.statuses("firmware", station_id, limit=50),
        )

    @post(
        "/stations/{station_id:str}/diagnostics",
        scope="operate",
        summary="Get diagnostics",
        tags=["Diagnostics"],
        status_code=200,
    )
    async def get_diagnostics(
        request: Request[Any, Any, Any], station_id: FromPath[str], data: JSONBody[DiagnosticsBody]
    ) -> Sent:
        """Sends GetDiagnostics; without `location` it names a link under which csmsd takes one file."""
        host.audit.record(request.user, "diagnostics.get", station_id, None, {"location": masked(data.location)})
        return await plugin.service.get_diagnostics(
            station_id,
            actor=request.user,
            location=data.location,
            start_time=data.start_time,
            stop_time=data.stop_time,
            retries=Retries(data.retries, data.retry_interval),
        )

    @get("/stations/{station_id:str}/diagnostics", scope="read", summary="Show diagnostics", tags=["Diagnostics"])
    async def show_diagnostics(station_id: FromPath[str]) -> DiagnosticsView:
        """What was asked for, and what came."""
        host.stations.record(station_id)
        return DiagnosticsView(
            station_id,
            await plugin.jobs.jobs("diagnostics", station_id, limit=20),
            await plugin.jobs.statuses("diagnostics", station_id, limit=50),
            await plugin.files.listed(station_id, limit=50),
        )

    @get("/firmware/jobs/{job_id:int}", scope="read", summary="Show a job", tags=["Firmware"])
    async def show_job(job_id: FromPath[int]) -> Job:
        """An update or an upload, and how far it is."""
        return await plugin.jobs.job(job_id)

    @asgi("/files", scope="public", is_mount=True, copy_scope=True)
    async def files_of_stations(scope: Scope, receive: Receive, send: Send) -> None:
        """For stations, which show a link and nothing else."""
        await plugin.plane(scope, receive, send)

    handlers = [update_firmware, show_firmware, get_diagnostics, show_diagnostics, show_job, files_of_stations]
    return [*handlers, *file_routes(plugin), *campaign_routes(plugin)]
