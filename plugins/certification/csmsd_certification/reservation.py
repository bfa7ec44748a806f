"""Reservation."""

from __future__ import annotations

from typing import Any

from csmsd_certification.case import CaseTable
from csmsd_certification.charger import Fields
from csmsd_certification.execution import Execution, at
from csmsd_certification.states import charging, report

RESERVATION = CaseTable("Reservation")
_case = RESERVATION.case
_OFFSET = 300.0  # seconds until a reservation expires


async def _reserve(execution: Execution, id_tag: str, status: str, connector: int = 1, parent: str = "") -> int:
    """ReserveNow: the reservation's id."""
    reservation = execution.central.new_id()
    ordered = {
        "connectorId": connector,
        "expiryDate": at(_OFFSET),
        "idTag": id_tag,
        "reservationId": reservation,
        **({"parentIdTag": parent} if parent else {}),
    }
    await execution.order("ReserveNow", ordered, status=status)
    return reservation


async def _reserved(execution: Execution) -> int:
    reservation = await _reserve(execution, await execution.tag(), "Accepted")
    await report(execution, "Reserved")
    return reservation


@_case("TC_046", "Reservation of a connector - transaction", "ReserveNow")
async def reserved_and_used(execution: Execution) -> None:
    """Who has reserved comes and charges."""
    tag = await execution.tag()
    reservation = await _reserve(execution, tag, "Accepted")
    await report(execution, "Reserved")
    await charging(execution, tag, reservation=reservation)


@_case("TC_047", "Reservation of a connector - expire", "ReserveNow")
async def expired(execution: Execution) -> None:
    """Nobody comes."""
    await _reserved(execution)
    await report(execution, "Available")


@_case("TC_048_1", "Reservation of a connector - faulted", "ReserveNow")
async def faulted(execution: Execution) -> None:
    """The connector has a fault."""
    await _reserve(execution, await execution.tag(), "Faulted")


@_case("TC_048_2", "Reservation of a connector - occupied", "ReserveNow")
async def occupied(execution: Execution) -> None:
    """Somebody else is there; the request is sent all the same."""
    await report(execution, "Preparing")
    await _reserve(execution, await execution.tag(), "Occupied")


@_case("TC_048_3", "Reservation of a connector - unavailable", "ReserveNow", "ChangeAvailability")
async def unavailable(execution: Execution) -> None:
    """The connector is out of service; the request is sent all the same."""
    await execution.order("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, status="Accepted")
    await report(execution, "Unavailable")
    await _reserve(execution, await execution.tag(), "Unavailable")


@_case("TC_048_4", "Reservation of a connector - rejected", "ReserveNow")
async def rejected(execution: Execution) -> None:
    """The charger does not want to."""
    await _reserve(execution, await execution.tag(), "Rejected")


@_case("TC_049", "Reservation of a charge point - transaction", "ReserveNow")
async def any_connector(execution: Execution) -> None:
    """Connector 0: whichever."""
    await _reserve(execution, await execution.tag(), "Accepted", connector=0)
    await report(execution, "Reserved")


@_case("TC_051", "Cancel reservation", "ReserveNow", "CancelReservation")
async def cancelled(execution: Execution) -> None:
    """The driver changes plans."""
    reservation = await _reserved(execution)
    await execution.order("CancelReservation", {"reservationId": reservation}, status="Accepted")
    await report(execution, "Available")


@_case("TC_052", "Cancel reservation - rejected", "ReserveNow", "CancelReservation")
async def cancellation_rejected(execution: Execution) -> None:
    """The charger knows no such reservation any more; the request is sent all the same."""
    reservation = await _reserved(execution)
    await execution.order("CancelReservation", {"reservationId": reservation}, status="Rejected")


@_case("TC_053", "Use a reserved connector with parentIdTag", "ReserveNow")
async def used_by_the_group(execution: Execution) -> None:
    """Another tag of the group charges."""
    group = execution.unknown_tag()
    reservation = await _reserve(execution, await execution.tag(group), "Accepted", parent=group)
    await report(execution, "Reserved")
    other = await execution.tag(group)
    await _belongs(execution, group, "Authorize", idTag=other)
    await report(execution, "Preparing")
    start: Fields = {"connectorId": 1, "meterStart": 0, "timestamp": at(), "reservationId": reservation}
    await _belongs(execution, group, "StartTransaction", idTag=other, **start)
    await report(execution, "Charging")


async def _belongs(execution: Execution, group: str, action: str, **fields: Any) -> None:
    answer = await execution.charger.call(action, **fields)
    execution.expect(f"{action}.conf idTagInfo", {"status": "Accepted", "parentIdTag": group}, answer["idTagInfo"])
