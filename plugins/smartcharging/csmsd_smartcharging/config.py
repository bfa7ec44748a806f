"""`[plugin.smartcharging]`: what the operator can set."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta


class SmartChargingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    voltage: Annotated[int, Meta(ge=1)] = 230  # nominal, of one phase against neutral: converts A and W (SCA-12)
    # Read SCA-09 by the letter: an installed TxProfile switches TxDefaultProfiles off even while it is not active.
    tx_profile_hides_default: bool = False
    sum_all_connectors: bool = False  # connector 0 sums up all connectors, not only those in use (SCA-13)
    start_tolerance: Annotated[float, Meta(ge=0)] = 300.0  # an older start gets no profile of its own (TX-11)
    site_retry: Annotated[float, Meta(ge=1)] = 300.0  # a station that refused its share is asked again after this long

    @property
    def exact_voltage(self) -> Decimal:
        """For exact arithmetic."""
        return Decimal(self.voltage)
