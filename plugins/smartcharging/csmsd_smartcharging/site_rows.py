"""Sites and shares in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from csmsd_core.messages import ChargingRateUnit
from csmsd_core.upsert import upsert
from csmsd_smartcharging.allocation import Member, Strategy
from csmsd_smartcharging.tables import share, site

TENTHS = Decimal(10)


class SiteMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A station of a site; limits in the site's unit."""

    station_id: str
    maximum: Decimal  # what it draws when nobody limits it
    minimum: Decimal = Decimal(0)  # with less it cannot charge: then it gets nothing
    weight: Annotated[int, Meta(ge=1)] = 1  # its part, when shared in proportion
    priority: int = 0  # the greater is served first

    @property
    def as_member(self) -> Member:
        """In tenths; the maximum is rounded up, for it is what must be feared."""
        return Member(
            self.station_id,
            int((self.maximum * TENTHS).to_integral_value("ROUND_CEILING")),
            int((self.minimum * TENTHS).to_integral_value("ROUND_CEILING")),
            self.weight,
            self.priority,
        )


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stations behind one limit: A per phase, or W in total."""

    limit: Decimal
    members: tuple[SiteMember, ...]
    unit: ChargingRateUnit = "A"
    strategy: Strategy = "proportional"


class StoredSite(msgspec.Struct, frozen=True):
    """A site under its name."""

    name: str
    site: Site
    changed_at: datetime


class Share(msgspec.Struct, frozen=True):
    """What a station was told, in tenths."""

    station_id: str
    charging_profile_id: int
    unit: ChargingRateUnit
    confirmed: int | None = None  # None: it has accepted nothing yet
    outstanding: int | None = None


PUT_SITE = upsert(site)
REMOVE_SITE = sa.delete(site).where(site.c.name == sa.bindparam("of_site"))
SELECT_SITES = sa.select(site).order_by(site.c.name)
PUT_SHARE = upsert(share)
SELECT_SHARES = sa.select(share)


def put_sites(connection: sa.Connection, rows: Sequence[StoredSite]) -> Sequence[None]:
    """Create or replace sites."""
    latest = {row.name: row for row in rows}
    connection.execute(
        PUT_SITE[connection.dialect.name],
        [
            {"name": row.name, "content": msgspec.json.encode(row.site).decode(), "changed_at": row.changed_at}
            for row in latest.values()
        ],
    )
    return [None] * len(rows)


def remove_sites(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Forget sites."""
    connection.execute(REMOVE_SITE, [{"of_site": name} for name in rows])
    return [None] * len(rows)


def put_shares(connection: sa.Connection, rows: Sequence[Share]) -> Sequence[None]:
    """Keep the last state of each station."""
    latest = {row.station_id: msgspec.structs.asdict(row) for row in rows}
    connection.execute(PUT_SHARE[connection.dialect.name], list(latest.values()))
    return [None] * len(rows)


def read_sites(connection: sa.Connection) -> tuple[list[StoredSite], list[Share]]:
    """Everything."""
    sites = [
        StoredSite(row["name"], msgspec.json.decode(row["content"], type=Site), row["changed_at"])
        for row in connection.execute(SELECT_SITES).mappings()
    ]
    return sites, [Share(**row) for row in connection.execute(SELECT_SHARES).mappings()]
