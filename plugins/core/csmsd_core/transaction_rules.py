"""The switches of transactions, as part of the Core profile's configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[int, Meta(ge=0)]


class TransactionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds, power in W."""

    historical_after: Seconds = 300  # a start older than this is history: never ConcurrentTx (TX-08)
    count_groups: bool = False  # the limit of a token holds for its whole group (TX-08)
    stale_after: Seconds = 3600  # a transaction is stale if its connector is Available for this long (TX-33)
    remote_start_tolerance: Seconds = 300  # by how much a start may precede the request that led to it (TX-10)
    plausible_power: Annotated[int, Meta(ge=1)] = 1_000_000  # more than this on average is flagged (TX-27)
    plausible_energy: Annotated[int, Meta(ge=1)] = 2_000_000  # Wh of one transaction; more is flagged (TX-27)

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
