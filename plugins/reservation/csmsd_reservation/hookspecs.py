"""The hook that Reservation offers others: its fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csmsd.hookspecs import hookspec

if TYPE_CHECKING:
    from csmsd_reservation.records import Reservation


@hookspec()
async def reservation_changed(station_id: str, fact: Reservation, fact_id: int) -> None:
    """A reservation was requested, answered, used, expired, cancelled or ended otherwise: `fact.state` says which.

    Called after the COMMIT, in order per station, at least once: the same `fact_id` may come twice after a crash.
    Returning takes the fact; raising has it delivered again, later. Slowness delays this plugin's own facts only.
    """
