"""The station's new password: every ChangeConfiguration of AuthorizationKey, whoever sends it (SEC-30..SEC-34).

The new secret is durable before the request leaves. Accepted retires the old one, Rejected and NotSupported the new
one; after RebootRequired, and when no answer came, both are valid until the new one was used (SEC-33).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from csmsd.host import Host
from csmsd.station import Station
from csmsd_core.background import Background
from csmsd_core.configuration_keys import is_authorization_key
from csmsd_core.messages import ChangeConfiguration, ChangeConfigurationResponse

log = logging.getLogger("csmsd.plugin.core")


class _Supersession(NamedTuple):
    station_id: str
    in_force: str
    staged: str


class CredentialsRotation:
    """Rotations that are under way. Secrets are held only while the station's answer may still decide between two."""

    def __init__(self, host: Host, background: Background) -> None:
        self._host, self._background = host, background
        self._staged: dict[str, ChangeConfiguration] = {}  # the newest unsettled rotation of each station

    async def prepare(self, station: Station, request: ChangeConfiguration) -> None:
        """Make the new secret valid beside the old one before the station can learn it."""
        if is_authorization_key(request.key):
            await self._host.credentials.stage(station.id, request.value)
            self._staged[station.id] = request
            self._host.audit.record("csmsd", "credentials.stage", station.id)

    def handled(self, station: Station, request: ChangeConfiguration, response: ChangeConfigurationResponse) -> None:
        """The station's answer, in time or late."""
        if not is_authorization_key(request.key) or response.status == "RebootRequired":
            return
        newest = self._staged.get(station.id)
        if newest is not None and newest is not request:
            self._handle_superseded(station.id, request, newest, response)
            return
        self._staged.pop(station.id, None)
        keeps_new = response.status == "Accepted"
        self._host.credentials.settle(station.id, keep_new=keeps_new).when_settled(_reporter(station.id))
        self._host.audit.record("csmsd", "credentials.replace" if keeps_new else "credentials.drop_staged", station.id)

    def _handle_superseded(
        self,
        station_id: str,
        request: ChangeConfiguration,
        newest: ChangeConfiguration,
        response: ChangeConfigurationResponse,
    ) -> None:
        """A late answer to an earlier rotation: if it was Accepted, that secret is what the newest one may replace."""
        if response.status == "Accepted":
            change = _Supersession(station_id, request.value, newest.value)
            self._background.start(self._supersede, change).when_settled(_reporter(station_id))

    async def _supersede(self, change: _Supersession) -> None:
        await self._host.credentials.put(change.station_id, change.in_force)
        if change.station_id in self._staged:
            await self._host.credentials.stage(change.station_id, change.staged)


def _reporter(station_id: str) -> Callable[[Any, BaseException | None], None]:
    def report(_value: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("the new credentials of %s could not be settled; both stay valid: %s", station_id, error)

    return report
