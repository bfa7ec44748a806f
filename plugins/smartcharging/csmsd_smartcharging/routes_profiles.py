"""Charging profiles of a station: what it holds, preview, set, clear, composite schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.host import CommandRecord
from csmsd.ocpp.encoding import encode_payload
from csmsd_core.messages import ChargingProfile, ChargingProfilePurpose
from csmsd_smartcharging.builder import Draft
from csmsd_smartcharging.composite import Composite, Query
from csmsd_smartcharging.differences import Difference
from csmsd_smartcharging.mirror_rows import Held
from csmsd_smartcharging.routes_common import TAG, AnyRequest, Connector, Listing, refusals
from csmsd_smartcharging.service import Sent

if TYPE_CHECKING:
    from csmsd_smartcharging.plugin import SmartChargingPlugin

DAY = 86_400


class HeldView(msgspec.Struct, frozen=True):
    """A profile that the station holds; `profile` is OCPP's."""

    id: int
    connector_id: int
    purpose: str
    stack_level: int
    transaction_id: int | None
    accepted_at: datetime
    profile: msgspec.Raw


class SentView(msgspec.Struct, frozen=True):
    """A command that was sent, and what became of it."""

    command_id: str
    state: str
    status: str  # what the station answered: Accepted, Rejected, NotSupported, Unknown; "" if it did not
    error_code: str
    error: str
    warnings: tuple[str, ...]
    profile: msgspec.Raw | None = None


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to install where: a draft, or the name of a template."""

    connector_id: Connector
    draft: Draft | None = None
    template: str = ""


class PreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try out, and over which time."""

    connector_id: Connector
    draft: Draft | None = None
    template: str = ""
    duration: Annotated[int, Meta(ge=1)] = DAY


class PreviewView(msgspec.Struct, frozen=True):
    """What a profile would change; null limits are unlimited."""

    profile: msgspec.Raw
    before: Composite
    after: Composite
    differences: tuple[Difference, ...]
    replaced: tuple[int, ...]


class RemoteStartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remote start with a profile of its own."""

    id_tag: str
    draft: Draft
    connector_id: Annotated[int, Meta(ge=1)] | None = None


class ClearBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which profiles to clear: the one of an id, those that fit everything else given, or all (SC-26)."""

    id: int | None = None
    connector_id: Connector | None = None
    purpose: ChargingProfilePurpose | None = None
    stack_level: Annotated[int, Meta(ge=0)] | None = None


class StationStatus(msgspec.Struct, frozen=True):
    """The field of an answer that all of them have."""

    status: str = ""


def profile_routes(plugin: SmartChargingPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the services."""
    profiles, schedules, stations = plugin.profiles, plugin.schedules, plugin.host.stations

    def draft_of(body: ProfileBody | PreviewBody) -> Draft:
        return plugin.templates.get(body.template).draft if body.draft is None else body.draft

    @get("/stations/{station_id:str}/charging-profiles", scope="read", summary="List charging profiles", tags=[TAG])
    async def list_profiles(station_id: FromPath[str]) -> Listing[HeldView]:
        """What the station holds as far as csmsd knows, in the order of acceptance (SC-20)."""
        stations.record(station_id)
        return Listing([_held(each) for each in plugin.mirror.of_station(station_id)])

    @post(
        "/stations/{station_id:str}/charging-profiles",
        scope="operate",
        summary="Install a charging profile",
        tags=[TAG],
        status_code=200,
    )
    async def set_profile(request: AnyRequest, station_id: FromPath[str], data: JSONBody[ProfileBody]) -> SentView:
        """Built of a draft or a template; fields left out get their defaults (SC-07)."""
        with refusals():
            sent = await profiles.set(station_id, data.connector_id, draft_of(data), actor=request.user)
        return sent_view(sent)

    @post(
        "/stations/{station_id:str}/charging-profiles/preview",
        scope="read",
        summary="See what a profile would change",
        tags=[TAG],
        status_code=200,
    )
    async def preview_profile(station_id: FromPath[str], data: JSONBody[PreviewBody]) -> PreviewView:
        """Nothing is sent. The profile in the answer is the one that would be, with OCPP's names."""
        with refusals():
            built = await profiles.build(station_id, data.connector_id, draft_of(data))
            query = Query(data.connector_id, plugin.host.env.now(), data.duration)
            found = await schedules.preview(station_id, data.connector_id, built, query)
        return PreviewView(_raw(built), found.before, found.after, found.differences, found.replaced)

    @post(
        "/stations/{station_id:str}/charging-profiles/remote-start",
        scope="operate",
        summary="Start a transaction with a profile",
        tags=[TAG],
        status_code=200,
    )
    async def remote_start(request: AnyRequest, station_id: FromPath[str], data: JSONBody[RemoteStartBody]) -> SentView:
        """The profile belongs to the transaction that begins (SC-22)."""
        with refusals():
            sent = await profiles.remote_start(
                station_id, data.id_tag, data.draft, actor=request.user, connector_id=data.connector_id
            )
        return sent_view(sent)

    @post(
        "/stations/{station_id:str}/charging-profiles/clear",
        scope="operate",
        summary="Clear charging profiles",
        tags=[TAG],
        status_code=200,
    )
    async def clear_profiles(request: AnyRequest, station_id: FromPath[str], data: JSONBody[ClearBody]) -> SentView:
        """The id alone is sent if it is given, nothing at all if nothing is (SC-27)."""
        if data.id is not None:
            if data != ClearBody(data.id):
                raise HTTPException(detail="the id decides alone: leave the other fields out", status_code=422)
            return sent_view(await profiles.clear_one(station_id, data.id, actor=request.user))
        sent = await profiles.clear(
            station_id,
            actor=request.user,
            connector_id=data.connector_id,
            purpose=data.purpose,
            stack_level=data.stack_level,
        )
        return sent_view(sent)

    return [list_profiles, set_profile, preview_profile, remote_start, clear_profiles]


def _raw(profile: ChargingProfile) -> msgspec.Raw:
    return msgspec.Raw(encode_payload(profile))


def _held(held: Held) -> HeldView:
    profile = held.profile
    return HeldView(
        held.id,
        held.connector_id,
        profile.charging_profile_purpose,
        profile.stack_level,
        held.transaction_id,
        held.accepted_at,
        _raw(profile),
    )


def sent_view(sent: Sent) -> SentView:
    """A command as the API shows it."""
    record: CommandRecord = sent.record
    answered = record.state == "answered" and record.result is not None
    status = msgspec.json.decode(bytes(record.result or b"{}"), type=StationStatus).status if answered else ""
    profile = None if sent.profile is None else _raw(sent.profile)
    return SentView(record.id, record.state, status, record.error_code, record.error, sent.warnings, profile)
