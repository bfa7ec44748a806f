"""Raising a station's security profile, whoever sends the ChangeConfiguration (SEC-40 … SEC-46)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import trio

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.station import Station
from csmsd_core import ChangeConfiguration, ChangeConfigurationResponse
from csmsd_core.configuration_keys import known_key
from csmsd_core.configuration_values import as_integer
from csmsd_security.certificates import Certificates
from csmsd_security.installed import CENTRAL, InstalledCertificates

log = logging.getLogger("csmsd.plugin.security")

KEY = "SecurityProfile"
HIGHEST = 3


class ProfileUpgrades:
    """The new profile is admitted beside the old one from before the request is sent until it was used once."""

    def __init__(self, host: Host, certificates: Certificates, installed: InstalledCertificates) -> None:
        self._host, self._certificates, self._installed = host, certificates, installed
        self._nursery: trio.Nursery | None = None

    def serve_in(self, nursery: trio.Nursery) -> None:
        """Where refusals are noted."""
        self._nursery = nursery

    async def prepare(self, station: Station, request: ChangeConfiguration) -> None:
        """Durable before the station can act on it: its answer may be lost (SEC-42)."""
        wanted, present = wanted_profile(request), station.record.security_profile
        if wanted is not None and (present is None or wanted > present):
            await self._host.stations.change(station.id, profile_upgrade_to=wanted)
            self._host.audit.record("csmsd", "security.profile_upgrade", station.id, present, wanted)

    def handled(self, station: Station, request: ChangeConfiguration, response: ChangeConfigurationResponse) -> None:
        """Rejected and NotSupported: nothing changes (SEC-45). Everything else leaves both profiles open."""
        wanted = wanted_profile(request)
        if wanted is None or response.status in ("Accepted", "RebootRequired"):
            return
        if station.record.profile_upgrade_to == wanted:
            assert self._nursery is not None, "nobody asks a plugin that does not run"
            self._nursery.start_soon(self._withdraw, station.id)

    async def _withdraw(self, station_id: str) -> None:
        try:
            await self._host.stations.change(station_id, profile_upgrade_to=None)
        except CsmsdError as error:
            log.error("the refused upgrade of %s stays open: %s", station_id, error)  # noqa: TRY400 - a sentence

    def warnings(self, station: Station, request: ChangeConfiguration) -> Iterator[str]:
        """What the new profile needs and csmsd does not know to be there (SEC-41)."""
        wanted = wanted_profile(request)
        if wanted is None:
            return
        if wanted in (1, 2) and not station.record.has_credentials:
            yield f"{station.id} has no password, which security profile {wanted} needs (SEC-41)"
        roots = [each for each in self._installed.of_station(station.id) if each.use == CENTRAL]
        if wanted >= 2 and not roots:
            yield f"{station.id} is not known to have a {CENTRAL}, to know csmsd by (SEC-41)"
        mine = self._certificates.book.of_station(station.id)
        if wanted == HIGHEST and not any(each.state == "accepted" for each in mine):
            yield f"{station.id} is not known to have a certificate of its own (SEC-41)"


def wanted_profile(request: ChangeConfiguration) -> int | None:
    """The profile that a ChangeConfiguration asks for, in any spelling; None if it is about something else."""
    key = known_key(request.key)
    if key is None or key.name != KEY:
        return None
    wanted = as_integer(request.value)
    return wanted if wanted is not None and 0 <= wanted <= HIGHEST else None
