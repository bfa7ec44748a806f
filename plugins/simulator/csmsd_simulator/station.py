"""One simulated charge point: a state machine without I/O, pushed by its connection, its clock and its visitors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from csmsd.env import Env
from csmsd_simulator.car import MWS_PER_WH
from csmsd_simulator.charging import Charging
from csmsd_simulator.clock import Clock
from csmsd_simulator.configuration import Configuration
from csmsd_simulator.connectors import Connector
from csmsd_simulator.files import Files
from csmsd_simulator.handling import Commands, Desk
from csmsd_simulator.keys import KeyRing
from csmsd_simulator.line import Line, RetryRule, Wire
from csmsd_simulator.meter import Meter
from csmsd_simulator.metering import Metering
from csmsd_simulator.power import Power
from csmsd_simulator.profiles import ProfileStore
from csmsd_simulator.quirks import Quirks
from csmsd_simulator.registration import Registration, StationClock
from csmsd_simulator.reservations import Reservations
from csmsd_simulator.tags import KnownTags


@dataclass(frozen=True)
class StationSettings:
    """What kind of a station it is. Power in watts; `speed`: how much faster than real time cars charge."""

    id: str
    connectors: int = 2
    vendor: str = "csmsd"
    model: str = "Simulated"
    firmware: str = "1.0.0"
    max_power_w: int = 22_000
    phases: int = 3
    speed: int = 1
    security_profile: int = 0
    meter_start_wh: int = 0
    quirks: Quirks = field(default_factory=Quirks)


def _nobody(*_: object) -> None:
    """Nobody listens."""


class SimulatedStation:
    """The whole station. Its concerns reach each other through it.

    Transport: `connected(wire)`, `received(message)`, `disconnected()`. Visitors: `plug_in`, `present`, `unplug`.
    """

    def __init__(
        self,
        settings: StationSettings,
        clock: Clock,
        profiles: Sequence[Commands],
        *,
        tell: Callable[[str], None] = _nobody,
        chance: Random | None = None,
    ) -> None:
        self.id, self.settings, self.clock, self.quirks = settings.id, settings, clock, settings.quirks
        self._told = tell
        self.chance = chance or Env().random
        self.firmware = settings.firmware
        self.is_operative = True
        self.energy_wh = 0  # charged in all transactions that have ended
        self.password_changed: Callable[[str], None] = _nobody
        self.powered_on: Callable[[], None] = _nobody
        self.has_stopped: Callable[[], None] = _nobody
        self.told_time = StationClock(self)
        self.configuration = Configuration(
            settings.connectors, settings.security_profile, is_readonly=self.quirks.read_only_keys
        )
        if self.quirks.shows_password:
            self.configuration.show_secrets()
        keys = self.configuration
        self.desk = Desk(self, *profiles)
        self.line = Line(
            f"{self.chance.getrandbits(40):010x}",
            clock,
            self.quirks,
            self.desk.answer,
            RetryRule(
                lambda: keys.number("TransactionMessageAttempts"),
                lambda: float(keys.number("TransactionMessageRetryInterval")),
            ),
        )
        self.connectors = [_connector(number, settings) for number in range(1, settings.connectors + 1)]
        self.tags = KnownTags()
        self.profiles = ProfileStore()
        self.reservations = Reservations(self)
        self.registration = Registration(self)
        self.metering = Metering(self)
        self.charging = Charging(self)
        self.power = Power(self)
        self.files = Files(self)
        self.key_ring = KeyRing(self)

    def tell(self, sentence: str) -> None:
        """Something has happened, for people and for the station's log."""
        self.files.note(sentence)
        self._told(sentence)

    def now(self) -> datetime:
        """What the station believes."""
        return self.told_time.now()

    def connector(self, number: int) -> Connector | None:
        """The connector of that number."""
        return self.connectors[number - 1] if 1 <= number <= len(self.connectors) else None

    def refresh(self, connector: Connector) -> None:
        """Something has changed: report the status that follows from it."""
        self.registration.report(connector)

    # -- the transport -----------------------------------------------------------------------------------

    def connected(self, wire: Wire) -> None:
        """There is a connection."""
        self.line.connect(wire)
        if self.power.is_on:
            self.registration.connected()
        if self.quirks.drops_connection_every:
            self.clock.after(self.quirks.drops_connection_every, wire.cut)

    def received(self, message: bytes) -> None:
        """The central system has sent something."""
        if self.power.is_on:
            self.line.receive(message)

    def disconnected(self) -> None:
        """The connection is gone."""
        self.line.disconnect()
        self.registration.disconnected()

    # -- inside ------------------------------------------------------------------------------------------

    def booted(self) -> None:
        """Accepted for the first time since power-on."""
        self.files.booted()

    def configuration_changed(self, name: str, value: str) -> None:
        """A key has a new value, and that was answered."""
        match name.lower():
            case "heartbeatinterval" | "websocketpinginterval":
                self.registration.restart_heartbeats()
            case "clockaligneddatainterval":
                self.metering.align()
            case "authorizationkey":
                self.password_changed(value)
            case _:
                pass


def _connector(number: int, settings: StationSettings) -> Connector:
    return Connector(number, Meter(energy_mws=settings.meter_start_wh * MWS_PER_WH, phases=settings.phases))
