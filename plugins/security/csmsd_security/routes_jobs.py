"""Logs and signed updates: start them with an id of their own, and see how far they are (SEC-72, SEC-75)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.errors import InvalidPayload
from csmsd_core.routes_page import AnyRequest, Limit, Page
from csmsd_security.commands import GET_LOG, SIGNED_UPDATE_FIRMWARE
from csmsd_security.jobs import Job
from csmsd_security.messages import Firmware, GetLog, LogParameters, LogType, SignedUpdateFirmware

if TYPE_CHECKING:
    from csmsd_security.plugin import SecurityPlugin

TAG = "Security"
Moment = Annotated[datetime, Meta(tz=True)]
Retries = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class LogBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which log, and where to; `retry_interval` in seconds."""

    remote_location: Annotated[str, Meta(min_length=1, max_length=512)]
    log_type: LogType = "SecurityLog"
    oldest_timestamp: Moment | None = None
    latest_timestamp: Moment | None = None
    retries: Retries | None = None
    retry_interval: Retries | None = None


class UpdateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which image, and what proves that it is genuine; without `retrieve_at` now."""

    location: Annotated[str, Meta(min_length=1, max_length=512)]
    signing_certificate: Annotated[str, Meta(max_length=5500)]
    signature: Annotated[str, Meta(max_length=800)]
    retrieve_at: Moment | None = None
    install_at: Moment | None = None
    retries: Retries | None = None
    retry_interval: Retries | None = None


class StartedJob(msgspec.Struct, frozen=True):
    """What the station answered; the job is listed under its request id."""

    request_id: int
    status: str
    filename: str | None
    warnings: Sequence[str]


def job_routes(plugin: SecurityPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @post("/stations/{station_id:str}/log", scope="operate", summary="Have a log uploaded", tags=[TAG], status_code=200)
    async def get_log(request: AnyRequest, station_id: FromPath[str], data: JSONBody[LogBody]) -> StartedJob:
        """Progress comes in LogStatusNotifications; AcceptedCanceled gave up an older upload."""
        station = host.stations.get(station_id)
        log = LogParameters(data.remote_location, data.oldest_timestamp, data.latest_timestamp)
        wanted = GetLog(data.log_type, await plugin.jobs.new_request_id(), log, data.retries, data.retry_interval)
        warnings = plugin.core.warnings_for(GET_LOG, wanted, station)
        host.audit.record(request.user, "security.get_log", station_id, None, wanted.request_id)
        answer = await station.call(GET_LOG, wanted)
        return StartedJob(wanted.request_id, answer.status, answer.filename, warnings)

    @post(
        "/stations/{station_id:str}/signed-update",
        scope="operate",
        summary="Have signed firmware installed",
        tags=[TAG],
        status_code=200,
    )
    async def update_signed(request: AnyRequest, station_id: FromPath[str], data: JSONBody[UpdateBody]) -> StartedJob:
        """Progress comes in SignedFirmwareStatusNotifications; findings about the certificate are warnings (SEC-76)."""
        if not data.signing_certificate.strip() or not data.signature.strip():
            raise InvalidPayload("a signed update needs a signing certificate and a signature (SEC-75)")
        station = host.stations.get(station_id)
        firmware = Firmware(
            data.location,
            data.retrieve_at or host.env.now(),
            data.signing_certificate,
            data.signature,
            data.install_at,
        )
        request_id = await plugin.jobs.new_request_id()
        wanted = SignedUpdateFirmware(request_id, firmware, data.retries, data.retry_interval)
        warnings = plugin.core.warnings_for(SIGNED_UPDATE_FIRMWARE, wanted, station)
        host.audit.record(request.user, "security.update_signed", station_id, None, request_id)
        answer = await station.call(SIGNED_UPDATE_FIRMWARE, wanted)
        return StartedJob(request_id, answer.status, None, warnings)

    @get("/stations/{station_id:str}/security/jobs", scope="read", summary="List logs and signed updates", tags=[TAG])
    async def list_jobs(station_id: FromPath[str], limit: Limit = 100) -> Page[Job]:
        """Newest first."""
        host.stations.record(station_id)
        return Page(await plugin.jobs.page(station_id, limit))

    return [get_log, update_signed, list_jobs]
