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


class NotApplicable(Exception):
    """The central system, or what drives it, cannot do what the case is about: says why.

    Every method of `CentralSystem` may raise it; the case does not count then, and the report gives the reason.
    """


class CentralSystem(ABC):
    """A central system and its operator's controls."""

    catalogue: Catalogue
    info: SystemInfo
    url: str  # of the unencrypted listener, without an identity
    tls_url: str
    credentials: Credentials  # certificates of the listener, and for stations

    suffix: str = ""  # of the names of stations and id tags; a system that remembers former runs wants new ones
    most_at_once: int | None = None  # cases side by side, if it cannot bear many
    tells_early: bool = True  # may `outcome` be asked while the command is still on its way?
    shows_answers: bool = True  # can the operator see what stations have answered?
    patience: float | None = None  # seconds for `outcome_of`; None: as for each step of a case

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

    async def outcome_of(self, command_id: str, answer: bytes) -> Outcome:
        """The same, when the station has answered with `answer` (JSON)."""
        return await self.outcome(command_id)

    @property
    def lowest_profile(self) -> int:
        """The security profile of stations that have no reason for another: 2 where there is nothing but TLS."""
        return 2 if self.url.startswith("wss:") else 1

    def obstacle(self, security_profile: int) -> str:
        """Why no station can come in with this profile; "" if it can."""
        if security_profile > 1 and not self.tls_url:
            return "no TLS URL is given"
        return self.credentials.obstacle if security_profile > 2 else ""

    def lacks(self, names: Sequence[str]) -> list[str]:
        """Those that no plugin offers."""
        return [name for name in names if name not in self.catalogue]

    def why_lacking(self, names: Sequence[str]) -> str:
        """A sentence about what `lacks` has found."""
        return f"no plugin offers {', '.join(names)}"
