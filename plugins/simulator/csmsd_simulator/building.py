"""A station with everything it can do."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from csmsd_simulator.clock import Clock
from csmsd_simulator.commands_core import CORE
from csmsd_simulator.commands_profiles import PROFILES
from csmsd_simulator.commands_security import SECURITY
from csmsd_simulator.station import SimulatedStation, StationSettings


def build_station(
    settings: StationSettings,
    clock: Clock,
    *,
    tell: Callable[[str], None] = lambda _: None,
    chance: Random | None = None,
) -> SimulatedStation:
    """All six profiles and security; `tell` hears what happens, in sentences."""
    return SimulatedStation(settings, clock, (CORE, PROFILES, SECURITY), tell=tell, chance=chance)
