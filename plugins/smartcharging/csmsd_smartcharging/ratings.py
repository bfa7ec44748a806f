"""The most that connectors and stations can do: what an unlimited stretch is rendered as (SCA-16)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_core.messages import ChargingRateUnit
from csmsd_core.upsert import upsert
from csmsd_smartcharging.composite import converted
from csmsd_smartcharging.tables import rating
from csmsd_smartcharging.timeline import Limit

MOST_TENTHS = 10**10


class InvalidRating(CsmsdError):
    """No station can do that: says why."""


class Rating(msgspec.Struct, frozen=True):
    """What a connector, or a whole station (connector 0), can do."""

    station_id: str
    connector_id: int
    tenths: int  # of A per phase, or of W in total
    unit: ChargingRateUnit
    phases: int


PUT = upsert(rating)
SELECT = sa.select(rating)


def put_ratings(connection: sa.Connection, rows: Sequence[Rating]) -> Sequence[None]:
    """Create or replace ratings."""
    latest = {(row.station_id, row.connector_id): msgspec.structs.asdict(row) for row in rows}
    connection.execute(PUT[connection.dialect.name], list(latest.values()))
    return [None] * len(rows)


class Ratings:
    """All ratings of one csmsd."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[str, int], Rating] = {}

    async def load(self) -> None:
        """Read everything."""

        def read(connection: sa.Connection) -> list[Rating]:
            return [Rating(**row) for row in connection.execute(SELECT).mappings()]

        self._known = {(each.station_id, each.connector_id): each for each in await self._host.store.read(read)}

    async def put(self, new: Rating, *, actor: str) -> None:
        """Create or replace a rating; InvalidRating."""
        if not (0 <= new.tenths <= MOST_TENTHS and new.phases in (1, 2, 3) and new.connector_id >= 0):
            raise InvalidRating("a rating is not negative, has 1 to 3 phases, and belongs to a connector")
        key = (new.station_id, new.connector_id)
        before = self._known.get(key)
        await self._host.store.submit(put_ratings, new)
        self._known[key] = new
        self._host.audit.record(actor, "rating.put", f"{new.station_id} connector {new.connector_id}", before, new)

    def amount(self, station_id: str, connector_id: int, unit: ChargingRateUnit, voltage: Decimal) -> Decimal | None:
        """The rating in a unit, rounded down; None if nobody has said it. The station's counts for its connectors."""
        known = self._known.get((station_id, connector_id)) or self._known.get((station_id, 0))
        if known is None:
            return None
        return converted(Limit.of_tenths(known.tenths, known.unit, known.phases), unit, voltage)
