"""The tables of the events plugin. What waits to be delivered is in the outbox, where each webhook has its place."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import UtcTime

metadata = sa.MetaData()

webhook = sa.Table(
    "events_webhook",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # never used again: places go by it
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("types", sa.Text, nullable=False),  # JSON array of patterns
    sa.Column("stations", sa.Text, nullable=False),  # the same
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("disabled_because", sa.Text, nullable=False),  # "" = enabled
    sa.Column("created_at", UtcTime, nullable=False),
)
