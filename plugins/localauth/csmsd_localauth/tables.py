"""The tables of Local Auth List Management: a mirror of each station's list."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()

local_list = sa.Table(  # see mirror.ListState
    "localauth_list",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger),
    sa.Column("highest", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("is_supported", sa.Boolean, nullable=False),
    sa.Column("is_doubtful", sa.Boolean, nullable=False),
    sa.Column("concern", sa.Text, nullable=False),
    sa.Column("sends", sa.BigInteger, nullable=False),
    sa.Column("full_order", sa.BigInteger, nullable=False),
    sa.Column("last_order", sa.BigInteger, nullable=False),
    sa.Column("unanswered", sa.Text, nullable=False),  # JSON list of orders
    sa.Column("reported_version", sa.BigInteger),
    sa.Column("changed_at", UtcTime, nullable=False),
)

entry = sa.Table(
    "localauth_entry",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("id_tag_key", StationText, primary_key=True),  # folded: id tags compare case-insensitively
    sa.Column("id_tag", StationText, nullable=False),  # as sent
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("expiry_date", UtcTime),
    sa.Column("parent_id_tag", StationText),
)
