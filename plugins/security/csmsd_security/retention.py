"""Old security events go, a few hundred at a time, through the committer like every other change."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
import trio

from csmsd.errors import StoreError
from csmsd.host import Host
from csmsd.store import UtcTime
from csmsd_security.config import SecurityConfig
from csmsd_security.tables import event

log = logging.getLogger("csmsd.plugin.security")

INTERVAL = 3_600.0  # seconds
CHUNK = 500  # rows of one transaction: a station that waits behind it does not notice
FOR_EVER = datetime(1970, 1, 1, tzinfo=UTC)

_since = sa.bindparam("since", type_=UtcTime)
_max_rows = sa.bindparam("max_rows", type_=sa.BigInteger)
# Ids follow the first receipt: what has to go is among the oldest. A copy of an event does not make it younger.
_oldest = sa.select(event.c.id, event.c.received_at).order_by(event.c.id).limit(CHUNK).subquery()
_newest = sa.select(sa.func.max(event.c.id)).scalar_subquery()
_too_many = sa.and_(_max_rows > 0, _oldest.c.id <= _newest - _max_rows)
DROP = sa.delete(event).where(
    event.c.id.in_(sa.select(_oldest.c.id).where(sa.or_(_oldest.c.received_at < _since, _too_many)))
)


class Bounds(msgspec.Struct, frozen=True):
    """What may stay."""

    since: datetime
    max_rows: int  # 0: no limit


def purge(connection: sa.Connection, rows: Sequence[Bounds]) -> list[int]:
    """A write: how many have gone, at most CHUNK for each row."""
    return [connection.execute(DROP, {"since": bounds.since, "max_rows": bounds.max_rows}).rowcount for bounds in rows]


class EventRetention:
    """Keeps the security events within `event_retention_days` and `event_max_rows`."""

    def __init__(self, host: Host, config: SecurityConfig) -> None:
        self._host, self._config = host, config

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            try:
                deleted = await self.sweep()
            except StoreError as error:
                log.warning("old security events stay for now: %s", error)
            else:
                log.log(logging.INFO if deleted else logging.DEBUG, "%d old security events deleted", deleted)
            await trio.sleep(INTERVAL)

    async def sweep(self) -> int:
        """Once; returns how many have gone. StoreError: what is left goes next time."""
        days = self._config.event_retention_days
        since = self._host.env.now() - timedelta(days=days) if days else FOR_EVER
        total, deleted = 0, CHUNK
        while deleted >= CHUNK:
            deleted = await self._host.store.submit(purge, Bounds(since, self._config.event_max_rows))
            total += deleted
        return total
