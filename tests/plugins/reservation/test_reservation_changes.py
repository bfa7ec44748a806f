"""What events do to reservations when they are told late or twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csmsd_core import Transaction
from csmsd_reservation import Reservation
from csmsd_reservation.changes import OutOfService, Started, after_outage, after_start

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ACTIVE = Reservation(
    number=1,
    reservation_id=7,
    station_id="CP-1",
    connector_id=1,
    id_tag="TAG",
    expires_at=NOON + 60 * MINUTE,
    requested_at=NOON,
    state="active",
    answered_at=NOON,
)


def started(at: datetime, reservation_id: int | None = None) -> Started:
    transaction = Transaction(
        id=5,
        station_id="CP-1",
        connector_id=1,
        id_tag="TAG",
        started_at=at,
        start_received_at=at,
        meter_start=0,
        verdict="Accepted",
        reservation_id=reservation_id,
    )
    return Started(transaction, at)


@pytest.mark.req("RES-06")
@pytest.mark.parametrize(("at", "ends"), [(NOON - MINUTE, False), (NOON, True), (NOON + MINUTE, True)])
def test_an_outage_that_is_told_late_ends_only_what_was_accepted_before_it(at: datetime, ends: bool) -> None:
    assert bool(after_outage([ACTIVE], OutOfService("CP-1", (1,), is_station=False, at=at))) is ends


@pytest.mark.req("RES-06", "TX-09")
@pytest.mark.parametrize(
    ("seconds", "reservation_id", "ends"),
    [(0, None, True), (-1, None, False), (-4, 7, True), (-6, 7, False), (0, 7, True)],
)
def test_clocks_may_differ_a_little_if_the_start_names_the_reservation(
    seconds: int, reservation_id: int | None, ends: bool
) -> None:
    start = started(NOON + timedelta(seconds=seconds), reservation_id)
    used, misfit = after_start([ACTIVE], start, timedelta(seconds=5))
    assert bool(used) is ends
    assert misfit == (None if ends or reservation_id is None else "older than the reservation")


@pytest.mark.req("RES-06")
@pytest.mark.parametrize("change", [{"state": "requested"}, {"id_tag": "OTHER"}, {"connector_id": 2}])
def test_without_its_id_only_an_active_one_that_fits_is_used(change: dict[str, Any]) -> None:
    each = msgspec.structs.replace(ACTIVE, **change)
    assert after_start([each], started(NOON), timedelta(0)) == ([], None)
