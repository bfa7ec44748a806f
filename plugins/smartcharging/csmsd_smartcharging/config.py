"""`[plugin.smartcharging]`: what the operator can set."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta


class SmartChargingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    # SCA-12
    voltage: Annotated[int, Meta(ge=1), "Nominal, of one phase against neutral: converts amperes and watts."] = 230
    # SCA-09 by the letter
    tx_profile_hides_default: Annotated[bool, "A TxProfile hides TxDefaultProfiles even while it is not active."] = (
        False
    )
    sum_all_connectors: Annotated[bool, "Connector 0 sums up all connectors, not only those in use."] = False  # SCA-13
    start_tolerance: Annotated[float, Meta(ge=0), "A start that is older gets no profile of its own."] = 300.0  # TX-11
    site_retry: Annotated[float, Meta(ge=1), "A station that refused its share is asked again after this long."] = 300.0

    @property
    def exact_voltage(self) -> Decimal:
        """For exact arithmetic."""
        return Decimal(self.voltage)
