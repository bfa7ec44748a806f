"""What others see of transactions and meter values: stable Structs, in facts, queries and the live feed.

Energy is in Wh, always an integer. Times are UTC; `…_at` is the effective time of TX-39, unless it says reported or
received. Flags are machine words that begin with the requirement they come from: "TX-12 superseded".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

TransactionStatus = Literal["open", "superseded", "stopped", "reconciled", "closed"]
"""`superseded`: another one has started on the connector and no stop is known (TX-12). `reconciled`: stopped by a
StopTransaction without a usable id (TX-24). `closed`: by an operator, until a StopTransaction arrives (TX-40)."""

StopState = Literal["applied", "conflict", "replaced", "revoked", "unmatched", "separated"]
"""`applied` counts for its transaction; `conflict` came second (TX-22); `replaced` gave way to a higher rank (TX-40);
`revoked` was taken back by an operator; `unmatched` belongs to no transaction; `separated` is a conflict that became a
transaction of its own."""

OWN_ID, RECONCILED, CLOSED = 1, 2, 3
"""The ranks of stops (TX-40); the lower number wins, 0 is no stop."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as it is known now (TX-37)."""

    id: int
    station_id: str
    connector_id: int
    id_tag: str
    parent_id_tag: str = ""
    status: TransactionStatus = "open"
    started_at: datetime
    start_reported_at: datetime | None = None  # None: unreadable, then `start_raw` is its text
    start_received_at: datetime
    start_raw: str = ""
    meter_start: int
    verdict: str  # the authorization status that the first StartTransaction.conf gave
    is_verified: bool = True  # False: nobody could verify the tag at that time (AUTH-14)
    reservation_id: int | None = None
    remote_start_id: str | None = None  # the RemoteStartTransaction that led to it (TX-10)
    superseded_by: int | None = None
    stop_id: int | None = None
    stopped_at: datetime | None = None
    stop_reported_at: datetime | None = None
    stop_received_at: datetime | None = None
    stop_raw: str = ""
    stop_id_tag: str | None = None
    meter_stop: int | None = None
    energy_wh: int | None = None  # may be negative, then it is flagged (TX-27)
    reason: str | None = None
    actor: str = ""  # who closed it
    flags: tuple[str, ...] = ()

    @property
    def is_stopped(self) -> bool:
        """Whether a stop is known."""
        return self.stop_id is not None

    @property
    def is_current(self) -> bool:
        """Whether it may be its connector's current transaction (TX-39)."""
        return self.status == "open"

    @property
    def duration_seconds(self) -> int | None:
        """Whole seconds; None while it is open, and when the station's clock makes it unknown (TX-27)."""
        if self.stopped_at is None or self.stopped_at < self.started_at:
            return None
        return int((self.stopped_at - self.started_at).total_seconds())


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One StopTransaction as received, or one close by an operator."""

    id: int
    station_id: str
    reference: int  # the transactionId in the message
    transaction_id: int | None  # the one it belongs to
    state: StopState
    rank: int
    at: datetime
    reported_at: datetime | None
    received_at: datetime
    raw_timestamp: str
    meter_stop: int | None
    id_tag: str | None
    reason: str
    verdict: str
    begin_wh: int | None
    actor: str
    flags: tuple[str, ...] = ()


class Sample(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One sampled value with all six qualifiers, absent ones filled in (MV-03, MV-04)."""

    value: str  # as sent (MV-05, MV-06)
    unit: str | None = None  # as sent
    number: str = ""  # the value as a plain decimal number in `normal_unit`; "" for SignedData and what is no number
    normal_unit: str = ""  # Wh, varh, W, var, VA, A, V, Celsius, Percent, Hz …; "" for none (MV-07)
    measurand: str = "Energy.Active.Import.Register"
    context: str = "Sample.Periodic"
    format: str = "Raw"
    location: str = "Outlet"
    phase: str | None = None  # None = overall


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of one instant (MV-02)."""

    station_id: str
    connector_id: int | None  # None: of a StopTransaction that is unmatched
    transaction_id: int | None  # the one it is attributed to (MV-08..MV-10)
    at: datetime
    reported_at: datetime | None
    received_at: datetime
    samples: tuple[Sample, ...]
    reference: int | None = None  # the transactionId in the message
    stop_id: int | None = None  # for transactionData
    energy_wh: int | None = None  # import register; these five are rounded, for charts
    power_w: int | None = None
    current_ma: int | None = None
    voltage_mv: int | None = None
    soc_permille: int | None = None
    flags: tuple[str, ...] = ()


class TransactionChange(msgspec.Struct, frozen=True):
    """A transaction has changed after the fact."""

    transaction: Transaction
    change: Literal["superseded", "stop_replaced", "reconciled", "closed", "reopened", "separated"]
    actor: str = ""


class MeterValuesBatch(msgspec.Struct, frozen=True):
    """The new readings of one message."""

    station_id: str
    readings: tuple[Reading, ...]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A stop, or readings without an id, that may belong to a transaction: for an operator to decide (TX-24, TX-41)."""

    id: int
    station_id: str
    transaction_id: int
    stop_id: int | None = None  # None: readings
    connector_id: int | None = None  # of the readings
    evidence: str = ""  # "tag", "group", "register"; "" = none
    state: Literal["open", "accepted", "dismissed"] = "open"
    made_at: datetime
    actor: str = ""
