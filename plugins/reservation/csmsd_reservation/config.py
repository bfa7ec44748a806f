"""`[plugin.reservation]`: what the operator can set for Reservation."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta


class ReservationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    clock_tolerance: Annotated[
        float, Meta(ge=0), "A StartTransaction may seem to precede its reservation by this much: clocks differ."
    ] = 5.0

    @property
    def tolerance(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.clock_tolerance)
