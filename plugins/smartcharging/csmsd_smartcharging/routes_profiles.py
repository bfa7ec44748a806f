"""Charging profiles of a station: what it holds, preview, set, clear, composite schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import get, post, put
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.host import CommandRecord
from csmsd.ocpp.encoding import encode_payload
from csmsd_core.messages import ChargingProfile, ChargingProfilePurpose, ChargingRateUnit
from csmsd_smartcharging.builder import Draft
from csmsd_smartcharging.composite import Composite, Query
from csmsd_smartcharging.differences import Difference
from csmsd_smartcharging.messages import GetCompositeSchedule
from csmsd_smartcharging.mirror_rows import Held
from csmsd_smartcharging.ratings import Rating
from csmsd_smartcharging.rendering import rendered
from csmsd_smartcharging.routes_common import TAG, AnyRequest, Connector, Listing, refusals
from csmsd_smartcharging.schedules import Comparison
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


class AnswerView(msgspec.Struct, frozen=True):
    """What a station says its profiles add up to, beside our own calculation."""

    connector_id: int
    received_at: datetime
    starts_at: datetime
    duration: int
    response: msgspec.Raw
    ours: Composite | None
    differences: tuple[Difference, ...]  # `before` is the station, `after` is csmsd


class RatingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most there can be."""

    limit: Decimal
    unit: ChargingRateUnit
    phases: Annotated[int, Meta(ge=1, le=3)] = 3


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
        return _sent(sent)

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
        return _sent(sent)

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
            return _sent(await profiles.clear_one(station_id, data.id, actor=request.user))
        sent = await profiles.clear(
            station_id,
            actor=request.user,
            connector_id=data.connector_id,
            purpose=data.purpose,
            stack_level=data.stack_level,
        )
        return _sent(sent)

    return [list_profiles, set_profile, preview_profile, remote_start, clear_profiles]


def schedule_routes(plugin: SmartChargingPlugin) -> Sequence[ControllerRouterHandler]:
    """Composite schedules: ours, and what stations say."""
    schedules, stations = plugin.schedules, plugin.host.stations

    @get("/stations/{station_id:str}/composite-schedule", scope="read", summary="Work a schedule out", tags=[TAG])
    async def calculate(
        station_id: FromPath[str],
        connector_id: FromQuery[int] = 0,
        duration: FromQuery[int] = DAY,
        unit: FromQuery[ChargingRateUnit | None] = None,
        start: FromQuery[datetime | None] = None,
    ) -> Composite:
        """Our own calculation; null limits are unlimited (SCA-16)."""
        stations.record(station_id)
        with refusals():
            return await schedules.calculate(station_id, _query(plugin, connector_id, duration, unit, start))

    @get(
        "/stations/{station_id:str}/composite-schedule/rendered",
        scope="read",
        summary="Work a schedule out as OCPP shows it",
        tags=[TAG],
    )
    async def render(
        station_id: FromPath[str],
        connector_id: FromQuery[int] = 0,
        duration: FromQuery[int] = DAY,
        unit: FromQuery[ChargingRateUnit | None] = None,
    ) -> msgspec.Raw:
        """As the station would answer GetCompositeSchedule (SCA-17); unlimited stretches get the rating."""
        stations.record(station_id)
        with refusals():
            query = _query(plugin, connector_id, duration, unit, None)
            result = await schedules.calculate(station_id, query)
            most = plugin.ratings.amount(station_id, connector_id, result.unit, plugin.config.exact_voltage)
            return msgspec.Raw(encode_payload(rendered(result, most)))

    @get("/stations/{station_id:str}/composite-answers", scope="read", summary="Compare schedules", tags=[TAG])
    async def compare(station_id: FromPath[str]) -> Listing[AnswerView]:
        """The station's last answers beside ours; a snapshot, which may include local limits (SC-30)."""
        stations.record(station_id)
        return Listing([_answer(each) for each in await schedules.comparisons(station_id)])

    @post(
        "/stations/{station_id:str}/composite-answers",
        scope="operate",
        summary="Ask the station for its schedule and compare",
        tags=[TAG],
        status_code=200,
    )
    async def ask(
        request: AnyRequest,
        station_id: FromPath[str],
        connector_id: FromQuery[int] = 0,
        duration: FromQuery[int] = DAY,
        unit: FromQuery[ChargingRateUnit | None] = None,
    ) -> SentView:
        """GetCompositeSchedule; the comparison is in the list (SC-29)."""
        wanted = GetCompositeSchedule(connector_id, duration, unit)
        return _sent(await plugin.profiles.ask_schedule(station_id, wanted, actor=request.user))

    @put("/stations/{station_id:str}/ratings/{connector_id:int}", scope="operate", summary="Set a rating", tags=[TAG])
    async def put_rating(
        request: AnyRequest, station_id: FromPath[str], connector_id: FromPath[int], data: JSONBody[RatingBody]
    ) -> Rating:
        """The most a connector, or the station (connector 0), can do."""
        stations.record(station_id)
        new = Rating(station_id, connector_id, int(data.limit * 10), data.unit, data.phases)
        with refusals():
            await plugin.ratings.put(new, actor=request.user)
        return new

    return [calculate, render, compare, ask, put_rating]


def _query(
    plugin: SmartChargingPlugin,
    connector_id: int,
    duration: int,
    unit: ChargingRateUnit | None,
    start: datetime | None,
) -> Query:
    return Query(connector_id, start or plugin.host.env.now(), duration, unit)


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


def _sent(sent: Sent) -> SentView:
    record: CommandRecord = sent.record
    answered = record.state == "answered" and record.result is not None
    status = msgspec.json.decode(bytes(record.result or b"{}"), type=StationStatus).status if answered else ""
    profile = None if sent.profile is None else _raw(sent.profile)
    return SentView(record.id, record.state, status, record.error_code, record.error, sent.warnings, profile)


def _answer(found: Comparison) -> AnswerView:
    answer = found.answer
    return AnswerView(
        answer.connector_id,
        answer.received_at,
        answer.starts_at,
        answer.duration,
        msgspec.Raw(encode_payload(answer.response)),
        found.ours,
        found.differences,
    )
