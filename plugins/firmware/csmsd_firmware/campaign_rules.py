"""What a campaign does next: waves, pauses, failures, its end; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from csmsd_firmware.progress import FAILED, SUCCEEDED
from csmsd_firmware.records import Job
from csmsd_firmware.service import Source

CampaignState = Literal["scheduled", "running", "paused", "completed", "stopped", "aborted"]
MemberState = Literal["waiting", "running", "succeeded", "failed", "skipped"]
UNFINISHED: tuple[CampaignState, ...] = ("scheduled", "running", "paused")

Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign is to do."""

    source: Source
    wave_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    wave_pause: Seconds = 0.0  # between the end of a wave and the next one
    max_failures: Count = 0  # more than these stop it
    starts_at: datetime | None = None  # None: at once
    patience: Annotated[float, Meta(gt=0, le=31_536_000)] = 86_400.0  # seconds for each station
    retries: Count | None = None
    retry_interval: Count | None = None


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """An update of many stations."""

    id: int
    name: str
    state: CampaignState
    plan: Plan
    wave: int = 0  # 0: none yet
    wave_ended_at: datetime | None = None
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    reason: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One station of a campaign, and what became of it."""

    campaign_id: int
    station_id: str
    position: int
    wave: int = 0  # 0: not yet
    state: MemberState = "waiting"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""


def advance(
    campaign: Campaign, members: Sequence[Member], jobs: Mapping[str, Job], now: datetime
) -> tuple[Campaign, Sequence[Member]]:
    """The campaign and its members as they are now to be; `jobs` are the campaign's latest, by station."""
    if campaign.state == "scheduled" and (campaign.plan.starts_at or now) <= now:
        campaign = replace(campaign, state="running")
    members = [_judged(member, jobs.get(member.station_id), campaign.plan.patience, now) for member in members]
    failures = sum(member.state == "failed" for member in members)
    if campaign.state in ("running", "paused") and failures > campaign.plan.max_failures:
        reason = f"{failures} failed, more than {campaign.plan.max_failures}"
        campaign = replace(campaign, state="stopped", reason=reason, ended_at=now)
    if campaign.state in ("stopped", "aborted"):
        return campaign, [_dropped(member, jobs.get(member.station_id), now) for member in members]
    if any(member.state == "running" for member in members):
        return campaign, members
    if campaign.wave and campaign.wave_ended_at is None:
        campaign = replace(campaign, wave_ended_at=now)
    if campaign.state != "running":
        return campaign, members
    if all(member.state != "waiting" for member in members):
        return replace(campaign, state="completed", ended_at=now), members
    if campaign.wave_ended_at and now < campaign.wave_ended_at + timedelta(seconds=campaign.plan.wave_pause):
        return campaign, members
    return _next_wave(campaign, members, now)


def was_told(job: Job | None) -> bool:
    """Whether the station has, or may have, got the command."""
    return job is not None and job.state != "not sent"


def _next_wave(campaign: Campaign, members: Sequence[Member], now: datetime) -> tuple[Campaign, Sequence[Member]]:
    campaign = replace(campaign, wave=campaign.wave + 1, wave_ended_at=None)
    waiting = [member.station_id for member in members if member.state == "waiting"]
    chosen = set(waiting[: campaign.plan.wave_size])
    return campaign, [
        replace(member, state="running", wave=campaign.wave, started_at=now) if member.station_id in chosen else member
        for member in members
    ]


def _judged(member: Member, job: Job | None, patience: float, now: datetime) -> Member:
    if member.state in ("waiting", "skipped"):
        return member
    if job is not None and job.state in SUCCEEDED:
        return member if member.state == "succeeded" else replace(member, state="succeeded", ended_at=now, error="")
    if job is not None and was_told(job) and job.state in FAILED:
        error = job.error or job.state
        return member if member.state == "failed" else replace(member, state="failed", ended_at=now, error=error)
    if member.state == "running" and member.started_at and now >= member.started_at + timedelta(seconds=patience):
        reason = "it did not report success in time" if was_told(job) else "it could not be reached in time"
        return replace(member, state="failed", ended_at=now, error=reason)
    return member


def _dropped(member: Member, job: Job | None, now: datetime) -> Member:
    if member.state == "waiting" or (member.state == "running" and not was_told(job)):
        return replace(member, state="skipped", ended_at=now)
    return member
