"""The simulator plugin: nothing but commands for the shell."""

from __future__ import annotations

from csmsd.plugin import NoConfig, Plugin
from csmsd_simulator.cli import demo, simulate, swarm


class SimulatorPlugin(Plugin[NoConfig]):
    """Simulated stations for trials and load: csmsd simulate, demo, swarm."""

    name = "simulator"
    cli = (simulate, demo, swarm)
