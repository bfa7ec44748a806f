"""Charging profiles: what a station holds, what a new one would change, and only then sending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd_smartcharging import Query, SmartChargingPlugin
from csmsd_ui.command_forms import outcome_words
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.profile_drafts import KINDS, PURPOSES, ROWS, UNITS, curves, draft_of
from csmsd_ui.rendering import query_of, segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to
from csmsd_ui.typed import Typed, typed_in

DAY = 86_400
BEFORE = {"color": "ink-2", "dash": True, "width": 1.5}
AFTER = {"color": "st-charging", "width": 2.25}


def smart_charging_of(desk: Desk) -> SmartChargingPlugin:
    """The plugin, or a page that says that it is off."""
    plugin = desk.plugin(SmartChargingPlugin, "smartcharging")
    if plugin is None:
        raise HTTPException(detail="The plugin smartcharging is off.", status_code=404)
    return plugin


def profile_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """Look, preview, send, clear."""

    async def preview_of(station_id: str, form: Mapping[str, str]) -> Any:
        plugin = smart_charging_of(desk)
        connector_id, draft = draft_of(form)
        built = await plugin.profiles.build(station_id, connector_id, draft)
        query = Query(connector_id, desk.host.env.now(), DAY)
        return await plugin.schedules.preview(station_id, connector_id, built, query)

    async def show(
        request: AnyRequest,
        station_id: str,
        form: Mapping[str, str],
        *,
        error: str = "",
        status: int = 200,
        words: tuple[str, str] | None = None,
    ) -> Response[str]:
        plugin = smart_charging_of(desk)
        head = head_of(desk, desk.viewer(request), station_id, "profiles", (await about(desk, station_id)).line)
        preview = None
        if not error and any(form.get(f"limit{row}") for row in range(ROWS)):
            try:
                preview = await preview_of(station_id, form)
            except CsmsdError as refusal:
                error, status = str(refusal), 422
        kept = Typed({name: value for name, value in form.items() if name != "csrf_token"})
        base = f"/ui/data/stations/{segment(station_id)}"
        connectors = [each.connector_id for each in desk.core.statuses.of_station(station_id)] or [0, 1]
        chart = f"{base}/preview{query_of(**kept)}" if preview else f"{base}/composite{query_of(connector_id=1)}"
        return desk.pages.respond(
            request,
            "profiles_station.html",
            title=f"Charging profiles of {station_id}",
            status=status,
            head=head,
            held=plugin.mirror.of_station(station_id),
            form=kept,
            error=error,
            preview=preview,
            chart=chart,
            connectors=connectors,
            purposes=PURPOSES,
            kinds=KINDS,
            units=UNITS,
            rows=range(ROWS),
            words=words,
        )

    @get("/ui/stations/{station_id:str}/profiles", scope="read")
    async def profiles(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """What it holds; with a draft in the query what that would change."""
        return await show(request, station_id, dict(request.query_params))

    @post("/ui/stations/{station_id:str}/profiles", scope="operate", status_code=200)
    async def send(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """Install the draft."""
        form = await typed_in(request)
        try:
            connector_id, draft = draft_of(form)
            sent = await smart_charging_of(desk).profiles.set(station_id, connector_id, draft, actor=request.user)
        except CsmsdError as refusal:
            return await show(request, station_id, form, error=str(refusal), status=422)
        return await show(request, station_id, {}, words=outcome_words(sent.record))

    @post("/ui/stations/{station_id:str}/profiles/{profile_id:int}/clear", scope="operate", status_code=303)
    async def clear(request: AnyRequest, station_id: FromPath[str], profile_id: FromPath[int]) -> Redirect:
        """Take one out."""
        await smart_charging_of(desk).profiles.clear_one(station_id, profile_id, actor=request.user)
        return back_to(f"/ui/stations/{segment(station_id)}/profiles")

    @get("/ui/data/stations/{station_id:str}/preview", scope="read")
    async def preview_data(request: AnyRequest, station_id: FromPath[str]) -> Response[Any]:
        """Before and after, as steps."""
        preview = await preview_of(station_id, dict(request.query_params))
        return _data(curves([("before", preview.before, BEFORE), ("after", preview.after, AFTER)]))

    @get("/ui/data/stations/{station_id:str}/composite", scope="read")
    async def composite_data(station_id: FromPath[str], connector_id: FromQuery[int] = 1) -> Response[Any]:
        """The next day as it is."""
        query = Query(connector_id, desk.host.env.now(), DAY)
        found = await smart_charging_of(desk).schedules.calculate(station_id, query)
        return _data(curves([("limit", found, AFTER)]))

    @get("/ui/profiles", scope="read")
    async def overview(request: AnyRequest) -> Response[str]:
        """Templates, and which stations hold profiles."""
        plugin = smart_charging_of(desk)
        fleet = await desk.figures.fleet()
        holding = [(record.id, plugin.mirror.of_station(record.id)) for record in fleet.records]
        return desk.pages.respond(
            request,
            "profiles.html",
            title="Charging profiles",
            templates=plugin.templates.list(),
            holding=[pair for pair in holding if pair[1]][:200],
        )

    return [profiles, send, clear, preview_data, composite_data, overview]


def _data(found: dict[str, Any]) -> Response[Any]:
    return Response(found, media_type="application/json", headers={"cache-control": "no-store"})
