"""Campaigns: updates of many stations in waves; everything is stored before it is done, so a restart goes on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import trio
from msgspec.structs import replace

from csmsd.errors import Bug, CsmsdError, InvalidPayload, StationUnavailable, StoreError
from csmsd.host import Host
from csmsd_firmware.campaign_rows import (
    CampaignWrites,
    NewCampaign,
    Progress,
    StationIsBusy,
    Whole,
    select_active,
    select_recent,
    select_whole,
    store_progress,
)
from csmsd_firmware.campaign_rules import UNFINISHED, Campaign, CampaignState, Member, Plan, advance, was_told
from csmsd_firmware.images import Images
from csmsd_firmware.service import FirmwareService, Retries, check_source

log = logging.getLogger("csmsd.plugin.firmware")

Order = Literal["pause", "resume", "abort"]
# order: the states it is possible in, and the state it leads to
ORDERS: Mapping[Order, tuple[tuple[CampaignState, ...], CampaignState]] = {
    "pause": (("scheduled", "running"), "paused"),
    "resume": (("paused",), "running"),
    "abort": (UNFINISHED, "aborted"),
}


class UnknownCampaign(CsmsdError):
    """There is no such campaign."""


class NotPossible(CsmsdError):
    """The campaign is in a state in which this cannot be done."""


class Campaigns:
    """All campaigns of one csmsd; `serve` drives them."""

    def __init__(self, host: Host, service: FirmwareService, images: Images, interval: float) -> None:
        self._host, self._service, self._images, self._interval = host, service, images, interval
        self._writes = CampaignWrites(host.store)
        self._lock = trio.Lock()  # orders and steps take turns
        self._sending: set[tuple[int, str]] = set()
        self._wake = trio.Event()

    async def serve(self) -> None:
        """Look after all campaigns until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                try:
                    await self._step(nursery)
                except StoreError as error:
                    log.warning("campaigns wait for the database: %s", error)
                with trio.move_on_after(self._interval):
                    await self._wake.wait()

    async def start(self, name: str, stations: Sequence[str], plan: Plan, *, actor: str) -> Campaign:
        """Begin, or schedule; InvalidPayload, UnknownStation, UnknownImage, StationIsBusy."""
        check_source(plan.source)
        if not stations or len(set(stations)) != len(stations):
            raise InvalidPayload("a campaign needs stations, each of them once")
        for station_id in stations:
            self._host.stations.record(station_id)
        if plan.source.image:
            await self._images.named(plan.source.image)
        new = Campaign(id=0, name=name, state="scheduled", plan=plan, created_at=self._host.env.now(), created_by=actor)
        result = await self._host.store.submit(self._writes.add, NewCampaign(new, tuple(stations)))
        if isinstance(result, StationIsBusy):
            raise result
        self._changed(result)
        self._wake.set()
        return result

    async def order(self, campaign_id: int, order: Order) -> Campaign:
        """Pause, resume or abort; what stations have been told already goes on. UnknownCampaign, NotPossible."""
        possible, state = ORDERS[order]
        async with self._lock:
            known = (await self.whole(campaign_id)).campaign
            if known.state not in possible:
                raise NotPossible(
                    f"campaign {campaign_id} is {known.state}: one can {order} what is {' or '.join(possible)}"
                )
            if order == "resume" and known.wave == 0:
                state = "scheduled"
            changed = replace(known, state=state)
            if order == "abort":
                changed = replace(changed, ended_at=self._host.env.now(), reason="by order")
            await self._host.store.submit(store_progress, Progress(changed, ()))
        self._changed(changed)
        await self._step_one(campaign_id)
        self._wake.set()
        return changed

    async def whole(self, campaign_id: int) -> Whole:
        """Everything about one campaign; UnknownCampaign."""
        found = await self._host.store.read(lambda connection: select_whole(connection, campaign_id))
        if found is None:
            raise UnknownCampaign(f"there is no campaign {campaign_id}")
        return found

    async def recent(
        self, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[tuple[Campaign, Mapping[str, int]]]:
        """Newest first, each with how many stations are in which state."""
        return await self._host.store.read(lambda connection: select_recent(connection, before_id, limit))

    async def uses(self, image: str) -> bool:
        """Whether a campaign that has not ended needs this image."""
        active = await self._host.store.read(select_active)
        return any(each.campaign.plan.source.image == image and each.campaign.state in UNFINISHED for each in active)

    # -- inside --------------------------------------------------------------------------------------

    async def _step(self, nursery: trio.Nursery) -> None:
        for known in await self._host.store.read(select_active):
            being_told = frozenset(self._sending)  # their jobs may come into being while we read
            whole = await self._step_one(known.campaign.id)
            if whole.campaign.state == "running":
                self._send_due(whole, being_told, nursery)

    async def _step_one(self, campaign_id: int) -> Whole:
        async with self._lock:
            known = await self.whole(campaign_id)
            campaign, members = advance(known.campaign, known.members, known.jobs, self._host.env.now())
            changed = tuple(new for new, old in zip(members, known.members, strict=True) if new != old)
            if campaign != known.campaign or changed:
                await self._host.store.submit(store_progress, Progress(campaign, changed))
                self._changed(campaign)
        return Whole(campaign, members, known.jobs)

    def _send_due(self, whole: Whole, being_told: frozenset[tuple[int, str]], nursery: trio.Nursery) -> None:
        """To whoever is to be told and is there; others are told when they come back."""
        for member in whole.members:
            key = (whole.campaign.id, member.station_id)
            if member.state != "running" or was_told(whole.jobs.get(member.station_id)) or key in being_told:
                continue
            if self._host.stations.find(member.station_id) is not None:
                self._sending.add(key)
                nursery.start_soon(self._send, whole.campaign, member)

    async def _send(self, campaign: Campaign, member: Member) -> None:
        plan, error = campaign.plan, ""
        try:
            sent = await self._service.update(
                member.station_id,
                plan.source,
                actor=f"campaign {campaign.id}",
                retries=Retries(plan.retries, plan.retry_interval),
                campaign_id=campaign.id,
            )
            if sent.job is None and sent.record.state not in ("disconnected", "unknown"):
                error = sent.record.error or sent.record.state
        except (StationUnavailable, StoreError) as raised:
            log.info("campaign %s: %s is told later: %s", campaign.id, member.station_id, raised)
        except CsmsdError as raised:
            error = str(raised)
        except Bug as raised:
            log.exception("campaign %s: %s could not be told", campaign.id, member.station_id)
            error = f"csmsd failed: {type(raised).__name__}"
        finally:
            self._sending.discard((campaign.id, member.station_id))
        if error:
            await self._fail(campaign, member, error)

    async def _fail(self, campaign: Campaign, member: Member, error: str) -> None:
        failed = replace(member, state="failed", ended_at=self._host.env.now(), error=error)
        async with self._lock:
            now = (await self.whole(campaign.id)).campaign
            await self._host.store.submit(store_progress, Progress(now, (failed,)))
        self._wake.set()

    def _changed(self, campaign: Campaign) -> None:
        data = {"id": campaign.id, "name": campaign.name, "state": campaign.state, "wave": campaign.wave}
        self._host.events.publish("firmware.campaign", "", self._host.env.now(), data)
