"""`[plugin.acme_tariff]`: what the operator can set."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Cents = Annotated[int, Meta(ge=0)]


class TariffConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices in cents."""

    cents_per_kwh: Annotated[Cents, "For a kWh."] = 49
    cents_per_session: Annotated[Cents, "For each transaction."] = 100
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$"), "ISO 4217."] = "EUR"
    file: Annotated[str, "Where invoices are written, one JSON object a line; relative to data_dir."] = "invoices.jsonl"
