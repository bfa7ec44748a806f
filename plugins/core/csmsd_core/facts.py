"""The Core profile's facts: what has happened and is stored, for plugins that must hear of all of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.store import Fact
from csmsd_core import hookspecs


class StationBooted(msgspec.Struct, frozen=True):
    """A BootNotification was answered."""

    at: datetime
    registration: str  # Accepted, Pending or Rejected
    vendor: str
    model: str
    firmware_version: str  # "" if the station did not say
    changed: tuple[str, ...]  # the fields that differ from what the station said before (BOOT-05)


class ConnectorStatusChanged(msgspec.Struct, frozen=True):
    """A StatusNotification told something else than the one before; a repeated one is no fact."""

    connector_id: int  # 0: the station's main controller
    status: str
    previous: str  # "" for a connector that was not known
    error_code: str
    info: str
    vendor_id: str
    vendor_error_code: str
    reported_at: datetime
    received_at: datetime


class TransactionStarted(msgspec.Struct, frozen=True):
    """A StartTransaction was stored, also one whose id tag was refused (TX-03)."""

    transaction_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str  # "" = no group
    meter_start: int  # Wh
    started_at: datetime  # effective (TX-39)
    received_at: datetime
    verdict: str  # the status told to the station
    is_verified: bool  # False: no authoriser answered (AUTH-14)
    reservation_id: int | None = None
    remote_start_id: str | None = None


class TransactionStopped(msgspec.Struct, frozen=True):
    """A transaction got a stop that counts; a stop of a higher rank may follow as a second fact (TX-40)."""

    transaction_id: int
    connector_id: int
    id_tag: str  # of the start
    meter_start: int  # Wh
    meter_stop: int | None  # Wh; None after a close without a reading
    started_at: datetime
    stopped_at: datetime
    reason: str
    stop_id_tag: str  # "" = none
    rank: int  # 1: the station's own stop, 2: reconciled, 3: closed by an operator or a plugin (TX-40)


class TransactionUpdated(msgspec.Struct, frozen=True):
    """Something else about a transaction changed."""

    transaction_id: int
    change: str  # superseded, reopened, reconciled, conflict, …
    at: datetime


class MeterValuesStored(msgspec.Struct, frozen=True):
    """A MeterValues, or a StopTransaction's transactionData, was stored; the figures are those of its last element."""

    connector_id: int
    transaction_id: int | None  # what it was attributed to (MV-08..MV-10)
    at: datetime
    energy_wh: int | None = None
    power_w: int | None = None
    soc_permille: int | None = None


STATION_BOOTED = Fact("station_booted", StationBooted, hookspecs.station_booted)
CONNECTOR_STATUS_CHANGED = Fact("connector_status_changed", ConnectorStatusChanged, hookspecs.connector_status_changed)
TRANSACTION_STARTED = Fact("transaction_started", TransactionStarted, hookspecs.transaction_started)
TRANSACTION_STOPPED = Fact("transaction_stopped", TransactionStopped, hookspecs.transaction_stopped)
TRANSACTION_UPDATED = Fact("transaction_updated", TransactionUpdated, hookspecs.transaction_updated)
METER_VALUES_STORED = Fact("meter_values_stored", MeterValuesStored, hookspecs.meter_values_stored)

FACTS = (
    STATION_BOOTED,
    CONNECTOR_STATUS_CHANGED,
    TRANSACTION_STARTED,
    TRANSACTION_STOPPED,
    TRANSACTION_UPDATED,
    METER_VALUES_STORED,
)
