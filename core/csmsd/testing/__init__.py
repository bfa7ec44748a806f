"""The kit for plugin authors: a whole csmsd in virtual time, with stations that have no socket.

async def test_tariff(csms: TestCsms, station: TestStation) -> None:
answer = await station.send("DataTransfer", DataTransfer("com.acme", "GetTariff"), DataTransferResponse)
assert answer.status == "Accepted"

The fixtures `csms`, `station`, `fleet`, `journal` and `clock` come with pytest and pytest-trio; `open_test_csms` does
without. `check_plugin` and `pytest --csmsd-plugin NAME` check a plugin's contract with csmsd.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csmsd.testing.contract import CHECKS, Finding, assert_plugin_ok, check_plugin
    from csmsd.testing.csms import Fleet, TestCsms, TestJournal, open_test_csms
    from csmsd.testing.station import CallErrorReceived, TestStation

__all__ = [
    "CHECKS",
    "CallErrorReceived",
    "Finding",
    "Fleet",
    "TestCsms",
    "TestJournal",
    "TestStation",
    "assert_plugin_ok",
    "check_plugin",
    "open_test_csms",
]

# Imported when they are asked for: pytest reads `pytest_plugin` in every project of an environment.
_HOMES = {
    "csmsd.testing.contract": ("CHECKS", "Finding", "assert_plugin_ok", "check_plugin"),
    "csmsd.testing.csms": ("Fleet", "TestCsms", "TestJournal", "open_test_csms"),
    "csmsd.testing.station": ("CallErrorReceived", "TestStation"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from the module that it is in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found
