"""What a case needs of the central system under test, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count

import msgspec

from csmsd_certification.catalogue import Catalogue
from csmsd_certification.credentials import Credentials
from csmsd_core import Tag


class PluginInfo(msgspec.Struct, frozen=True):
    """A plugin that takes part."""

    name: str
    version: str
    messages: tuple[str, ...]  # OCPP names of its actions and commands


class SystemInfo(msgspec.Struct, frozen=True):
    """What is being certified, for the report."""

    name: str
    version: str
    configuration: tuple[tuple[str, str], ...]
    plugins: tuple[PluginInfo, ...]


class Outcome(msgspec.Struct, frozen=True):
    """What the central system makes of the station's answer to a command."""

    state: str  # "answered" if there was a valid CALLRESULT
    result: bytes  # its payload, as stored
    error: str = ""


class Refused(Exception):
    """The central system does not send this command: says why."""


class CentralSystem(ABC):
    """A central system and its operator's controls."""

    catalogue: Catalogue
    info: SystemInfo
    url: str  # of the unencrypted listener, without an identity
    tls_url: str
    credentials: Credentials  # certificates of the listener, and for stations

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_id(self) -> int:
        """For a reservation, a charging profile, a request: a number that no other case has."""
        return next(self._numbers)

    @abstractmethod
    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        """Make a station known."""

    @abstractmethod
    async def put_tag(self, tag: Tag) -> None:
        """Make an id tag known."""

    @abstractmethod
    async def raise_profile(self, identity: str, security_profile: int) -> None:
        """Be ready for the station to come back with a higher security profile."""

    @abstractmethod
    async def send(self, identity: str, action: str, payload: bytes) -> str:
        """Send a command as the operator does: its id; Refused."""

    @abstractmethod
    async def outcome(self, command_id: str) -> Outcome:
        """Wait for its end."""

    def lacks(self, names: Sequence[str]) -> list[str]:
        """Those that no plugin offers."""
        return [name for name in names if name not in self.catalogue]
