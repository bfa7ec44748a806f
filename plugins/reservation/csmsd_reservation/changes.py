"""What happens to reservations, and what each of these events does to them: without a database, a station or a clock.

Each function takes the reservations that may be concerned and returns those that have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from csmsd_core import Transaction
from csmsd_reservation.records import REFUSED, Misfit, Reservation, State


class Requested(msgspec.Struct, frozen=True):
    """A ReserveNow is about to be sent; its number is given when it is stored."""

    reservation: Reservation


class Answered(msgspec.Struct, frozen=True):
    """A ReserveNow was answered with this status, in time or late; "" for a CALLERROR."""

    number: int
    station_id: str
    reservation_id: int
    status: str
    at: datetime


class Cancelled(msgspec.Struct, frozen=True):
    """A CancelReservation was answered; `behind`: ReserveNows that wait on the line, which it cannot have met."""

    station_id: str
    reservation_id: int
    is_accepted: bool
    behind: tuple[int, ...]
    at: datetime


class Started(msgspec.Struct, frozen=True):
    """A transaction was stored."""

    transaction: Transaction
    at: datetime


class OutOfService(msgspec.Struct, frozen=True):
    """Connectors became Faulted or Unavailable; with 0 the station itself, or all of its connectors."""

    station_id: str
    connectors: tuple[int, ...]
    is_station: bool  # then every reservation ends
    at: datetime


class Expired(msgspec.Struct, frozen=True):
    """It is late."""

    at: datetime


Change: TypeAlias = Requested | Answered | Cancelled | Started | OutOfService | Expired


def ended(each: Reservation, state: State, at: datetime, transaction_id: int | None = None) -> Reservation:
    """The reservation in a final state."""
    return msgspec.structs.replace(each, state=state, ended_at=at, transaction_id=transaction_id)


def after_answer(known: Sequence[Reservation], answer: Answered) -> list[Reservation]:
    """`known`: all of the station with that reservationId. Only a request without an answer can get one."""
    mine = next((each for each in known if each.number == answer.number), None)
    if mine is None or mine.state != "requested":
        return []
    mine = msgspec.structs.replace(mine, answered_at=answer.at)
    if answer.status != "Accepted":
        return [ended(mine, REFUSED.get(answer.status, "failed"), answer.at)]
    older = [ended(each, "replaced", answer.at) for each in known if each.number < mine.number and each.is_live]
    return [*older, msgspec.structs.replace(mine, state="active")]


def after_cancel(known: Iterable[Reservation], cancel: Cancelled) -> list[Reservation]:
    """`known`: all of the station with that reservationId (RES-07)."""
    state: State = "cancelled" if cancel.is_accepted else "gone"
    return [ended(each, state, cancel.at) for each in known if each.is_live and each.number not in cancel.behind]


def after_outage(known: Iterable[Reservation], outage: OutOfService) -> list[Reservation]:
    """`known`: the live ones of the station. One that was accepted later is not concerned."""
    return [
        ended(each, "out of service", outage.at)
        for each in known
        if each.answered_at is not None
        and each.answered_at <= outage.at
        and (outage.is_station or each.connector_id in outage.connectors)
    ]


def after_expiry(known: Iterable[Reservation], now: datetime) -> list[Reservation]:
    """`known`: live ones."""
    return [ended(each, "expired", now) for each in known if each.expires_at <= now]


def after_start(
    known: Collection[Reservation], started: Started, tolerance: timedelta
) -> tuple[list[Reservation], Misfit | None]:
    """What a transaction uses up, and what is odd about its reservationId (TX-09, RES-06).

    `known`: the live ones of its station, and all anywhere that have its reservationId.
    """
    transaction = started.transaction
    named = [each for each in known if each.reservation_id == transaction.reservation_id]
    own = [each for each in named if each.station_id == transaction.station_id]
    fitting = [each for each in own if _is_named_in_time(each, transaction, tolerance)]
    live = [each for each in known if each.station_id == transaction.station_id and each.is_live]
    matching = [each for each in live if _matches(each, transaction)]
    taken = max(fitting, key=lambda each: each.number, default=None) or min(
        matching, key=lambda each: (not _has_tag(each, transaction), each.connector_id == 0, each.number), default=None
    )
    used = [] if taken is None else [ended(taken, "used", started.at, transaction.id)]
    if transaction.reservation_id is None or fitting:
        return used, None
    return used, _misfit(named, own)


def _misfit(named: Sequence[Reservation], own: Sequence[Reservation]) -> Misfit:
    if not named:
        return "unknown"
    if not own:
        return "of another station"
    latest = max(own, key=lambda each: each.number)
    if latest.state == "used":
        return "used"
    return "older than the reservation" if latest.is_live else "ended"


def _is_named_in_time(each: Reservation, transaction: Transaction, tolerance: timedelta) -> bool:
    """A start from before the reservation had another cause; one from before its expiry may have been told late."""
    if transaction.started_at < each.requested_at - tolerance:
        return False
    return each.is_live or (each.state == "expired" and transaction.started_at <= each.expires_at)


def _matches(each: Reservation, transaction: Transaction) -> bool:
    return (
        each.state == "active"
        and each.connector_id in (0, transaction.connector_id)
        and each.requested_at <= transaction.started_at
        and (_has_tag(each, transaction) or _has_group(each, transaction))
    )


def _has_tag(each: Reservation, transaction: Transaction) -> bool:
    return each.id_tag.casefold() == transaction.id_tag.casefold()


def _has_group(each: Reservation, transaction: Transaction) -> bool:
    """AUTH-04: groups are equal if their parent ids are, whatever the case."""
    return bool(each.parent_id_tag) and each.parent_id_tag.casefold() == transaction.parent_id_tag.casefold()
