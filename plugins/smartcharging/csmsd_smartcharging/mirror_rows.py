"""The mirror in the database: one write for all of its changes, so that they keep their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd_core.messages import ChargingProfile
from csmsd_core.upsert import upsert
from csmsd_smartcharging.tables import offer, profile

PUT = upsert(profile)
REMOVE = sa.delete(profile).where(
    profile.c.station_id == sa.bindparam("of_station"),
    profile.c.charging_profile_id == sa.bindparam("of_profile"),
)
SELECT = sa.select(profile).order_by(profile.c.station_id, profile.c.accepted_at, profile.c.charging_profile_id)
PUT_OFFER = upsert(offer)
REMOVE_OFFER = sa.delete(offer).where(offer.c.remote_start_id == sa.bindparam("of_remote_start"))
SELECT_OFFERS = sa.select(offer)

_decoder = PayloadDecoder(ChargingProfile)


class Held(msgspec.Struct, frozen=True):
    """A profile that a station holds, as far as csmsd knows (SC-20)."""

    station_id: str
    connector_id: int
    transaction_id: int | None  # the transaction that a TxProfile belongs to; None: not known
    accepted_at: datetime
    profile: ChargingProfile

    @property
    def id(self) -> int:
        """Unique within the station (SC-12)."""
        return self.profile.charging_profile_id


class Offer(msgspec.Struct, frozen=True):
    """A profile that a station accepted with a remote start whose transaction is not there yet (SC-22)."""

    remote_start_id: str
    station_id: str
    accepted_at: datetime
    profile: ChargingProfile


class Change(msgspec.Struct, frozen=True):
    """What one event has changed."""

    removed: tuple[Held, ...] = ()
    added: Held | None = None
    offered: Offer | None = None
    settled: tuple[Offer, ...] = ()  # offers that are none any more


def write_changes(connection: sa.Connection, rows: Sequence[Change]) -> Sequence[None]:
    """Write changes, in order."""
    dialect = connection.dialect.name
    for row in rows:
        if row.removed:
            keys = [{"of_station": each.station_id, "of_profile": each.id} for each in row.removed]
            connection.execute(REMOVE, keys)
        if row.added is not None:
            connection.execute(PUT[dialect], _values(row.added))
        if row.offered is not None:
            connection.execute(PUT_OFFER[dialect], _offer_values(row.offered))
        if row.settled:
            connection.execute(REMOVE_OFFER, [{"of_remote_start": each.remote_start_id} for each in row.settled])
    return [None] * len(rows)


def read_all(connection: sa.Connection) -> tuple[list[Held], list[Offer]]:
    """Everything, in the order of acceptance."""
    held = [
        Held(
            row["station_id"],
            row["connector_id"],
            row["transaction_id"],
            row["accepted_at"],
            profile_in(row["content"]),
        )
        for row in connection.execute(SELECT).mappings()
    ]
    offers = [
        Offer(row["remote_start_id"], row["station_id"], row["accepted_at"], profile_in(row["content"]))
        for row in connection.execute(SELECT_OFFERS).mappings()
    ]
    return held, offers


def profile_in(content: str) -> ChargingProfile:
    """A profile as it was stored, with exact limits."""
    return _decoder.decode_strictly(content.encode())[0]


def content_of(profile: ChargingProfile) -> str:
    """A profile as it is stored: complete, as it went over the wire."""
    return encode_payload(profile).decode()


def _values(held: Held) -> dict[str, Any]:
    return {
        "station_id": held.station_id,
        "charging_profile_id": held.id,
        "connector_id": held.connector_id,
        "transaction_id": held.transaction_id,
        "accepted_at": held.accepted_at,
        "content": content_of(held.profile),
    }


def _offer_values(each: Offer) -> dict[str, Any]:
    return {
        "remote_start_id": each.remote_start_id,
        "station_id": each.station_id,
        "accepted_at": each.accepted_at,
        "content": content_of(each.profile),
    }
