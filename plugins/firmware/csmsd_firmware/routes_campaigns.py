"""Campaigns, for operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler
from msgspec import Meta
from msgspec.structs import replace

from csmsd_firmware.campaign_rules import Campaign, Member, Plan
from csmsd_firmware.campaigns import ORDERS, Order, UnknownCampaign
from csmsd_firmware.redaction import masked
from csmsd_firmware.selection import Selection, select_stations

if TYPE_CHECKING:
    from csmsd_firmware.plugin import FirmwarePlugin

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many items at most.")]
After = Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Where the page before ended.")]


class CampaignBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do, and with which stations."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    plan: Plan
    stations: Selection


class CampaignLine(msgspec.Struct, frozen=True):
    """A campaign, and how many of its stations are in which state."""

    campaign: Campaign
    counts: Mapping[str, int]


class CampaignList(msgspec.Struct, frozen=True):
    """Newest first."""

    items: Sequence[CampaignLine]
    next: str | None = None


class MemberView(msgspec.Struct, frozen=True):
    """A station of a campaign; `job_state` says how far its update is."""

    member: Member
    job_id: int | None
    job_state: str


class CampaignView(msgspec.Struct, frozen=True):
    """A campaign with all its stations."""

    campaign: Campaign
    counts: Mapping[str, int]
    members: Sequence[MemberView]


def campaign_routes(plugin: FirmwarePlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the campaigns."""
    host, campaigns = plugin.host, plugin.campaigns

    @post("/firmware/campaigns", scope="operate", summary="Start a campaign", tags=["Firmware"], status_code=201)
    async def start_campaign(request: Request[Any, Any, Any], data: JSONBody[CampaignBody]) -> Campaign:
        """In waves; the first one at once, or at `plan.starts_at`."""
        stations = await select_stations(host, data.stations)
        started = _shown(await campaigns.start(data.name, stations, data.plan, actor=request.user))
        host.audit.record(request.user, "firmware.campaign.start", str(started.id), None, started)
        return started

    @get("/firmware/campaigns", scope="read", summary="List campaigns", tags=["Firmware"])
    async def list_campaigns(after: After = None, limit: Limit = 100) -> CampaignList:
        """Newest first."""
        found = await campaigns.recent(before_id=after, limit=limit)
        items = [CampaignLine(_shown(campaign), counts) for campaign, counts in found]
        more = len(items) == limit
        return CampaignList(
            items, f"/api/v1/firmware/campaigns?limit={limit}&after={items[-1].campaign.id}" if more else None
        )

    @get("/firmware/campaigns/{campaign_id:int}", scope="read", summary="Show a campaign", tags=["Firmware"])
    async def show_campaign(campaign_id: FromPath[int]) -> CampaignView:
        """With what became of each station."""
        try:
            whole = await campaigns.whole(campaign_id)
        except UnknownCampaign as error:
            raise HTTPException(status_code=404, detail=str(error)) from error
        counts: dict[str, int] = {}
        views: list[MemberView] = []
        for member in whole.members:
            counts[member.state] = counts.get(member.state, 0) + 1
            job = whole.jobs.get(member.station_id)
            views.append(MemberView(member, None if job is None else job.id, "" if job is None else job.state))
        return CampaignView(_shown(whole.campaign), counts, views)

    @post(
        "/firmware/campaigns/{campaign_id:int}/{order:str}",
        scope="operate",
        summary="Pause, resume or abort a campaign",
        tags=["Firmware"],
        status_code=200,
    )
    async def order_campaign(
        request: Request[Any, Any, Any], campaign_id: FromPath[int], order: FromPath[str]
    ) -> Campaign:
        """`order` is pause, resume or abort; what stations have been told already goes on."""
        wanted: Order | None = next((each for each in ORDERS if each == order), None)
        if wanted is None:
            raise HTTPException(status_code=404, detail=f"one cannot {order} a campaign")
        try:
            changed = _shown(await campaigns.order(campaign_id, wanted))
        except UnknownCampaign as error:
            raise HTTPException(status_code=404, detail=str(error)) from error
        host.audit.record(request.user, f"firmware.campaign.{order}", str(campaign_id), None, changed)
        return changed

    return [start_campaign, list_campaigns, show_campaign, order_campaign]


def _shown(campaign: Campaign) -> Campaign:
    """Without the credentials in its location (FW-02)."""
    source = campaign.plan.source
    return replace(campaign, plan=replace(campaign.plan, source=replace(source, location=masked(source.location))))
