"""`[plugin.acme]`: what the operator can set."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Cents = Annotated[int, Meta(ge=0)]


class AcmeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices are per kWh, in cents."""

    cents: Annotated[Cents, "The price where nothing else is said."] = 42
    cents_by_station: Annotated[dict[str, Cents], "Other prices, by station."] = {}
