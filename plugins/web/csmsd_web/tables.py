"""The web plugin's tables: API tokens, users, sessions, one-time links; of secrets only digests."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

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
    sa.Column("user", sa.Text),  # whose it is: good while he is, for no more than he may; NULL = nobody's
)

user = sa.Table(
    "web_user",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # in lower case
    sa.Column("role", sa.Text, nullable=False),  # viewer, operator, administrator
    sa.Column("digest", sa.Text),  # "$argon2id$…"; NULL = has not chosen a password yet
    sa.Column("is_disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("password_changed_at", UtcTime),
    sa.Column("last_login_at", UtcTime),
)

session = sa.Table(
    "web_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the secret, hexadecimal
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),  # whatever happens
    sa.Column("last_used_at", UtcTime, nullable=False),  # up to a minute old
    sa.Column("peer", StationText, nullable=False),
    sa.Column("user_agent", StationText, nullable=False),
)

link = sa.Table(
    "web_link",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the secret, hexadecimal
    sa.Column("user", sa.Text),  # whose password it sets; NULL = it makes the first administrator
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)
