"""What is too old goes: files, links, history; and files that nobody knows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import trio

from csmsd.errors import StoreError
from csmsd.host import Host
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.files import Files
from csmsd_firmware.progress import ENDED
from csmsd_firmware.tables import image, job, link, received, status
from csmsd_firmware.vault import STORED, UNFINISHED, Vault

log = logging.getLogger("csmsd.plugin.firmware")

INTERVAL = 3_600.0  # seconds
STRAY_AFTER = 86_400.0  # an upload may take that long
CHUNK = 500

OLD_FILES = sa.select(received.c.id).where(received.c.received_at < sa.bindparam("since")).limit(CHUNK)
STORED_NAMES = sa.union_all(sa.select(image.c.stored_name), sa.select(received.c.stored_name))
DROP_LINKS = sa.delete(link).where(link.c.expires_at < sa.bindparam("since"))
DROP_STATUSES = sa.delete(status).where(
    status.c.id.in_(sa.select(status.c.id).where(status.c.at < sa.bindparam("since")).limit(CHUNK))
)
DROP_JOBS = sa.delete(job).where(
    job.c.id.in_(
        sa.select(job.c.id).where(job.c.changed_at < sa.bindparam("since"), job.c.state.in_(sorted(ENDED))).limit(CHUNK)
    )
)


class _Bounds(msgspec.Struct, frozen=True):
    links_since: datetime
    history_since: datetime | None


class Cleaning:
    """The sweeper."""

    def __init__(self, host: Host, vault: Vault, files: Files, config: FirmwareConfig) -> None:
        self._host, self._vault, self._files, self._config = host, vault, files, config

    async def serve(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            try:
                await self.sweep()
            except (StoreError, OSError) as error:
                log.warning("old files are not swept: %s", error)
            await trio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Once."""
        now = self._host.env.now()
        if days := self._config.file_retention_days:
            old = {"since": now - timedelta(days=days)}
            ids = await self._host.store.read(lambda connection: connection.scalars(OLD_FILES, old).all())
            for file_id in ids:
                await self._files.remove(file_id)
        days = self._config.history_retention_days
        bounds = _Bounds(now - timedelta(days=1), now - timedelta(days=days) if days else None)
        await self._host.store.submit(_drop, bounds)
        await self._remove_strays(now.timestamp() - STRAY_AFTER)

    async def _remove_strays(self, older_than: float) -> None:
        """Left behind by a crash in the middle of an upload."""
        found = await trio.to_thread.run_sync(lambda: list(self._vault.names(older_than)))
        known = set(await self._host.store.read(lambda connection: connection.scalars(STORED_NAMES).all()))
        for name in found:
            if STORED.fullmatch(name.removesuffix(UNFINISHED)) is not None and name not in known:
                log.info("the stray file %s is removed", name)
                path = self._vault.folder / name
                await trio.to_thread.run_sync(path.unlink)


def _drop(connection: sa.Connection, rows: Sequence[_Bounds]) -> Sequence[None]:
    bounds = rows[-1]
    connection.execute(DROP_LINKS, {"since": bounds.links_since})
    if bounds.history_since is not None:
        connection.execute(DROP_STATUSES, {"since": bounds.history_since})
        connection.execute(DROP_JOBS, {"since": bounds.history_since})
    return [None] * len(rows)
