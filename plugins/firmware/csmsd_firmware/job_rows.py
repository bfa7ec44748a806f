"""Jobs in the database: each kind of change is a write over a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict, replace

from csmsd.store import FactRow, Store, fact_row
from csmsd_firmware.facts import DIAGNOSTICS_STATUS_CHANGED, FIRMWARE_STATUS_CHANGED, JobChanged
from csmsd_firmware.job_queries import BY_IDS, jobs_in
from csmsd_firmware.progress import (
    NEVER_BEGUN,
    STATES_BY_STATUS,
    Kind,
    State,
    after_answer,
    after_status,
    shown_by,
    shows_success,
)
from csmsd_firmware.records import Job
from csmsd_firmware.tables import job, link, status

FACTS = {"firmware": FIRMWARE_STATUS_CHANGED, "diagnostics": DIAGNOSTICS_STATUS_CHANGED}
FIELDS = tuple(field.name for field in msgspec.structs.fields(Job))
NEEDS_NO_LINK = ("downloaded", "installing", "installed", "refused", "not sent")
INTERRUPTED = "csmsd stopped before the station had answered"

ADD = sa.insert(job)
ADD_STATUS = sa.insert(status)
LATEST = sa.select(job).where(
    job.c.id.in_(
        sa.select(sa.func.max(job.c.id))
        .where(
            job.c.kind == sa.bindparam("kind"),
            job.c.station_id.in_(sa.bindparam("station_ids", expanding=True)),
            job.c.state.not_in(sorted(NEVER_BEGUN)),
        )
        .group_by(job.c.station_id)
    )
)
CHANGE = (
    sa.update(job)
    .where(job.c.id == sa.bindparam("job_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in FIELDS if name != "id"})
)
END_LINKS = (
    sa.update(link)
    .where(link.c.job_id.in_(sa.bindparam("ids", expanding=True)), link.c.ended_at.is_(None))
    .values(ended_at=sa.bindparam("now"))
)
SUPERSEDE_LINKS = (  # of earlier jobs: an image for the latest update only
    sa.update(link)
    .where(
        link.c.station_id == sa.bindparam("of_station"),
        link.c.image_id.isnot(None),
        link.c.ended_at.is_(None),
        sa.or_(link.c.job_id.is_(None), link.c.job_id < sa.bindparam("newer")),
        link.c.token_hash != sa.bindparam("kept"),
    )
    .values(ended_at=sa.bindparam("now"))
)
BIND_LINK = sa.update(link).where(link.c.token_hash == sa.bindparam("hash")).values(job_id=sa.bindparam("new_job"))
INTERRUPT = (
    sa.update(job)
    .where(job.c.state == "requested")
    .values(state="unanswered", error=INTERRUPTED, changed_at=sa.bindparam("now"))
)


class NewJob(msgspec.Struct, frozen=True):
    """A command about to be sent; the job's id is not known yet."""

    job: Job
    token_hash: str = ""  # of the link in its location, if it is one of ours


class StatusRow(msgspec.Struct, frozen=True):
    """A status notification on its way to the database."""

    kind: Kind
    station_id: str
    status: str
    at: datetime


class AnswerRow(msgspec.Struct, frozen=True):
    """What became of the command itself."""

    job_id: int
    state: State
    at: datetime
    error_code: str = ""
    error: str = ""
    file_name: str = ""


class BootRow(msgspec.Struct, frozen=True):
    """A boot that tells the firmware version."""

    station_id: str
    version: str
    at: datetime


class JobWrites:
    """The writes; they run in the committer's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, connection: sa.Connection, rows: Sequence[NewJob]) -> Sequence[int]:
        """Store new jobs: their ids. A link to an image belongs to its job, and those of earlier jobs end."""
        ids = self._store.take_ids(connection, "firmware_job", len(rows))
        jobs = [replace(row.job, id=id_) for id_, row in zip(ids, rows, strict=True)]
        connection.execute(ADD, [asdict(each) for each in jobs])
        for each, row in zip(jobs, rows, strict=True):
            if row.token_hash:
                connection.execute(BIND_LINK, {"hash": row.token_hash, "new_job": each.id})
            if each.kind == "firmware":
                parameters = {"of_station": each.station_id, "newer": each.id, "kept": row.token_hash}
                connection.execute(SUPERSEDE_LINKS, {**parameters, "now": each.requested_at})
        return ids

    def interrupt(self, connection: sa.Connection, rows: Sequence[datetime]) -> Sequence[None]:
        """After a start: nobody knows what became of commands that were under way."""
        connection.execute(INTERRUPT, {"now": rows[-1]})
        return [None] * len(rows)

    def report(self, connection: sa.Connection, rows: Sequence[StatusRow]) -> Sequence[None]:
        """Keep every status, and move the latest job of its station on."""
        history: list[dict[str, Any]] = []
        facts: list[FactRow] = []
        before: list[Job] = []
        after: list[Job] = []
        for kind in STATES_BY_STATUS:
            of_kind = [row for row in rows if row.kind == kind]
            if not of_kind:
                continue
            latest = _latest(connection, kind, {row.station_id for row in of_kind})
            before.extend(latest.values())
            for row in of_kind:
                known = latest.get(row.station_id)
                moved = None if known is None else _after_status(known, row)
                if moved is not None:
                    latest[row.station_id] = moved
                history.append({**asdict(row), "job_id": None if known is None else known.id})
                if _is_news(known, moved, row):
                    facts.append(_fact(row.kind, row.station_id, row.at, moved, row.status))
            after.extend(latest.values())
        connection.execute(ADD_STATUS, history)
        _store_changes(connection, before, after)
        self._store.record_facts(connection, facts)
        return [None] * len(rows)

    def answer(self, connection: sa.Connection, rows: Sequence[AnswerRow]) -> Sequence[None]:
        """Note answers, in time or late."""
        before = {each.id: each for each in jobs_in(connection.execute(BY_IDS, {"ids": [row.job_id for row in rows]}))}
        after = dict(before)
        facts: list[FactRow] = []
        for row in rows:
            known = after.get(row.job_id)
            if known is None:
                continue
            moved = after[row.job_id] = _after_answer(known, row)
            if moved.state != known.state:
                facts.append(_fact(moved.kind, moved.station_id, row.at, moved, ""))
        _store_changes(connection, before.values(), after.values())
        self._store.record_facts(connection, facts)
        return [None] * len(rows)

    def boot(self, connection: sa.Connection, rows: Sequence[BootRow]) -> Sequence[None]:
        """See whether boots tell that updates have succeeded (FW-05)."""
        before = _latest(connection, "firmware", {row.station_id for row in rows})
        after = dict(before)
        facts: list[FactRow] = []
        for row in rows:
            known = after.get(row.station_id)
            if known is None or row.at < known.requested_at:
                continue
            moved = after[row.station_id] = _after_boot(known, row)
            if moved.state != known.state:
                facts.append(_fact("firmware", row.station_id, row.at, moved, ""))
        _store_changes(connection, before.values(), after.values())
        self._store.record_facts(connection, facts)
        return [None] * len(rows)


def _after_status(known: Job, row: StatusRow) -> Job:
    state = after_status(known.kind, known.state, row.status)
    shown = known.shown_by
    if row.status == "Installed" and state == "installed":
        shown = shown_by(shown, "status")
    elif row.status == "InstallationFailed" and state == "installation failed":
        shown = ""
    if state == known.state and shown == known.shown_by:
        return known
    return replace(
        known, state=state, shown_by=shown, changed_at=row.at, error="" if state != known.state else known.error
    )


def _after_answer(known: Job, row: AnswerRow) -> Job:
    state = after_answer(known.state, row.state)
    error, code = (row.error, row.error_code) if state == row.state else (known.error, known.error_code)
    changed_at = row.at if state != known.state else known.changed_at
    file_name = row.file_name or known.file_name
    return replace(known, state=state, error=error, error_code=code, file_name=file_name, changed_at=changed_at)


def _after_boot(known: Job, row: BootRow) -> Job:
    if not row.version:
        return known
    known = replace(known, version_after=row.version)
    if not shows_success(known.state, row.version, known.version_before, known.expected_version):
        return known
    shown = shown_by(known.shown_by, "version")
    return replace(known, state="installed", shown_by=shown, error="", changed_at=row.at)


def _is_news(known: Job | None, moved: Job | None, row: StatusRow) -> bool:
    if row.status == "Idle":
        return False
    return known is None or moved is None or moved.state != known.state


def _fact(kind: Kind, station_id: str, at: datetime, moved: Job | None, reported: str) -> FactRow:
    job_id, state, error = (None, "", "") if moved is None else (moved.id, moved.state, moved.error)
    return fact_row(FACTS[kind], station_id, JobChanged(at, job_id, state, reported, error))


def _latest(connection: sa.Connection, kind: Kind, station_ids: set[str]) -> dict[str, Job]:
    found = connection.execute(LATEST, {"kind": kind, "station_ids": sorted(station_ids)})
    return {each.station_id: each for each in jobs_in(found)}


def _store_changes(connection: sa.Connection, before: Iterable[Job], after: Iterable[Job]) -> None:
    known = {each.id: each for each in before}
    changed = [each for each in after if each != known[each.id]]
    if not changed:
        return
    connection.execute(CHANGE, [_changes(each) for each in changed])
    done = [each for each in changed if each.state in NEEDS_NO_LINK]
    if done:
        connection.execute(END_LINKS, {"ids": [each.id for each in done], "now": done[-1].changed_at})


def _changes(changed: Job) -> dict[str, Any]:
    values = asdict(changed)
    return {"job_id": values.pop("id"), **{f"new_{name}": value for name, value in values.items()}}
