"""The station's new password: every ChangeConfiguration of AuthorizationKey, whoever sends it (SEC-30..SEC-34).

The new secret is durable before the request leaves. Accepted retires the old one, Rejected and NotSupported the new
one; after RebootRequired, and when no answer came, both are valid until the new one was used (SEC-33).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from csmsd.host import Host
from csmsd.station import Station
from csmsd_core.configuration_keys import is_authorization_key
from csmsd_core.messages import ChangeConfiguration, ChangeConfigurationResponse

log = logging.getLogger("csmsd.plugin.core")


class CredentialsRotation:
    """Rotations that are under way."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._newest: dict[str, ChangeConfiguration] = {}  # the unsettled rotation that was staged last

    async def prepare(self, station: Station, request: ChangeConfiguration) -> None:
        """Make the new secret valid beside the old one before the station can learn it."""
        if is_authorization_key(request.key):
            await self._host.credentials.stage(station.id, request.value)
            self._newest[station.id] = request
            self._host.audit.record("csmsd", "credentials.stage", station.id)

    def handled(self, station: Station, request: ChangeConfiguration, response: ChangeConfigurationResponse) -> None:
        """The station's answer, in time or late."""
        if not is_authorization_key(request.key) or response.status == "RebootRequired":
            return
        if self._newest.get(station.id, request) is not request:
            return  # a late answer to an earlier rotation: its secret stays valid until the newest one is settled
        self._newest.pop(station.id, None)
        keeps_new = response.status == "Accepted"
        self._host.credentials.settle(station.id, keep_new=keeps_new).when_settled(_reporter(station.id))
        self._host.audit.record("csmsd", "credentials.replace" if keeps_new else "credentials.drop_staged", station.id)


def _reporter(station_id: str) -> Callable[[Any, BaseException | None], None]:
    def report(_value: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("the new credentials of %s could not be settled; both stay valid: %s", station_id, error)

    return report
