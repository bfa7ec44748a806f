"""The switches of transactions, as part of the Core profile's configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[int, Meta(ge=0)]


class TransactionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds, power in W."""

    historical_after: Annotated[Seconds, "A start older than this is history: never ConcurrentTx."] = 300  # TX-08
    count_groups: Annotated[bool, "The limit of a token holds for its whole group."] = False  # TX-08
    # TX-33
    stale_after: Annotated[Seconds, "A transaction is stale if its connector is Available for this long."] = 3600
    # TX-10
    remote_start_tolerance: Annotated[Seconds, "By how much a start may precede the request that led to it."] = 300
    # TX-27
    plausible_power: Annotated[int, Meta(ge=1), "W; more than this on average is flagged."] = 1_000_000
    plausible_energy: Annotated[int, Meta(ge=1), "Wh of one transaction; more is flagged."] = 2_000_000

    @property
    def tolerance(self) -> timedelta:
        """Of TX-08 (5 min)."""
        return timedelta(seconds=self.historical_after)

    @property
    def staleness(self) -> timedelta:
        """Of TX-33."""
        return timedelta(seconds=self.stale_after)

    @property
    def remote_tolerance(self) -> timedelta:
        """Of TX-10."""
        return timedelta(seconds=self.remote_start_tolerance)
