"""The messages of Reservation and their schemas."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd_reservation import COMMANDS
from tests.plugins.profile_messages import check_messages


@pytest.mark.req("MSG-34", "MSG-35", "MSG-90")
def test_a_payload_passes_exactly_if_schema_and_text_let_it_pass() -> None:
    reserve = {
        "connectorId": 0,
        "expiryDate": "2026-01-01T00:00:00.000Z",
        "idTag": "04A1",
        "parentIdTag": "FLEET",
        "reservationId": 5,
    }
    full: dict[str, dict[str, Any]] = {
        "ReserveNow": reserve,
        "ReserveNowResponse": {"status": "Occupied"},
        "CancelReservation": {"reservationId": 5},
        "CancelReservationResponse": {"status": "Rejected"},
    }
    no_time = [("ReserveNow", {**reserve, "expiryDate": "2026-01-01T00:00:00.000Z" + "x" * 21})]
    check_messages(COMMANDS, full, [("ReserveNow", {**reserve, "connectorId": -1}), *no_time])
