"""What is plausible about a StatusNotification. Everything is accepted and stored; findings are warnings (CORE-04)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from csmsd_core.messages import ChargePointErrorCode, StatusNotification

OPERATIVE = frozenset({"Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved"})
OF_STATION = frozenset({"Available", "Unavailable", "Faulted"})  # what connector 0 may be (CORE-06)
KNOWN_ERRORS = frozenset(get_args(ChargePointErrorCode))

TRANSITIONS: dict[str, frozenset[str]] = {
    "Available": OPERATIVE - {"Available", "Finishing"} | {"Unavailable", "Faulted"},
    "Preparing": frozenset({"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"}),
    "Charging": frozenset({"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEV": frozenset({"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEVSE": frozenset({"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"}),
    "Finishing": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Reserved": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Unavailable": frozenset({"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"}),
    "Faulted": OPERATIVE | {"Unavailable"},
}


def is_operative(status: str) -> bool:
    """Whether a connector with this status is in service (CORE-08)."""
    return status in OPERATIVE


def findings(request: StatusNotification, previous: str | None, connectors: int | None) -> tuple[str, ...]:
    """What is odd about it, each beginning with its requirement's id.

    `previous`: the connector's status so far, None if there is none; `connectors`: NumberOfConnectors, None if unknown.
    """
    found: list[str] = []
    if request.connector_id == 0:
        found += _findings_of_station(request)
    else:
        if previous not in (None, request.status) and request.status not in TRANSITIONS[str(previous)]:
            found.append(f"CORE-04 {previous} to {request.status} is not a transition of OCPP 1.6")
        if connectors is not None and request.connector_id > connectors:
            found.append(f"BOOT-27 NumberOfConnectors is {connectors}")
    if request.error_code not in KNOWN_ERRORS:
        found.append(f"VAL-15 errorCode {request.error_code!r} counts as OtherError")
    if request.error_code != "NoError" and request.status != "Faulted":
        found.append(f"CORE-07 errorCode {request.error_code} is a warning, not an outage")
    return tuple(found)


def _findings_of_station(request: StatusNotification) -> list[str]:
    found: list[str] = []
    if request.status not in OF_STATION:
        found.append(f"CORE-06 connector 0 cannot be {request.status}")
    if request.error_code == "LocalListConflict":
        found.append("CORE-06 the local list contradicts an answer of ours: send the list again")
    return found


def missing_connectors(connector_ids: Iterable[int]) -> tuple[int, ...]:
    """The gaps in what should be 1…n (BOOT-28)."""
    seen = set(connector_ids)
    return tuple(number for number in range(1, max(seen, default=0)) if number not in seen)
