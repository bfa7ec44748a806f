"""The tables of Firmware Management."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's rowid must be called INTEGER

job = sa.Table(  # every UpdateFirmware and GetDiagnostics that was sent
    "firmware_job",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),  # firmware or diagnostics
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),  # masked (FW-02)
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("error_code", sa.Text, nullable=False),  # of a CALLERROR
    sa.Column("error", StationText, nullable=False),
    sa.Column("image_id", sa.Integer),  # NULL: a location of the operator's own
    sa.Column("expected_version", sa.Text, nullable=False),  # "" = unknown
    sa.Column("version_before", StationText, nullable=False),
    sa.Column("version_after", StationText, nullable=False),
    sa.Column("shown_by", sa.Text, nullable=False),  # what tells that it is installed: "", status, version or both
    sa.Column("file_name", StationText, nullable=False),  # as the station calls its diagnostics
    sa.Column("campaign_id", sa.Integer),
    sa.Index("firmware_job_by_station", "station_id", "kind", "id"),
    sa.Index("firmware_job_by_campaign", "campaign_id", "station_id"),
)

status = sa.Table(  # every status notification, also those that nobody has asked for (FW-03, DIAG-03)
    "firmware_status",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Integer),  # NULL: no job is known
    sa.Column("status", StationText, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("firmware_status_by_station", "station_id", "kind", "id"),
)

image = sa.Table(
    "firmware_image",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("version", sa.Text, nullable=False),  # what a station calls itself that has it; "" = unknown
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("stored_name", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

received = sa.Table(  # files that stations have uploaded
    "firmware_file",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Integer),
    sa.Column("claimed_name", StationText, nullable=False),  # for people; never a path
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("stored_name", sa.Text, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Index("firmware_file_by_station", "station_id", "id"),
)

link = sa.Table(  # who may fetch or bring which file, by the hash of a token
    "firmware_link",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("image_id", sa.Integer),  # to fetch; NULL: to bring one file
    sa.Column("job_id", sa.Integer),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),  # used up, or superseded
    sa.Index("firmware_link_by_job", "job_id"),
)

campaign = sa.Table(
    "firmware_campaign",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),  # JSON
    sa.Column("wave", sa.Integer, nullable=False),  # 0 = none yet
    sa.Column("wave_ended_at", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("reason", sa.Text, nullable=False),
)

member = sa.Table(  # stations of campaigns
    "firmware_member",
    metadata,
    sa.Column("campaign_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("wave", sa.Integer, nullable=False),  # 0 = not yet
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("error", StationText, nullable=False),
)
