"""What ACME writes into the `data` of its DataTransfers: JSON in a string."""

from __future__ import annotations

import msgspec


class TariffQuestion(msgspec.Struct):
    """GetTariff, as the station asks it."""

    connector: int


class Tariff(msgspec.Struct):
    """The answer to GetTariff, and what ShowTariff shows."""

    cents: int
    unit: str = "kWh"
