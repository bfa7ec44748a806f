"""The hook of Smart Charging.

The docstring answers, in this order: when it is called; what to return; what happens if you raise or are slow; whether
it may be called twice.
"""

from __future__ import annotations

from csmsd.hookspecs import hookspec
from csmsd.station import Station
from csmsd_core.messages import ChargingProfile
from csmsd_core.records import Transaction


@hookspec()
async def charging_profile_for(station: Station, transaction: Transaction) -> ChargingProfile | None:
    """Asked when a transaction has begun that is probably still running (TX-11), after its answer has left (RPC-26).

    Return a TxProfile for it, or None to leave it to the next plugin; a transaction id that you leave out is filled in.
    It is sent like any other command: what no station could make sense of is refused and logged. If you raise or are
    slow you are passed over. May be asked again for the same transaction after a crash: use the same id again.
    """
