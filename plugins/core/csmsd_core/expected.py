"""Which messages a station that is not accepted yet may send, because csmsd asked for them (BOOT-21)."""

from __future__ import annotations

from csmsd.ocpp.errors import OcppError, SecurityError
from csmsd.station import Station

ALWAYS_ALLOWED = "BootNotification"


class ExpectedMessages:
    """Actions that csmsd has asked a station for; plugins that trigger messages or start jobs note them here."""

    def __init__(self) -> None:
        self._triggered: dict[str, set[str]] = {}
        self._of_jobs: dict[str, set[str]] = {}

    def expect(self, station_id: str, action: str, *, for_job: bool = False) -> None:
        """Let this action pass while the station is Pending: until its next boot, or with `for_job` until `forget`."""
        (self._of_jobs if for_job else self._triggered).setdefault(station_id, set()).add(action)

    def forget(self, station_id: str, action: str) -> None:
        """The job is over: its status notifications are no longer expected."""
        self._of_jobs.get(station_id, set()).discard(action)

    def booted(self, station_id: str) -> None:
        """A BootNotification ends what was triggered before it; jobs go on across a restart."""
        self._triggered.pop(station_id, None)

    def is_expected(self, station_id: str, action: str) -> bool:
        """Whether csmsd has asked this station for this message."""
        return action in self._triggered.get(station_id, ()) or action in self._of_jobs.get(station_id, ())

    def refusal(self, station: Station, action: str) -> OcppError | None:
        """SecurityError for a CALL that the station's registration does not allow (BOOT-20), else None."""
        registration = station.record.in_force
        if registration == "Accepted" or action == ALWAYS_ALLOWED:
            return None
        if registration == "Pending" and self.is_expected(station.id, action):
            return None
        return SecurityError(f"the registration is {registration}: only BootNotification is accepted")
