"""ACME's tariff: what a transaction costs, and an invoice for each that has stopped."""

from csmsd_acme_tariff.config import TariffConfig
from csmsd_acme_tariff.plugin import TariffPlugin

__all__ = ["TariffConfig", "TariffPlugin"]
