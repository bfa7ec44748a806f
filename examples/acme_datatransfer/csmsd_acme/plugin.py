"""The plugin: which vendor messages it answers, and how."""

from __future__ import annotations

import msgspec

from csmsd import Plugin, Station
from csmsd_acme.config import AcmeConfig
from csmsd_acme.messages import Tariff, TariffQuestion
from csmsd_core.data_transfer import VendorMessages, vendor_message
from csmsd_core.messages import DataTransfer, DataTransferResponse


class AcmePlugin(VendorMessages, Plugin[AcmeConfig]):
    """Answers the tariff questions of ACME's stations."""

    name = "acme"
    requires = ("core",)
    config_type = AcmeConfig

    @vendor_message("com.acme", "GetTariff")
    def tariff(self, station: Station, request: DataTransfer) -> DataTransferResponse:
        """The price at this station; a question that cannot be read is Rejected."""
        try:
            question = msgspec.json.decode(request.data or "", type=TariffQuestion)
        except msgspec.DecodeError as error:
            self.log.warning("%s asks something unreadable: %s", station.id, error)
            return DataTransferResponse("Rejected")
        cents = self.config.cents_by_station.get(station.id, self.config.cents)
        self.log.debug("%s asks for the price at connector %d", station.id, question.connector)
        return DataTransferResponse("Accepted", msgspec.json.encode(Tariff(cents)).decode())
