"""ACME's stations ask for the tariff before they show a price; this plugin answers them."""

from csmsd_acme.config import AcmeConfig
from csmsd_acme.plugin import AcmePlugin

__all__ = ["AcmeConfig", "AcmePlugin"]
