"""Results of transactions that are stored and must not be trusted blindly (TX-27)."""

from __future__ import annotations

from datetime import datetime, timedelta

from csmsd_core.records import Transaction
from csmsd_core.transaction_rules import TransactionRules

NEGATIVE = "TX-27 negative energy"
IMPLAUSIBLE = "TX-27 implausible energy"
BACKWARDS = "TX-27 stop before start"
SHORTEST = 60  # seconds over which power is averaged, for timestamps in whole minutes


def doubts(meter_stop: int | None, stopped_at: datetime, of: Transaction, rules: TransactionRules) -> list[str]:
    """Flags for a stop of this transaction at this time with this reading in Wh."""
    found: list[str] = []
    duration = stopped_at - of.started_at
    if duration < timedelta(0):
        found.append(BACKWARDS)
    if meter_stop is not None:
        energy = meter_stop - of.meter_start
        if energy < 0:
            found.append(NEGATIVE)
        seconds = max(int(duration.total_seconds()), SHORTEST)
        is_too_fast = duration >= timedelta(0) and energy * 3600 > rules.plausible_power * seconds
        if energy > rules.plausible_energy or is_too_fast:
            found.append(IMPLAUSIBLE)
    return found
