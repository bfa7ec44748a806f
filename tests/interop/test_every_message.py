"""That no message of OCPP 1.6 is left out: what tests here claim to exercise is all there is.

A claim is checked where it is made: the `switch_on` fixture fails a test whose claim did not pass on the wire.
"""

from __future__ import annotations

import importlib
import inspect
from importlib.resources import files
from pathlib import Path

import pytest

from tests.interop.conftest import claimed
from tests.interop.oracle import Exchange

FROM_STATIONS = {
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
}
ASKED_BOTH_WAYS = {"DataTransfer"}


def claims() -> set[Exchange]:
    """Of all tests that run with every client on every transport."""
    found: set[Exchange] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = importlib.import_module(f"tests.interop.{path.stem}")
        for name, test in vars(module).items():
            marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
            mine = [mark for mark in marks if mark.name == "exercises"]
            if name.startswith("test_") and mine:
                assert {"charger", "csmsd"} <= inspect.signature(test).parameters.keys(), f"{name}: with which clients?"
                assert not any(mark.args[0] == "client" for mark in marks if mark.name == "parametrize"), name
                found.update(*map(claimed, mine))
    return found


@pytest.mark.req("VAL-01")
def test_every_message_of_every_profile_is_exercised_both_ways() -> None:
    schemas = {
        Path(each.name).stem for each in (files("ocpp.v16") / "schemas").iterdir() if each.name.endswith(".json")
    }
    actions = {each for each in schemas if not each.endswith("Response")}
    assert schemas == actions | {f"{each}Response" for each in actions}
    assert len(schemas) == 78
    expected: set[Exchange] = {(each, "from station") for each in FROM_STATIONS}
    expected |= {(each, "to station") for each in (actions - FROM_STATIONS) | ASKED_BOTH_WAYS}
    assert claims() == expected
