"""The tables of transactions and meter values. Natural keys are unique and lead with the time (one edge of a tree).

What a station sent is never changed: `stop` keeps every distinct StopTransaction and every close by an operator,
whether it counts or not, and `transaction` shows the one that counts at present.
"""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime
from csmsd_core.tables import BigId, metadata

transaction = sa.Table(
    "core_transaction",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # TX-02
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("connector_id", sa.BigInteger, nullable=False),
    sa.Column("id_tag", StationText, nullable=False),
    sa.Column("id_tag_key", StationText, nullable=False),  # folded (AUTH-03)
    sa.Column("parent_id_tag", sa.Text, nullable=False),  # "" = no group
    sa.Column("parent_key", sa.Text, nullable=False),
    sa.Column("meter_start", sa.BigInteger, nullable=False),  # Wh
    sa.Column("start_key", StationText, nullable=False),  # whole seconds of the reported time, or its raw text (TX-05)
    sa.Column("started_at", UtcTime, nullable=False),  # effective (TX-39)
    sa.Column("start_reported_at", UtcTime),  # NULL: unreadable
    sa.Column("start_raw", StationText, nullable=False),  # the unreadable text
    sa.Column("start_received_at", UtcTime, nullable=False),
    sa.Column("reservation_id", sa.BigInteger),
    sa.Column("remote_start_id", sa.Text),  # the RemoteStartTransaction that led to it (TX-10)
    sa.Column("verdict", sa.Text, nullable=False),  # the status in the first StartTransaction.conf
    sa.Column("is_verified", sa.Boolean, nullable=False),  # False: the token back end did not answer (AUTH-14)
    sa.Column("is_known", sa.Boolean, nullable=False),  # the station has shown to know the id (TX-24)
    sa.Column("superseded_by", sa.BigInteger),  # TX-12
    sa.Column("superseded_at", UtcTime),
    sa.Column("stop_rank", sa.Integer, nullable=False),  # 0 = no stop is known (TX-40)
    sa.Column("stop_id", sa.BigInteger),
    sa.Column("stopped_at", UtcTime),  # effective
    sa.Column("meter_stop", sa.BigInteger),  # Wh; NULL after a close without a reading
    sa.Column("flags", sa.Text, nullable=False),  # JSON list; those of the stop are with the stop
    sa.UniqueConstraint(
        "start_key", "station_id", "connector_id", "id_tag_key", "meter_start", name="core_transaction_key"
    ),
    sa.Index("core_transaction_by_connector", "station_id", "connector_id", "started_at"),
    sa.Index("core_transaction_by_receipt", "station_id", "connector_id", "start_received_at"),
    sa.Index("core_transaction_by_stop", "station_id", "stopped_at"),
    sa.Index("core_transaction_by_time", "started_at"),
    sa.Index(
        "core_transaction_by_remote_start",
        "remote_start_id",
        sqlite_where=sa.text("remote_start_id IS NOT NULL"),
        postgresql_where=sa.text("remote_start_id IS NOT NULL"),
    ),
    sa.Index(
        "core_transaction_open",
        "station_id",
        "connector_id",
        sqlite_where=sa.text("stop_rank = 0"),
        postgresql_where=sa.text("stop_rank = 0"),
    ),
    sa.Index(
        "core_transaction_open_by_tag",
        "id_tag_key",
        sqlite_where=sa.text("stop_rank = 0"),
        postgresql_where=sa.text("stop_rank = 0"),
    ),
)

stop = sa.Table(
    "core_stop",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stop_key", StationText, nullable=False),  # like start_key; unique by itself for a close by an operator
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("reference", sa.BigInteger, nullable=False),  # the transactionId in the message
    sa.Column("meter_stop", sa.BigInteger),  # Wh
    sa.Column("id_tag", StationText),
    sa.Column("id_tag_key", StationText, nullable=False),  # "" = none
    sa.Column("parent_key", sa.Text, nullable=False),
    sa.Column("reason", StationText, nullable=False),
    sa.Column("variant", StationText, nullable=False),  # tells stops that differ in the reason only apart; else ""
    sa.Column("at", UtcTime, nullable=False),  # effective
    sa.Column("reported_at", UtcTime),
    sa.Column("raw_timestamp", StationText, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("begin_wh", sa.BigInteger),  # the Transaction.Begin register of its transactionData (TX-24)
    sa.Column("verdict", sa.Text, nullable=False),  # of its idTag; "" = none
    sa.Column("state", sa.Text, nullable=False),  # see StopState
    sa.Column("rank", sa.Integer, nullable=False),  # TX-40; 0 = unmatched
    sa.Column("transaction_id", sa.BigInteger),  # the transaction it belongs to; NULL: unmatched
    sa.Column("actor", sa.Text, nullable=False),  # who closed it; "" for a station's message
    sa.Column("flags", sa.Text, nullable=False),
    sa.UniqueConstraint(
        "stop_key", "station_id", "reference", "id_tag_key", "meter_stop", "variant", name="core_stop_key"
    ),
    sa.Index("core_stop_by_transaction", "transaction_id"),
    sa.Index(
        "core_stop_unmatched",
        "station_id",
        sqlite_where=sa.text("state = 'unmatched'"),
        postgresql_where=sa.text("state = 'unmatched'"),
    ),
)

proposal = sa.Table(  # what csmsd suspects and only an operator may decide (TX-24, TX-41)
    "core_proposal",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("subject", sa.Text, nullable=False),  # "stop/17", or "meter/1" for the readings without id of connector 1
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("stop_id", sa.BigInteger),
    sa.Column("connector_id", sa.BigInteger),
    sa.Column("transaction_id", sa.BigInteger, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),  # "tag", "group", "register" or ""
    sa.Column("state", sa.Text, nullable=False),  # open, accepted, dismissed
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.UniqueConstraint("transaction_id", "subject", "station_id", name="core_proposal_key"),
    sa.Index("core_proposal_by_state", "state", "id"),
)

meter_value = sa.Table(  # one row for each MeterValue element; its samples as JSON, and the figures that charts need
    "core_meter_value",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("at_key", StationText, nullable=False),  # the reported timestamp, or its raw text
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),  # "1/42" = connector 1, transactionId 42; "1/"; "stop/17"
    sa.Column("part", sa.Integer, nullable=False),  # 1, 2 …: more samples of the same instant (MV-13)
    sa.Column("connector_id", sa.BigInteger),  # NULL: of a stop that is unmatched
    sa.Column("reference", sa.BigInteger),  # the transactionId in the message; NULL: none
    sa.Column("transaction_id", sa.BigInteger),  # the one it is attributed to (MV-08..MV-10)
    sa.Column("stop_id", sa.BigInteger),  # for transactionData
    sa.Column("at", UtcTime, nullable=False),  # effective
    sa.Column("reported_at", UtcTime),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("samples", sa.Text, nullable=False),  # JSON list of Sample
    sa.Column("set_aside", sa.Text),  # the message's JSON, if a part of it could not be understood (VAL-14)
    sa.Column("energy_wh", sa.BigInteger),  # import register, rounded; exact values are in the samples
    sa.Column("power_w", sa.BigInteger),
    sa.Column("current_ma", sa.BigInteger),
    sa.Column("voltage_mv", sa.BigInteger),
    sa.Column("soc_permille", sa.BigInteger),
    sa.Column("flags", sa.Text, nullable=False),
    sa.UniqueConstraint("at_key", "station_id", "origin", "part", name="core_meter_value_key"),
    sa.Index("core_meter_value_by_transaction", "transaction_id", "at"),
    sa.Index("core_meter_value_by_connector", "station_id", "connector_id", "at"),
)
