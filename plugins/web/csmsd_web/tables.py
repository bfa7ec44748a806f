"""The web plugin's table: API tokens, never the tokens themselves."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import UtcTime

metadata = sa.MetaData()

token = sa.Table(
    "web_token",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # read, operate, admin
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the secret, hexadecimal
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", UtcTime),  # NULL = never
    sa.Column("last_used_at", UtcTime),  # up to a minute old
)
