"""Firmware: images, campaigns in waves, and a station's updates and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd_firmware import FirmwarePlugin, Plan, Source
from csmsd_firmware.campaigns import ORDERS, Order, UnknownCampaign
from csmsd_firmware.files import UnknownFile
from csmsd_firmware.redaction import masked
from csmsd_firmware.selection import Selection, select_stations
from csmsd_ui.command_forms import outcome_words
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to
from csmsd_ui.typed import Typed, typed_in

MOST = 300  # stations of a campaign that are listed


def firmware_of(desk: Desk) -> FirmwarePlugin:
    """The plugin, or a page that says that it is off."""
    plugin = desk.plugin(FirmwarePlugin, "firmware")
    if plugin is None:
        raise HTTPException(detail="The plugin firmware is off.", status_code=404)
    return plugin


def firmware_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """Images and campaigns."""

    async def show(request: AnyRequest, *, error: str = "", status: int = 200, form: Typed) -> Response[str]:
        plugin = firmware_of(desk)
        return desk.pages.respond(
            request,
            "firmware.html",
            title="Firmware",
            status=status,
            images=await plugin.images.all(),
            campaigns=await plugin.campaigns.recent(limit=50),
            files=await plugin.files.listed(None, limit=20),
            error=error,
            form=form,
        )

    @get("/ui/firmware", scope="read")
    async def firmware(request: AnyRequest) -> Response[str]:
        """What there is."""
        return await show(request, form=Typed())

    @post("/ui/firmware/campaigns", scope="operate", status_code=200)
    async def start(request: AnyRequest) -> Response[str] | Redirect:
        """A campaign, from its first wave on."""
        form, plugin = await typed_in(request), firmware_of(desk)
        ids = tuple(form.get("stations", "").replace(",", " ").split())
        try:
            plan = Plan(
                source=Source(image=form.get("image", "")),
                wave_size=max(1, _whole(form.get("wave_size", "1"))),
                wave_pause=float(_whole(form.get("pause", "0")) * 60),
                max_failures=_whole(form.get("failures", "0")),
            )
            stations = await select_stations(desk.host, Selection(ids=ids, all=form.get("all") == "yes"))
            started = await plugin.campaigns.start(form.get("name", "").strip(), stations, plan, actor=request.user)
        except (CsmsdError, ValueError) as error:
            return await show(request, error=str(error), status=422, form=form)
        desk.host.audit.record(request.user, "firmware.campaign.start", str(started.id), None, started)
        return back_to(f"/ui/firmware/campaigns/{started.id}")

    @get("/ui/firmware/campaigns/{campaign_id:int}", scope="read")
    async def campaign(request: AnyRequest, campaign_id: FromPath[int]) -> Response[str]:
        """How far it is, station by station."""
        try:
            whole = await firmware_of(desk).campaigns.whole(campaign_id)
        except UnknownCampaign as error:
            raise HTTPException(detail=str(error), status_code=404) from None
        state = whole.campaign.state
        return desk.pages.respond(
            request,
            "campaign.html",
            title=whole.campaign.name or f"Campaign {campaign_id}",
            c=whole.campaign,
            source=whole.campaign.plan.source.image or masked(whole.campaign.plan.source.location),
            members=[(each, whole.jobs.get(each.station_id)) for each in whole.members[:MOST]],
            counts=Counter(each.state for each in whole.members),
            total=len(whole.members),
            orders=[order for order, (possible, _) in ORDERS.items() if state in possible],
        )

    @post("/ui/firmware/campaigns/{campaign_id:int}", scope="operate", status_code=303)
    async def order(request: AnyRequest, campaign_id: FromPath[int]) -> Redirect:
        """Pause, go on, give up; what stations have been told goes on."""
        form = await typed_in(request)
        wanted: Order | None = next((each for each in ORDERS if each == form.get("do")), None)
        if wanted is None:
            raise HTTPException(detail="A campaign can be paused, resumed and aborted.", status_code=422)
        changed = await firmware_of(desk).campaigns.order(campaign_id, wanted)
        desk.host.audit.record(request.user, f"firmware.campaign.{wanted}", str(campaign_id), None, changed)
        return back_to(f"/ui/firmware/campaigns/{campaign_id}")

    @get("/ui/files/{file_id:int}", scope="operate")
    async def save(request: AnyRequest, file_id: FromPath[int]) -> ASGIApp:
        """A station's file, always as an attachment."""
        files = firmware_of(desk).files
        try:
            known = await files.numbered(file_id)
        except UnknownFile as error:
            raise HTTPException(detail=str(error), status_code=404) from None
        desk.host.audit.record(request.user, "diagnostics.download", known.station_id, None, {"file": file_id})
        return files.offer(known)

    return [firmware, start, campaign, order, save]


def station_firmware_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """A station's tab."""

    async def show(request: AnyRequest, station_id: str, words: tuple[str, str] | None) -> Response[str]:
        plugin = firmware_of(desk)
        head = head_of(desk, desk.viewer(request), station_id, "firmware", (await about(desk, station_id)).line)
        return desk.pages.respond(
            request,
            "station_firmware.html",
            title=f"Firmware and logs of {station_id}",
            head=head,
            version=await plugin.version_of(station_id),
            wants_signed=plugin.jobs.wants_signed_updates(station_id),
            jobs=[
                *await plugin.jobs.jobs("firmware", station_id, limit=20),
                *await plugin.jobs.jobs("diagnostics", station_id, limit=20),
            ],
            statuses=[
                *await plugin.jobs.statuses("firmware", station_id, limit=20),
                *await plugin.jobs.statuses("diagnostics", station_id, limit=20),
            ],
            files=await plugin.files.listed(station_id, limit=50),
            images=await plugin.images.all(),
            words=words,
        )

    @get("/ui/stations/{station_id:str}/firmware", scope="read")
    async def tab(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """Versions, updates, files."""
        return await show(request, station_id, None)

    @post("/ui/stations/{station_id:str}/firmware", scope="operate", status_code=200)
    async def act(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """Update it with an image of ours, or have its diagnostics brought here."""
        form, service = await typed_in(request), firmware_of(desk).service
        sent: Any
        if form.get("do") == "diagnostics":
            desk.host.audit.record(request.user, "diagnostics.get", station_id, None, {"location": ""})
            sent = await service.get_diagnostics(station_id, actor=request.user)
        else:
            image = form.get("image", "")
            desk.host.audit.record(request.user, "firmware.update", station_id, None, {"image": image})
            sent = await service.update(station_id, Source(image=image), actor=request.user)
        return await show(request, station_id, outcome_words(sent.record))

    return [tab, act]


def _whole(text: str) -> int:
    text = text.strip() or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 8):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)
