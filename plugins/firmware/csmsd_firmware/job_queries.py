"""Reading jobs and statuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from csmsd_firmware.progress import Kind
from csmsd_firmware.records import Job, ReportedStatus
from csmsd_firmware.tables import job, status

BY_IDS = sa.select(job).where(job.c.id.in_(sa.bindparam("ids", expanding=True)))
OF_STATION = (
    sa.select(job)
    .where(
        job.c.kind == sa.bindparam("kind"),
        job.c.station_id == sa.bindparam("station_id"),
        job.c.id < sa.bindparam("before_id"),
    )
    .order_by(job.c.id.desc())
    .limit(sa.bindparam("count"))
)
RECENT = (
    sa.select(job)
    .where(job.c.kind == sa.bindparam("kind"), job.c.id < sa.bindparam("before_id"))
    .order_by(job.c.id.desc())
    .limit(sa.bindparam("count"))
)
STATUSES = (
    sa.select(status)
    .where(status.c.kind == sa.bindparam("kind"), status.c.station_id == sa.bindparam("station_id"))
    .order_by(status.c.id.desc())
    .limit(sa.bindparam("count"))
)
KNOWN_STATIONS = sa.select(job.c.station_id, job.c.kind).distinct()
SIGNED_ONLY = sa.select(job.c.station_id).where(
    job.c.error_code == "NotSupported",
    job.c.id.in_(sa.select(sa.func.max(job.c.id)).where(job.c.kind == "firmware").group_by(job.c.station_id)),
)
LATEST_ID = 2**31 - 1


def select_jobs(
    connection: sa.Connection, kind: Kind, station_id: str | None, before_id: int | None, count: int
) -> list[Job]:
    """Newest first."""
    parameters: dict[str, Any] = {"kind": kind, "before_id": before_id or LATEST_ID, "count": count}
    if station_id is None:
        return jobs_in(connection.execute(RECENT, parameters))
    return jobs_in(connection.execute(OF_STATION, {**parameters, "station_id": station_id}))


def select_job(connection: sa.Connection, job_id: int) -> Job | None:
    """One job."""
    return next(iter(jobs_in(connection.execute(BY_IDS, {"ids": [job_id]}))), None)


def select_statuses(connection: sa.Connection, kind: Kind, station_id: str, count: int) -> list[ReportedStatus]:
    """Newest first."""
    found = connection.execute(STATUSES, {"kind": kind, "station_id": station_id, "count": count})
    return [
        ReportedStatus(row["id"], row["station_id"], row["job_id"], row["status"], row["at"])
        for row in found.mappings()
    ]


def jobs_in(found: sa.CursorResult[Any]) -> list[Job]:
    """Rows of the table as records."""
    return [Job(**row) for row in found.mappings()]


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept in memory."""

    stations: Sequence[tuple[str, Kind]]
    signed_only: frozenset[str]


def select_known(connection: sa.Connection) -> Known:
    """Which stations have jobs, and which refused their last update because it was not signed (FW-07)."""
    stations: list[tuple[str, Kind]] = [(row[0], row[1]) for row in connection.execute(KNOWN_STATIONS)]
    return Known(stations, frozenset(connection.scalars(SIGNED_ONLY)))
