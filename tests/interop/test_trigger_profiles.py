"""Remote Trigger, and the security white paper's own trigger, with other people's chargers."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd_core import Triggers
from csmsd_security import SecurityPlugin
from csmsd_trigger import TriggerPlugin
from tests.interop.charger import Charger
from tests.interop.conftest import IDENTITY, Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, now, register
from tests.plugins.security.pki import ec_key, request_of

BOOT = {"chargePointVendor": "ACME", "chargePointModel": "Wallbox 9"}
MESSAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "BootNotification": ("BootNotification", BOOT),
    "DiagnosticsStatusNotification": ("DiagnosticsStatusNotification", {"status": "Idle"}),
    "FirmwareStatusNotification": ("FirmwareStatusNotification", {"status": "Idle"}),
    "Heartbeat": ("Heartbeat", {}),
    "LogStatusNotification": ("LogStatusNotification", {"status": "Idle"}),
    "MeterValues": (
        "MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": now(), "sampledValue": [register(5, "Trigger")]}]},
    ),
    "SignChargePointCertificate": ("SignCertificate", {"csr": request_of(ec_key())}),
    "StatusNotification": ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
}
EXTENDED = {
    **MESSAGES,
    "FirmwareStatusNotification": ("SignedFirmwareStatusNotification", {"status": "Idle"}),
}  # SEC-74
STATES = {"Accepted": "arrived", "Rejected": "rejected", "NotImplemented": "not implemented"}


def triggers_of(csmsd: Csmsd, action: str) -> Triggers:
    plugin = csmsd.host.plugins.get("trigger" if action == "TriggerMessage" else "security")
    assert isinstance(plugin, TriggerPlugin | SecurityPlugin)
    return plugin.triggers


async def every_trigger(
    csmsd: Csmsd, charger: Charger, action: str, messages: dict[str, tuple[str, dict[str, Any]]]
) -> None:
    """Each message is triggered and comes; a station may also refuse."""
    wanted = choices(action, "requestedMessage")
    wanted.sort(key="BootNotification".__ne__)  # first: a station that was told Accepted is not asked for it (TRG-05)
    for message in wanted:
        connector = {"connectorId": 1} if message in ("MeterValues", "StatusNotification") else {}
        await ask(csmsd, charger, action, {"requestedMessage": message, **connector}, status="Accepted")
        name, payload = messages[message]
        await charger.call(name, **payload)
    assert STATES.keys() == set(choices(f"{action}Response", "status"))
    refusals = sorted(STATES.keys() - {"Accepted"})
    for status in refusals:
        await ask(csmsd, charger, action, {"requestedMessage": "Heartbeat"}, status=status)
    found = [
        (each.requested_message, each.connector_id, each.state)
        for each in reversed(triggers_of(csmsd, action).recent(IDENTITY))
    ]
    connectors = {"MeterValues": 1, "StatusNotification": 1}
    assert found == [
        *((message, connectors.get(message), "arrived") for message in wanted),
        *(("Heartbeat", None, STATES[status]) for status in refusals),
    ]


@pytest.mark.req("TRG-01", "TRG-04", "TC_054", "TC_055", "PERF-05")
@pytest.mark.exercises(to_station="TriggerMessage")
async def test_every_message_is_triggered(csmsd: Csmsd, charger: Charger) -> None:
    await every_trigger(csmsd, charger, "TriggerMessage", MESSAGES)


@pytest.mark.req("SEC-74")
@pytest.mark.exercises(to_station="ExtendedTriggerMessage")
async def test_every_message_is_triggered_as_the_white_paper_says(csmsd: Csmsd, charger: Charger) -> None:
    await every_trigger(csmsd, charger, "ExtendedTriggerMessage", EXTENDED)
