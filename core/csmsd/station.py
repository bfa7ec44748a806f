"""Stations: the record csmsd keeps of each, and the handle of one that is connected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from csmsd.command import AnyCommand, Command
from csmsd.ocpp.decoding import Deviation, Tolerance
from csmsd.pending import Pending

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)

Registration = Literal["Accepted", "Pending", "Rejected"]


class StationRecord(msgspec.Struct, frozen=True):
    """What csmsd knows of a station, connected or not. The registration belongs here, not to a connection (BOOT-10)."""

    id: str  # the identity, byte for byte as in its URL after decoding (WS-06)
    registration: Registration = "Accepted"  # what the operator decided
    announced: Registration | None = None  # what the last BootNotification.conf told it; in force until the next
    security_profile: int | None = None  # 0..3; None: the listener decides (SEC-02)
    # Admitted as well; at the first success it becomes the record's profile (SEC-42, SEC-43). None: no upgrade.
    profile_upgrade_to: int | None = None
    tolerance: Tolerance | None = None  # None: as configured (VAL-17)
    accept_long_message_ids: bool = False  # RPC-15
    whole_seconds: bool = False  # send timestamps without milliseconds (VAL-06)
    call_timeout: float | None = None  # seconds; None: as configured (RPC-23)
    heartbeat_interval: int | None = None  # seconds; None: as configured (BOOT-02)
    serial_number: str = ""
    note: str = ""
    has_credentials: bool = False
    created_at: datetime | None = None
    last_seen_at: datetime | None = None  # of any message; coalesced, so up to a minute old in the database (WS-35)

    @property
    def in_force(self) -> Registration:
        """The registration both sides believe in: the one announced last, else the operator's (BOOT-11)."""
        return self.announced or self.registration


class StationRegistered(msgspec.Struct, frozen=True):
    """A station got a record: an operator added it, or it was registered at first contact (WS-07)."""

    at: datetime
    registration: Registration  # what the operator decided
    security_profile: int | None  # None: the listener decides
    serial_number: str
    note: str


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """How a CALL arrived: offered to every action hook as its third argument."""

    call_id: str | int | float
    received_at: datetime
    payload: bytes  # the request's JSON, as received
    deviations: tuple[Deviation, ...] = ()


class Line(Protocol):
    """What a Station needs of its connection."""

    is_open: bool

    async def call(self, command: AnyCommand, request: Any, timeout: float | None) -> Any:
        """Send now, or as soon as the line is free."""

    def submit(self, command: AnyCommand, request: Any) -> Pending[Any]:
        """Send as soon as the line is free and no CALL of the station is in hand (RPC-26)."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection."""


class Station:
    """A station that is connected: `id`, where it came from, and the way to call it."""

    __slots__ = ("_line", "_stations", "connected_at", "id", "listener", "peer", "security_profile")

    def __init__(
        self,
        station_id: str,
        line: Line,
        stations: Stations,
        *,
        connected_at: datetime,
        peer: str,
        listener: str,
        security_profile: int,
    ) -> None:
        self.id, self._line, self._stations = station_id, line, stations
        self.connected_at, self.peer = connected_at, peer
        self.listener, self.security_profile = listener, security_profile

    @property
    def record(self) -> StationRecord:
        """What csmsd knows of it, as of now."""
        return self._stations.record(self.id)

    @property
    def is_online(self) -> bool:
        """Is this connection still the station's connection?"""
        return self._line.is_open

    async def call(
        self, command: Command[Request, Response], request: Request, *, timeout: float | None = None
    ) -> Response:
        """Send a command and wait for its typed answer; legal while a CALL of this station is handled.

        Errors: CallRefused, CallFailed (CALLERROR), InvalidResponse, CallTimeout, StationUnavailable.
        """
        response: Response = await self._line.call(command, request, timeout)
        return response

    def submit(self, command: Command[Request, Response], request: Request) -> Pending[Response]:
        """`call` for plain functions; it leaves after the answer to the CALL that is in hand (RPC-26)."""
        return self._line.submit(command, request)

    def close(self, code: int, reason: str) -> None:
        """End the connection; the station will come back if it may."""
        self._line.close(code, reason)


class Stations(ABC):
    """All stations of one csmsd: the records, and who is connected."""

    @abstractmethod
    def record(self, station_id: str) -> StationRecord:
        """The record; UnknownStation if there is none."""

    @abstractmethod
    def records(self) -> Iterable[StationRecord]:
        """All records, by id."""

    @abstractmethod
    def find(self, station_id: str) -> Station | None:
        """The station if it is connected."""

    @abstractmethod
    def get(self, station_id: str) -> Station:
        """The station; UnknownStation, or StationUnavailable if it is not connected."""

    @abstractmethod
    def online(self) -> Iterable[Station]:
        """Everybody who is connected."""

    @abstractmethod
    async def wait_for(self, station_id: str) -> Station:
        """The station, as soon as it is connected."""

    @abstractmethod
    async def register(self, record: StationRecord, password: str | None = None) -> StationRecord:
        """Create or replace a record; with `password` also its credentials (WS-23). The connection, if any, stays.

        What csmsd itself notes in a record (`announced`, the times) is kept. InvalidStation says what is wrong.
        """

    @abstractmethod
    async def change(self, station_id: str, **fields: Any) -> StationRecord:
        """Change fields of a record, by name; UnknownStation, InvalidStation."""

    @abstractmethod
    def announce(self, station_id: str, registration: Registration) -> Pending[StationRecord]:
        """Make durable what a BootNotification.conf is about to tell the station (BOOT-11); for plain code."""

    @abstractmethod
    async def remove(self, station_id: str) -> None:
        """Forget the record and the credentials, and close the connection. Its history stays."""

    @abstractmethod
    def last_seen(self, station_id: str) -> datetime | None:
        """When anything was last received from it, also by an earlier csmsd (WS-35)."""


class Credentials(ABC):
    """The secrets of stations: written, staged and verified, never read. They are the passwords of SEC-30..SEC-34."""

    @abstractmethod
    def generate(self) -> str:
        """A new key: 40 hexadecimal digits of 20 random octets."""

    @abstractmethod
    async def put(self, station_id: str, password: str) -> None:
        """Only this secret is valid from now on."""

    @abstractmethod
    async def stage(self, station_id: str, password: str) -> None:
        """Valid beside the present one until `settle` or until it was used once; durable when this returns (SEC-33)."""

    @abstractmethod
    def settle(self, station_id: str, *, keep_new: bool) -> Pending[None]:
        """The station told us: keep only the staged secret, or drop it (SEC-31, SEC-32)."""

    @abstractmethod
    async def withdraw(self, station_id: str) -> None:
        """No secret is valid any more."""
