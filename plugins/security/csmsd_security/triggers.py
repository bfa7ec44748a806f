"""What extended triggers have of their own: other names of actions, and a finding about certificates (SEC-74)."""

from __future__ import annotations

from collections.abc import Iterator

from csmsd.station import Station
from csmsd_core import CorePlugin, trigger_rules
from csmsd_security.messages import ExtendedTriggerMessage

ACTIONS = {  # whose name is not that of the trigger (SEC-74)
    "FirmwareStatusNotification": "SignedFirmwareStatusNotification",
    "SignChargePointCertificate": "SignCertificate",
}


def warnings(core: CorePlugin, station: Station, request: ExtendedTriggerMessage) -> Iterator[str]:
    """One sentence for each finding (TRG-02, TRG-03, SEC-58)."""
    yield from trigger_rules.connector_warnings(core.configuration, station, request)
    if request.requested_message == "SignChargePointCertificate" and not core.configuration.remembered(
        station.id, "CpoName"
    ):
        yield f"CpoName of {station.id} is not known to be set, and its request needs it (SEC-58)"
