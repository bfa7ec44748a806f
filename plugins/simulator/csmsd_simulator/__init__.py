"""Simulated stations: charge points that behave, or misbehave on request, for trials, demonstrations and load."""

from __future__ import annotations

from csmsd_simulator.building import build_station
from csmsd_simulator.clock import Clock
from csmsd_simulator.plugin import SimulatorPlugin
from csmsd_simulator.quirks import Quirks, parse_quirks
from csmsd_simulator.station import SimulatedStation, StationSettings

__all__ = ["Clock", "Quirks", "SimulatedStation", "SimulatorPlugin", "StationSettings", "build_station", "parse_quirks"]
