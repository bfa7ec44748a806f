"""ACME's stations ask for the tariff before they show a price; this plugin answers them."""

from csmsd_acme.config import AcmeConfig
from csmsd_acme.messages import Tariff, TariffQuestion
from csmsd_acme.plugin import SHOW_TARIFF, AcmePlugin

__all__ = ["SHOW_TARIFF", "AcmeConfig", "AcmePlugin", "Tariff", "TariffQuestion"]
