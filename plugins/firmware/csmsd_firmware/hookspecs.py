"""The hooks of Firmware Management: its actions and its facts.

Each docstring answers, in this order: when it is called; what to return; what happens if you raise or are slow; whether
it may be called twice. An action hook may name any subset of its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csmsd.hookspecs import hookspec
from csmsd.station import Arrival, Station

if TYPE_CHECKING:
    from csmsd_firmware.facts import JobChanged
    from csmsd_firmware.messages import (
        DiagnosticsStatusNotification,
        DiagnosticsStatusNotificationResponse,
        FirmwareStatusNotification,
        FirmwareStatusNotificationResponse,
    )

# Actions: CALLs of stations.


@hookspec(colour="either")
def diagnostics_status_notification(
    station: Station, request: DiagnosticsStatusNotification, arrival: Arrival
) -> DiagnosticsStatusNotificationResponse | None:
    """Called for every DiagnosticsStatusNotification.

    Return the answer, or None to leave it to the next plugin; Firmware Management comes last and confirms all of them
    (DIAG-03). If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def firmware_status_notification(
    station: Station, request: FirmwareStatusNotification, arrival: Arrival
) -> FirmwareStatusNotificationResponse | None:
    """Called for every FirmwareStatusNotification.

    Return the answer, or None to leave it to the next plugin; Firmware Management comes last and confirms all of them
    (FW-03). If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


# Facts: called after the COMMIT, in order per station, at least once each: the same `fact_id` may come twice after a
# crash, so make the effect idempotent. Raising has the fact delivered again, later and in the end set aside where the
# operator sees it. Slowness delays this plugin's own facts only.


@hookspec()
async def firmware_status_changed(station_id: str, fact: JobChanged, fact_id: int) -> None:
    """A firmware update got further, ended, or nobody knows of one that was reported.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """


@hookspec()
async def diagnostics_status_changed(station_id: str, fact: JobChanged, fact_id: int) -> None:
    """An upload of diagnostics got further, ended, or nobody asked for it.

    Returns nothing, which takes the fact. If you raise or are slow it is delivered again, later, and in the end set
    aside where the operator sees it. May come twice with the same `fact_id`.
    """
