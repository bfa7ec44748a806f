"""Reservation with other people's chargers."""

from __future__ import annotations

import pytest

from tests.interop.charger import Charger
from tests.interop.conftest import Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, boot, provision, start, status

RESERVATIONS = "SELECT reservation_id, connector_id, state, transaction_id FROM reservation_reservation ORDER BY number"
STATES = {
    "Accepted": "active",
    "Faulted": "faulted",
    "Occupied": "occupied",
    "Rejected": "rejected",
    "Unavailable": "unavailable",
}


def reserve(number: int, connector: int = 1) -> dict[str, object]:
    expiry = "2030-05-06T07:08:09.000Z"
    return {"connectorId": connector, "expiryDate": expiry, "idTag": "Alice-1", "reservationId": number}


@pytest.mark.req("RES-01", "RES-03", "RES-06", "RES-07", "TC_049", "TC_051", "TC_052", "PERF-05")
@pytest.mark.exercises(to_station="ReserveNow CancelReservation")
async def test_connectors_are_reserved_and_set_free(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    assert STATES.keys() == set(choices("ReserveNowResponse", "status"))
    for number, answer in enumerate(STATES, start=1):
        await ask(csmsd, charger, "ReserveNow", reserve(number), status=answer)
    rows = [(number, 1, state, None) for number, state in enumerate(STATES.values(), start=1)]
    await csmsd.shows(rows, RESERVATIONS)
    await ask(csmsd, charger, "ReserveNow", reserve(9, 2), status="Accepted")
    await ask(csmsd, charger, "ReserveNow", {**reserve(9, 0), "parentIdTag": "FLEET"}, status="Accepted")
    await ask(csmsd, charger, "CancelReservation", {"reservationId": 1}, status="Accepted")
    await ask(csmsd, charger, "CancelReservation", {"reservationId": 9}, status="Rejected")
    assert set(choices("CancelReservationResponse", "status")) == {"Accepted", "Rejected"}
    await csmsd.shows(
        [(1, 1, "cancelled", None), *rows[1:], (9, 2, "replaced", None), (9, 0, "gone", None)], RESERVATIONS
    )


@pytest.mark.req("RES-06", "TX-09", "TC_046")
async def test_transactions_take_what_is_reserved(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    await boot(charger)
    for number, connector in ((11, 1), (12, 2)):
        await ask(csmsd, charger, "ReserveNow", reserve(number, connector), status="Accepted")
        await status(charger, connector, "Reserved")
    first = await start(charger, 1, reservationId=11)
    await csmsd.shows([(11, 1, "used", first), (12, 2, "active", None)], RESERVATIONS)
    assert await csmsd.query("SELECT reservation_id FROM core_transaction") == [(11,)]
    await status(charger, 2, "Faulted")
    await csmsd.shows([(11, 1, "used", first), (12, 2, "out of service", None)], RESERVATIONS)
    odd = await start(charger, 2, reservationId=99)
    await csmsd.shows([(odd, 99, "unknown")], "SELECT transaction_id, reservation_id, finding FROM reservation_finding")
