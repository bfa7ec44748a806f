"""The plugin: which vendor messages it answers and sends."""

from __future__ import annotations

from csmsd import Plugin, Station
from csmsd_acme.config import AcmeConfig
from csmsd_acme.messages import Tariff, TariffQuestion
from csmsd_core import VendorCommand, VendorMessages, vendor_message

SHOW_TARIFF = VendorCommand("com.acme", "ShowTariff", Tariff, "Show a price on the station's display.")


class AcmePlugin(VendorMessages, Plugin[AcmeConfig]):
    """Answers the tariff questions of ACME's stations, and has them show prices."""

    name = "acme"
    requires = ("core",)
    config_type = AcmeConfig
    commands = (SHOW_TARIFF,)

    @vendor_message("com.acme", "GetTariff", TariffQuestion)
    def tariff(self, station: Station, question: TariffQuestion) -> Tariff:
        """The price at this station; csmsd rejects a question that cannot be read."""
        self.log.debug("%s asks for the price at connector %d", station.id, question.connector)
        return Tariff(self.config.cents_by_station.get(station.id, self.config.cents))
