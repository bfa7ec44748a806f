"""The Core profile's tables, except those of transactions and meter values (`transaction_tables`)."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's rowid must be called INTEGER

tag = sa.Table(
    "core_tag",
    metadata,
    sa.Column("id_tag_key", sa.Text, primary_key=True),  # folded: identifiers compare case-insensitively (AUTH-03)
    sa.Column("id_tag", sa.Text, nullable=False),  # as the operator wrote it
    sa.Column("status", sa.Text, nullable=False),  # Accepted or Blocked; Expired follows from `expires_at`
    sa.Column("parent_id_tag", sa.Text, nullable=False),  # "" = no group
    sa.Column("expires_at", UtcTime),
    sa.Column("max_active_transactions", sa.Integer),  # NULL = no limit (TX-08)
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
)

remote_start = sa.Table(  # RemoteStartTransactions; one that may still start is a temporary permission (AUTH-10)
    "core_remote_start",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("id_tag_key", sa.Text, nullable=False),
    sa.Column("id_tag", sa.Text, nullable=False),
    sa.Column("connector_id", sa.Integer),  # NULL: the station chooses
    sa.Column("requested_at", UtcTime, nullable=False),
    sa.Column("valid_until", UtcTime, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # sent, accepted, rejected, failed; see transaction.remote_start_id
    sa.Index("core_remote_start_by_station", "station_id", "id_tag_key"),
)

station = sa.Table(  # what stations told about themselves; the latest value of each field (BOOT-05)
    "core_station",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("vendor", StationText),
    sa.Column("model", StationText),
    sa.Column("charge_point_serial_number", StationText),
    sa.Column("charge_box_serial_number", StationText),
    sa.Column("firmware_version", StationText),
    sa.Column("iccid", StationText),
    sa.Column("imsi", StationText),
    sa.Column("meter_type", StationText),
    sa.Column("meter_serial_number", StationText),
    sa.Column("booted_at", UtcTime),
    sa.Column("configuration_read_at", UtcTime),  # of the last GetConfiguration that asked for everything (CFG-09)
)

boot = sa.Table(  # every BootNotification, as received
    "core_boot",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("vendor", StationText),
    sa.Column("model", StationText),
    sa.Column("charge_point_serial_number", StationText),
    sa.Column("charge_box_serial_number", StationText),
    sa.Column("firmware_version", StationText),
    sa.Column("iccid", StationText),
    sa.Column("imsi", StationText),
    sa.Column("meter_type", StationText),
    sa.Column("meter_serial_number", StationText),
    sa.Column("registration", sa.Text, nullable=False),  # the answer
    sa.Column("interval", sa.Integer, nullable=False),
    sa.Column("changed", sa.Text, nullable=False),  # JSON list of the names of fields that differ from before
    sa.Index("core_boot_by_station", "station_id", "id"),
)

status = sa.Table(  # the last StatusNotification received of each connector (CORE-05)
    "core_status",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_code", StationText, nullable=False),
    sa.Column("info", StationText, nullable=False),
    sa.Column("vendor_id", StationText, nullable=False),
    sa.Column("vendor_error_code", StationText, nullable=False),
    sa.Column("reported_at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("since", UtcTime, nullable=False),  # received_at of the first notification with this status in a row
    sa.Column("warnings", sa.Text, nullable=False),  # JSON list
)

status_history = sa.Table(  # all of them (CORE-03)
    "core_status_history",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("connector_id", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_code", StationText, nullable=False),
    sa.Column("info", StationText, nullable=False),
    sa.Column("vendor_id", StationText, nullable=False),
    sa.Column("vendor_error_code", StationText, nullable=False),
    sa.Column("reported_at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Index("core_status_history_by_station", "station_id", "id"),
)

configuration = sa.Table(  # the mirror of each station's configuration keys
    "core_configuration",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("key_folded", StationText, primary_key=True),  # names are case-insensitive (CFG-04)
    sa.Column("key", StationText, nullable=False),  # as the station spells it
    sa.Column("is_known", sa.Boolean, nullable=False),  # False: the station said that it has no such key
    sa.Column("is_readonly", sa.Boolean),  # NULL: never read
    sa.Column("value", StationText),  # NULL: known and not set, or a secret (CFG-11)
    sa.Column("pending_value", StationText),  # accepted, effective after a reboot (CFG-05)
    sa.Column("changed_at", UtcTime, nullable=False),
)
