"""The Core profile's hooks: its actions, its decisions, its facts.

Each docstring answers, in this order: when it is called; what to return; what happens if you raise or are slow; whether
it may be called twice. An action hook may name any subset of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from csmsd.hookspecs import hookspec
from csmsd.station import Arrival, Registration, Station

if TYPE_CHECKING:
    from csmsd_core.facts import ConnectorStatusChanged, StationBooted
    from csmsd_core.messages import (
        Authorize,
        AuthorizeResponse,
        BootNotification,
        BootNotificationResponse,
        DataTransfer,
        DataTransferResponse,
        Heartbeat,
        HeartbeatResponse,
        IdTagInfo,
        MeterValues,
        MeterValuesResponse,
        StartTransaction,
        StartTransactionResponse,
        StatusNotification,
        StatusNotificationResponse,
        StopTransaction,
        StopTransactionResponse,
    )
    from csmsd_core.records import MeterValuesBatch, Transaction, TransactionChange

# What an id tag is judged for. remote: an operator is about to send a RemoteStartTransaction with it.
Purpose = Literal["authorize", "start", "stop", "remote"]


class VendorMessage(NamedTuple):
    """A vendor-specific DataTransfer that a plugin answers; without a message id: all of this vendor's."""

    vendor_id: str
    message_id: str | None = None


class Price(msgspec.Struct, frozen=True):
    """What a transaction costs: informative, OCPP 1.6 has no field for it."""

    currency: str  # ISO 4217
    minor_units: int  # cents, pence …
    text: str = ""  # how it came about, for the operator


# Actions: CALLs of stations.


@hookspec(colour="either")
def authorize(station: Station, request: Authorize, arrival: Arrival) -> AuthorizeResponse | None:
    """Called for every Authorize; to decide about id tags implement `authorize_id_tag` instead.

    Return the answer, or None to leave it to the next plugin; the Core profile comes last. If you raise or are slow you
    are passed over; an OcppError is sent as it is. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def boot_notification(station: Station, request: BootNotification, arrival: Arrival) -> BootNotificationResponse | None:
    """Called for every BootNotification; to decide who is accepted implement `accept_station` instead.

    Return the answer, or None to leave it to the Core profile, which also keeps the history (BOOT-05) and makes the
    registration durable: who answers here takes both over. If you raise or are slow you are passed over. Called again
    for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def data_transfer(station: Station, request: DataTransfer, arrival: Arrival) -> DataTransferResponse | None:
    """Called for every DataTransfer of a station; `csmsd_core.data_transfer.VendorMessages` implements it for you.

    Return the answer, or None if the message is not yours; if nobody answers the Core profile says UnknownVendorId,
    UnknownMessageId or Rejected (CORE-10). If you raise or are slow you are passed over. Not called for a
    retransmission within an hour (RPC-12).
    """
    raise AssertionError


@hookspec(colour="either")
def heartbeat(station: Station, request: Heartbeat, arrival: Arrival) -> HeartbeatResponse | None:
    """Called for every Heartbeat.

    Return the answer, or None to leave it to the Core profile, which tells the time (CORE-01). If you raise or are slow
    you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def meter_values(station: Station, request: MeterValues, arrival: Arrival) -> MeterValuesResponse | None:
    """Called for every MeterValues; to hear of stored ones implement `meter_values_stored` instead.

    Return the answer, or None to leave it to the Core profile, which stores them: who answers here takes that over. If
    you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def start_transaction(station: Station, request: StartTransaction, arrival: Arrival) -> StartTransactionResponse | None:
    """Called for every StartTransaction; to hear of stored ones implement `transaction_started` instead.

    Return the answer, or None to leave it to the Core profile, which stores the transaction and gives it its id: who
    answers here takes that over. If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def status_notification(
    station: Station, request: StatusNotification, arrival: Arrival
) -> StatusNotificationResponse | None:
    """Called for every StatusNotification; to hear of changes implement `connector_status_changed` instead.

    Return the answer, or None to leave it to the Core profile, which stores the status: who answers here takes that
    over. If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def stop_transaction(station: Station, request: StopTransaction, arrival: Arrival) -> StopTransactionResponse | None:
    """Called for every StopTransaction; to hear of stored ones implement `transaction_stopped` instead.

    Return the answer, or None to leave it to the Core profile, which stores the stop: who answers here takes that over.
    If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


# Decisions: questions with a safe answer.


@hookspec(colour="either")
def accept_station(station: Station, request: BootNotification) -> Registration | None:
    """Asked for every BootNotification, whether this station may work.

    Return Accepted, Pending or Rejected, or None to leave it to the next plugin; the operator's decision and
    `boot_policy` come last. If you raise or are slow the station is told Pending and asks again. Called for every boot.
    """
    raise AssertionError


@hookspec(colour="either")
def authorize_id_tag(station: Station, id_tag: str, purpose: Purpose) -> IdTagInfo | None:
    """Asked whenever an id tag is judged: for Authorize, StartTransaction, StopTransaction, and before a remote start.

    Return its IdTagInfo, the same for every purpose, because stations cache it (AUTH-07); or None to leave it to the
    next plugin. The operator's tags and remote starts come last and say Invalid for a tag nobody knows. If you raise or
    are slow, Authorize gets InternalError or a configured status (AUTH-09), and a transaction is stored with the last
    known verdict (AUTH-14): never a false Invalid. Called again for a retransmission.
    """
    raise AssertionError


@hookspec()
async def price_transaction(transaction: Transaction) -> Price | None:
    """Asked when somebody wants to see what a stopped transaction costs: the API and `csmsd tx show`.

    Return the price, or None to leave it to the next plugin; `[plugin.core.tariff]` comes last, and without one nobody
    knows. If you raise or are slow you are passed over. Called as often as somebody looks.
    """


# Plain questions.


@hookspec(colour="plain")
def data_transfer_messages() -> Iterable[VendorMessage]:
    """Asked when nobody answered a DataTransfer, to tell UnknownVendorId from UnknownMessageId (CORE-10).

    Return every vendor message you answer. A failure makes your vendors unknown. Called as often as it happens.
    """
    raise AssertionError


# Facts: called after the COMMIT, in order per station, at least once each: the same `fact_id` may come twice after a
# crash, so make the effect idempotent. Returning takes the fact; raising has it delivered again, later and in the end
# set aside where the operator sees it. Slowness delays this plugin's own facts only.


@hookspec()
async def station_booted(station_id: str, fact: StationBooted, fact_id: int) -> None:
    """A BootNotification was answered.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def connector_status_changed(station_id: str, fact: ConnectorStatusChanged, fact_id: int) -> None:
    """A connector reported something new.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def transaction_started(station_id: str, fact: Transaction, fact_id: int) -> None:
    """A transaction was stored.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def transaction_stopped(station_id: str, fact: Transaction, fact_id: int) -> None:
    """A transaction got a stop that counts, also by a close (TX-40).

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def transaction_updated(station_id: str, fact: TransactionChange, fact_id: int) -> None:
    """A transaction was superseded, reopened, corrected ….

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def meter_values_stored(station_id: str, fact: MeterValuesBatch, fact_id: int) -> None:
    """Meter values were stored.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """
