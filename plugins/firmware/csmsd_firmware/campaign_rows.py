"""Campaigns in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict, replace

from csmsd.errors import CsmsdError
from csmsd.store import Store
from csmsd_firmware.campaign_rules import UNFINISHED, Campaign, Member, Plan
from csmsd_firmware.job_queries import jobs_in
from csmsd_firmware.records import Job
from csmsd_firmware.tables import campaign, job, member

ADD = sa.insert(campaign)
ADD_MEMBERS = sa.insert(member)
CHANGE = (
    sa.update(campaign)
    .where(campaign.c.id == sa.bindparam("campaign"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("state", "wave", "wave_ended_at", "ended_at", "reason")})
)
CHANGE_MEMBER = (
    sa.update(member)
    .where(member.c.campaign_id == sa.bindparam("campaign"), member.c.station_id == sa.bindparam("station"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("wave", "state", "started_at", "ended_at", "error")})
)
HAS_RUNNING = sa.exists().where(member.c.campaign_id == campaign.c.id, member.c.state == "running")
ACTIVE = sa.select(campaign).where(sa.or_(campaign.c.state.in_(UNFINISHED), HAS_RUNNING)).order_by(campaign.c.id)
ONE = sa.select(campaign).where(campaign.c.id == sa.bindparam("wanted"))
RECENT = (
    sa.select(campaign)
    .where(campaign.c.id < sa.bindparam("before_id"))
    .order_by(campaign.c.id.desc())
    .limit(sa.bindparam("count"))
)
MEMBERS = sa.select(member).where(member.c.campaign_id == sa.bindparam("wanted")).order_by(member.c.position)
JOBS = sa.select(job).where(
    job.c.id.in_(
        sa.select(sa.func.max(job.c.id)).where(job.c.campaign_id == sa.bindparam("wanted")).group_by(job.c.station_id)
    )
)
BUSY = (
    sa.select(member.c.station_id, member.c.campaign_id)
    .join(campaign, campaign.c.id == member.c.campaign_id)
    .where(campaign.c.state.in_(UNFINISHED), member.c.state.in_(("waiting", "running")))
)
COUNTS = (
    sa.select(member.c.state, sa.func.count())
    .where(member.c.campaign_id == sa.bindparam("wanted"))
    .group_by(member.c.state)
)
LATEST_ID = 2**31 - 1
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Plan).decode


class StationIsBusy(CsmsdError):
    """A station takes part in another campaign that has not ended."""


class NewCampaign(msgspec.Struct, frozen=True):
    """A campaign without an id, and its stations in order."""

    campaign: Campaign
    stations: tuple[str, ...]


class Progress(msgspec.Struct, frozen=True):
    """What has changed of a campaign."""

    campaign: Campaign
    members: tuple[Member, ...]


class Whole(msgspec.Struct, frozen=True):
    """A campaign with everything that belongs to it."""

    campaign: Campaign
    members: Sequence[Member]
    jobs: Mapping[str, Job]  # the latest of each station


class CampaignWrites:
    """The writes; they run in the committer's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, connection: sa.Connection, rows: Sequence[NewCampaign]) -> Sequence[Campaign | StationIsBusy]:
        """Store new campaigns; a station is in one at a time."""
        results: list[Campaign | StationIsBusy] = []
        for row in rows:
            busy = _pairs(connection.execute(BUSY))
            taken = [station_id for station_id in row.stations if station_id in busy]
            if taken:
                results.append(StationIsBusy(f"{taken[0]} takes part in campaign {busy[taken[0]]}"))
                continue
            (id_,) = self._store.take_ids(connection, "firmware_campaign", 1)
            new = replace(row.campaign, id=id_)
            connection.execute(ADD, {**asdict(new), "plan": _encode(new.plan).decode()})
            members = [
                Member(campaign_id=id_, station_id=station_id, position=position)
                for position, station_id in enumerate(row.stations, 1)
            ]
            connection.execute(ADD_MEMBERS, [asdict(each) for each in members])
            results.append(new)
        return results


def store_progress(connection: sa.Connection, rows: Sequence[Progress]) -> Sequence[None]:
    """Write what has changed."""
    for row in rows:
        now = row.campaign
        values = {name: getattr(now, name) for name in ("state", "wave", "wave_ended_at", "ended_at", "reason")}
        connection.execute(CHANGE, {"campaign": now.id, **{f"new_{name}": value for name, value in values.items()}})
        if row.members:
            connection.execute(CHANGE_MEMBER, [_changes(each) for each in row.members])
    return [None] * len(rows)


def select_active(connection: sa.Connection) -> list[Whole]:
    """Campaigns that have not ended, or of which stations are not done."""
    return [_whole(connection, _campaign(row)) for row in connection.execute(ACTIVE).mappings().all()]


def select_whole(connection: sa.Connection, campaign_id: int) -> Whole | None:
    """One campaign."""
    row = connection.execute(ONE, {"wanted": campaign_id}).mappings().first()
    return None if row is None else _whole(connection, _campaign(row))


def select_recent(
    connection: sa.Connection, before_id: int | None, count: int
) -> list[tuple[Campaign, Mapping[str, int]]]:
    """Newest first, each with how many stations are in which state."""
    found = connection.execute(RECENT, {"before_id": before_id or LATEST_ID, "count": count}).mappings().all()
    return [(_campaign(row), _pairs(connection.execute(COUNTS, {"wanted": row["id"]}))) for row in found]


def _pairs(found: Iterable[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in found}


def _whole(connection: sa.Connection, found: Campaign) -> Whole:
    members = [Member(**row) for row in connection.execute(MEMBERS, {"wanted": found.id}).mappings()]
    jobs = jobs_in(connection.execute(JOBS, {"wanted": found.id}))
    return Whole(found, members, {each.station_id: each for each in jobs})


def _campaign(row: Mapping[Any, Any]) -> Campaign:
    values: dict[str, Any] = {**row, "plan": _decode(row["plan"])}
    return Campaign(**values)


def _changes(changed: Member) -> dict[str, Any]:
    values = {name: getattr(changed, name) for name in ("wave", "state", "started_at", "ended_at", "error")}
    keys = {"campaign": changed.campaign_id, "station": changed.station_id}
    return {**keys, **{f"new_{name}": value for name, value in values.items()}}
