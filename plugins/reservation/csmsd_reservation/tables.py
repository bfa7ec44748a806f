"""The tables of Reservation."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()

reservation = sa.Table(  # one row for each ReserveNow; see records.Reservation
    "reservation_reservation",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reservation_id", sa.BigInteger, nullable=False),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("connector_id", sa.BigInteger, nullable=False),
    sa.Column("id_tag", StationText, nullable=False),
    sa.Column("parent_id_tag", StationText, nullable=False),  # "" = none
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("requested_at", UtcTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("answered_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("transaction_id", sa.BigInteger),
    sa.Index("reservation_reservation_by_id", "reservation_id"),
    sa.Index("reservation_reservation_by_station", "station_id", "number"),
    sa.Index("reservation_reservation_by_state", "state", "expires_at"),
    sa.Index("reservation_reservation_by_transaction", "transaction_id"),
)

finding = sa.Table(  # transactions with a reservationId that fits nothing (TX-09)
    "reservation_finding",
    metadata,
    sa.Column("transaction_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("reservation_id", sa.BigInteger, nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("found_at", UtcTime, nullable=False),
)
