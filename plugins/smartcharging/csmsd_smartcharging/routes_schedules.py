"""Composite schedules over the management API: ours, rendered, and what stations say."""

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

from csmsd.ocpp.encoding import encode_payload
from csmsd_core.messages import ChargingRateUnit
from csmsd_smartcharging.composite import Composite, Query
from csmsd_smartcharging.differences import Difference
from csmsd_smartcharging.messages import GetCompositeSchedule
from csmsd_smartcharging.ratings import Rating
from csmsd_smartcharging.rendering import rendered
from csmsd_smartcharging.routes_common import TAG, AnyRequest, Listing, refusals
from csmsd_smartcharging.routes_profiles import DAY, SentView, sent_view
from csmsd_smartcharging.schedules import Comparison

if TYPE_CHECKING:
    from csmsd_smartcharging.plugin import SmartChargingPlugin


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
        return sent_view(await plugin.profiles.ask_schedule(station_id, wanted, actor=request.user))

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
    if start is not None and start.tzinfo is None:
        raise HTTPException(detail="start needs a zone: 2030-01-01T00:00:00Z", status_code=422)
    return Query(connector_id, start or plugin.host.env.now(), duration, unit)


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
