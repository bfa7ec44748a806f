"""Jobs that stations do for us over minutes and days: uploads of logs, signed updates (SEC-72 … SEC-78).

A job belongs to the requestId in its request, whoever sent it. Status notifications come in any order and over
reconnects: the last one is shown, and the first final one is the outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.store import Write
from csmsd_core import CorePlugin
from csmsd_core.upsert import upsert
from csmsd_security.tables import job

log = logging.getLogger("csmsd.plugin.security")

Kind = Literal["log", "firmware"]
SEQUENCE = "security_request"
NOTIFICATION: dict[str, str] = {"log": "LogStatusNotification", "firmware": "SignedFirmwareStatusNotification"}
IDLE = "Idle"
FINAL = frozenset(
    {
        *("Uploaded", "UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"),  # SEC-73
        *("Installed", "DownloadFailed", "InvalidSignature", "InstallVerificationFailed", "InstallationFailed"),
    }
)
SYNONYMS = {"UploadFailed": "UploadFailure"}  # C-10: the white paper's text, and its schema
STARTED = frozenset({"Accepted", "AcceptedCanceled"})


class Job(msgspec.Struct, frozen=True):
    """One job and how far it has come."""

    station_id: str
    kind: str
    request_id: int
    request: msgspec.Raw  # as sent, redacted
    answer: str  # "" until the station has answered
    filename: str  # of a log: the file that will be uploaded
    status: str  # the last one notified, "" for none
    outcome: str  # a final status, the refusal, Canceled, or "" while it goes on
    created_at: datetime
    changed_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected."""
        return bool(self.outcome)


class NewJob(msgspec.Struct, frozen=True):
    """A job whose request is about to be sent."""

    station_id: str
    kind: Kind
    request_id: int
    request: bytes
    at: datetime


class Answer(msgspec.Struct, frozen=True):
    """The station's answer to the request; `outcome` is "" if it does the job."""

    station_id: str
    kind: Kind
    request_id: int
    at: datetime
    answer: str
    outcome: str
    filename: str = ""


class Progress(msgspec.Struct, frozen=True):
    """A status notification."""

    station_id: str
    kind: Kind
    request_id: int | None
    status: str
    at: datetime


PUT = upsert(job)
THIS = (
    job.c.station_id == sa.bindparam("of_station"),
    job.c.kind == sa.bindparam("of_kind"),
    job.c.request_id == sa.bindparam("of_request"),
)
ANSWERED = (
    sa.update(job)
    .where(*THIS)
    .values(
        answer=sa.bindparam("answer"),
        filename=sa.bindparam("filename"),
        outcome=sa.bindparam("outcome"),
        changed_at=sa.bindparam("at"),
    )
)
CANCELLED = (  # AcceptedCanceled: whatever else was under way
    sa.update(job)
    .where(
        job.c.station_id == sa.bindparam("of_station"),
        job.c.kind == sa.bindparam("of_kind"),
        job.c.request_id != sa.bindparam("of_request"),
        job.c.outcome == "",
    )
    .values(outcome="Canceled", changed_at=sa.bindparam("at"))
)
PROGRESSED = sa.update(job).where(*THIS).values(status=sa.bindparam("told"), changed_at=sa.bindparam("at"))
ENDED = sa.update(job).where(*THIS, job.c.outcome == "").values(outcome=sa.bindparam("told"))
UNDER_WAY = sa.select(job.c.station_id, job.c.kind).where(job.c.outcome == "", job.c.answer != "").distinct()
PAGE = (
    sa.select(job)
    .where(job.c.station_id == sa.bindparam("of_station"))
    .order_by(job.c.created_at.desc(), job.c.request_id.desc())
    .limit(sa.bindparam("most"))
)


class Jobs:
    """The jobs of all stations."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def load(self, core: CorePlugin) -> None:
        """What is under way may be reported while a station is Pending, also after a restart (BOOT-21)."""

        def read(connection: sa.Connection) -> list[tuple[str, str]]:
            return [(station_id, kind) for station_id, kind in connection.execute(UNDER_WAY)]

        for station_id, kind in await self._host.store.read(read):
            core.expected.expect(station_id, NOTIFICATION[kind], for_job=True)

    async def new_request_id(self) -> int:
        """An id that no other request of this csmsd has, nor had (SEC-72, SEC-75)."""
        return await self._host.store.submit(self._take_ids, None)

    def _take_ids(self, connection: sa.Connection, rows: Sequence[None]) -> list[int]:
        return self._host.store.take_ids(connection, SEQUENCE, len(rows))

    async def prepare(self, station_id: str, kind: Kind, request_id: int, request: bytes) -> None:
        """Durable before the station can report on it."""
        await self._host.store.submit(add_jobs, NewJob(station_id, kind, request_id, request, self._host.env.now()))

    def answered(
        self, core: CorePlugin, station_id: str, kind: Kind, request_id: int, status: str, filename: str = ""
    ) -> None:
        """The station's answer, in time or late (RPC-24)."""
        outcome = "" if status in STARTED else status
        if not outcome:
            core.expected.expect(station_id, NOTIFICATION[kind], for_job=True)
        row = Answer(station_id, kind, request_id, self._host.env.now(), status, outcome, filename)
        self._submit(note_answers, row, station_id)
        self._host.events.publish(f"security.{kind}", station_id, row.at, row)

    def notified(self, station_id: str, kind: Kind, request_id: int | None, status: str) -> Pending[None]:
        """A status notification, also of a job that nobody knows: always to be confirmed (SEC-73, SEC-78)."""
        status = SYNONYMS.get(status, status)
        row = Progress(station_id, kind, request_id, status, self._host.env.now())
        self._host.events.publish(f"security.{kind}", station_id, row.at, row)
        if request_id is None or status == IDLE:
            if status != IDLE:
                log.warning("%s sent a %s status %s without a requestId", station_id, kind, status)
            return Pending[None].of(None)
        return self._host.store.submit(note_progress, row)

    async def page(self, station_id: str, limit: int = 100) -> Sequence[Job]:
        """Newest first."""

        def read(connection: sa.Connection) -> list[Job]:
            rows = connection.execute(PAGE, {"of_station": station_id, "most": limit}).mappings()
            return [_job_of(dict(row)) for row in rows]

        return await self._host.store.read(read)

    def _submit(self, write: Write[Answer, None], row: Answer, station_id: str) -> None:
        def report(_value: object, error: BaseException | None) -> None:
            if error is not None:
                log.error("what %s answered about request %s is not stored: %s", station_id, row.request_id, error)

        self._host.store.submit(write, row).when_settled(report)


def add_jobs(connection: sa.Connection, rows: Sequence[NewJob]) -> list[None]:
    """A write; an id that is used again means a new job (OPS-04)."""
    latest = {(row.station_id, row.kind, row.request_id): row for row in rows}
    connection.execute(PUT[connection.dialect.name], [_new(row) for row in latest.values()])
    return [None] * len(rows)


def note_answers(connection: sa.Connection, rows: Sequence[Answer]) -> list[None]:
    """A write."""
    connection.execute(
        ANSWERED, [_key(row) | {"answer": row.answer, "filename": row.filename, "outcome": row.outcome} for row in rows]
    )
    cancelling = [_key(row) for row in rows if row.answer == "AcceptedCanceled"]
    if cancelling:
        connection.execute(CANCELLED, cancelling)
    return [None] * len(rows)


def note_progress(connection: sa.Connection, rows: Sequence[Progress]) -> list[None]:
    """A write."""
    connection.execute(PROGRESSED, [_key(row) | {"told": row.status} for row in rows])
    ended = [_key(row) | {"told": row.status} for row in rows if row.status in FINAL]
    if ended:
        connection.execute(ENDED, [{name: row[name] for name in row if name != "at"} for row in ended])
    return [None] * len(rows)


def _key(row: Answer | Progress) -> dict[str, Any]:
    return {"of_station": row.station_id, "of_kind": row.kind, "of_request": row.request_id, "at": row.at}


def _new(row: NewJob) -> dict[str, Any]:
    return {
        "station_id": row.station_id,
        "kind": row.kind,
        "request_id": row.request_id,
        "request": row.request.decode(),
        "answer": "",
        "filename": "",
        "status": "",
        "outcome": "",
        "created_at": row.at,
        "changed_at": row.at,
    }


def _job_of(fields: dict[str, Any]) -> Job:
    fields["request"] = msgspec.Raw(fields["request"].encode())
    return Job(**fields)
