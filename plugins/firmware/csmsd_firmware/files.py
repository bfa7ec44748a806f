"""Files that stations have uploaded: within a quota, under names of ours (DIAG-04, O-07)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.links import Link
from csmsd_firmware.records import ReceivedFile
from csmsd_firmware.sending import Offer
from csmsd_firmware.tables import link, received
from csmsd_firmware.vault import Draft, Vault

LONGEST_NAME = 255  # of what a station claims
SUFFIX = re.compile(r"(\.tar)?\.[A-Za-z0-9]{1,8}$", re.ASCII)
LATEST_ID = 2**31 - 1

USE_UP = (
    sa.update(link)
    .where(link.c.token_hash == sa.bindparam("hash"), link.c.ended_at.is_(None))
    .values(ended_at=sa.bindparam("now"))
)
ADD = sa.insert(received)
TAKEN = sa.select(sa.func.coalesce(sa.func.sum(received.c.size), 0)).where(
    received.c.station_id == sa.bindparam("station_id")
)
OF_STATION = (
    sa.select(received)
    .where(received.c.station_id == sa.bindparam("station_id"), received.c.id < sa.bindparam("before_id"))
    .order_by(received.c.id.desc())
    .limit(sa.bindparam("count"))
)
ALL = (
    sa.select(received)
    .where(received.c.id < sa.bindparam("before_id"))
    .order_by(received.c.id.desc())
    .limit(sa.bindparam("count"))
)
OF_JOBS = (
    sa.select(received)
    .where(received.c.job_id.in_(sa.bindparam("job_ids", expanding=True)))
    .order_by(received.c.id.desc())
)
BY_ID = sa.select(received).where(received.c.id == sa.bindparam("wanted"))
REMOVE = sa.delete(received).where(received.c.id == sa.bindparam("wanted"))


class UnknownFile(CsmsdError):
    """There is no such file."""


class _Arrival(ReceivedFile, frozen=True, kw_only=True):
    token_hash: str


class Files:
    """All files of stations of one csmsd."""

    def __init__(self, host: Host, vault: Vault, config: FirmwareConfig) -> None:
        self._host, self._vault, self._config = host, vault, config

    async def room(self, station_id: str) -> int:
        """How large the next file of a station may be."""

        def read(connection: sa.Connection) -> int:
            return int(connection.execute(TAKEN, {"station_id": station_id}).scalar_one())

        taken = await self._host.store.read(read)
        return max(0, min(self._config.upload_bytes, self._config.station_quota - taken))

    def draft(self, limit: int) -> Draft:
        """Where an upload is written to."""
        return self._vault.draft(limit)

    async def keep(self, draft: Draft, used: Link, claimed_name: str) -> ReceivedFile | None:
        """Keep an upload, and use up its link: None if another one was faster."""
        stored = await draft.keep()
        arrival = _Arrival(
            0,
            used.station_id,
            used.job_id,
            claimed_name[-LONGEST_NAME:],
            stored.size,
            stored.sha256,
            stored.name,
            self._host.env.now(),
            token_hash=used.token_hash,
        )
        kept = await self._host.store.submit(self._add, arrival)
        if kept is None:
            await self._vault.remove(stored.name)
        else:
            self._host.events.publish("diagnostics.received", kept.station_id, kept.received_at, {"file": kept.id})
        return kept

    async def listed(
        self, station_id: str | None = None, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[ReceivedFile]:
        """Newest first."""
        parameters = {"before_id": before_id or LATEST_ID, "count": limit}

        def read(connection: sa.Connection) -> list[ReceivedFile]:
            if station_id is None:
                return _files(connection.execute(ALL, parameters).mappings())
            return _files(connection.execute(OF_STATION, {**parameters, "station_id": station_id}).mappings())

        return await self._host.store.read(read)

    async def of_jobs(self, job_ids: Sequence[int]) -> Sequence[ReceivedFile]:
        """What came of jobs."""
        return await self._host.store.read(
            lambda connection: _files(connection.execute(OF_JOBS, {"job_ids": list(job_ids)}).mappings())
        )

    async def numbered(self, file_id: int) -> ReceivedFile:
        """One file; UnknownFile."""
        found = await self._host.store.read(
            lambda connection: _files(connection.execute(BY_ID, {"wanted": file_id}).mappings())
        )
        if not found:
            raise UnknownFile(f"there is no file {file_id}")
        return found[0]

    async def remove(self, file_id: int) -> ReceivedFile:
        """Forget a file, and its content; UnknownFile."""
        known = await self.numbered(file_id)
        await self._host.store.submit(_remove, file_id)
        await self._vault.remove(known.stored_name)
        return known

    def offer(self, known: ReceivedFile) -> Offer:
        """For downloads by operators."""
        return Offer(self._vault.path_of(known.stored_name), known.size, known.sha256, name_of(known))

    def _add(self, connection: sa.Connection, rows: Sequence[_Arrival]) -> Sequence[ReceivedFile | None]:
        results: list[ReceivedFile | None] = []
        for row in rows:
            used = connection.execute(USE_UP, {"hash": row.token_hash, "now": row.received_at})
            if used.rowcount != 1:
                results.append(None)
                continue
            (id_,) = self._host.store.take_ids(connection, "firmware_file", 1)
            values: dict[str, Any] = {**asdict(row), "id": id_}
            del values["token_hash"]
            connection.execute(ADD, values)
            results.append(ReceivedFile(**values))
        return results


def name_of(known: ReceivedFile) -> str:
    """What the file is called for those who save it: only its suffix is the station's."""
    suffix = SUFFIX.search(known.claimed_name)
    return f"diagnostics-{known.id}{suffix[0] if suffix else '.bin'}"


def _files(rows: Iterable[sa.RowMapping]) -> list[ReceivedFile]:
    return [ReceivedFile(**row) for row in rows]


def _remove(connection: sa.Connection, rows: Sequence[int]) -> Sequence[None]:
    connection.execute(REMOVE, [{"wanted": row} for row in rows])
    return [None] * len(rows)
