"""`csmsd demo`: a csmsd of its own in a temporary folder, and a site where cars come and go."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import trio

from csmsd.app import open_csms
from csmsd.cli.logs import set_up_logging
from csmsd.client import URL_FILE
from csmsd.config import Config, Listen
from csmsd.host import Host
from csmsd.listening import parse_address
from csmsd.station import StationRecord
from csmsd_core import CorePlugin, Tag
from csmsd_simulator.quirks import Quirks
from csmsd_simulator.simulating import Simulation, run_until_interrupted
from csmsd_simulator.station import StationSettings
from csmsd_simulator.visitors import Traffic
from csmsd_simulator.websocket import Endpoint

DRIVERS = ("ALICE", "BOB", "CAROL", "DAVE", "ERIN", "FRANK")
_SPEED = 30
_KEYS = (("MeterValueSampleInterval", "10"),)
# Station, connectors, W, and what is wrong with it.
_SITE: Sequence[tuple[str, int, int, Quirks]] = (
    ("GARAGE-1", 2, 22_000, Quirks()),
    ("GARAGE-2", 2, 22_000, Quirks()),
    ("YARD-1", 1, 11_000, Quirks()),
    ("YARD-2", 1, 11_000, Quirks(drops_connection_every=45)),
    ("STREET-1", 2, 22_000, Quirks(kilo_units=True, unknown_error=True)),
)


def run_demo(plugins: Sequence[Any], seconds: float) -> None:
    """Until it is interrupted, or for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="csmsd-demo-") as folder:
        trio.run(_demo, Path(folder), plugins, seconds)


async def _demo(folder: Path, plugins: Sequence[Any], seconds: float) -> None:
    listen = Listen(ocpp=_free("127.0.0.1:9000"), http=_free("127.0.0.1:8080"))
    config = Config(plugins=tuple(plugins), data_dir=folder, listen=listen, log_level="error")
    set_up_logging(config)
    async with open_csms(config) as csms:
        simulations = [await _settle(csms, *each) for each in _SITE]
        await _let_drivers_in(csms)
        click.echo(_greeting(csms, folder))
        await run_until_interrupted(*simulations, seconds=seconds)


async def _settle(csms: Host, station_id: str, connectors: int, power: int, quirks: Quirks) -> Simulation:
    """Register a station with a password, as one does."""
    password = csms.env.token_bytes(16).hex()
    await csms.stations.register(StationRecord(station_id), password)
    settings = StationSettings(
        station_id, connectors=connectors, max_power_w=power, speed=_SPEED, security_profile=1, quirks=quirks
    )
    traffic = Traffic(tags=DRIVERS, first_gap=20 * _SPEED, longest_gap=1800)
    return Simulation(settings, Endpoint(csms.ocpp_urls[0], password), traffic, _KEYS)


async def _let_drivers_in(csms: Host) -> None:
    core = csms.plugins.get("core")
    if isinstance(core, CorePlugin):
        for driver in DRIVERS:
            await core.tags.put(Tag(driver, note="of the demo"), actor="demo")


def _greeting(csms: Host, folder: Path) -> str:
    url = (folder / URL_FILE).read_text(encoding="utf-8").strip() if (folder / URL_FILE).exists() else "(off)"
    return "\n".join(
        [
            f"A csmsd with {len(_SITE)} simulated stations; cars charge {_SPEED} times as fast as in life.",
            f"  operators  {url}   (API: {url}/api/docs)" if url != "(off)" else "  operators  (off)",
            f"  stations   {csms.ocpp_urls[0]}/<station id>",
            "In another terminal:",
            f"  export CSMSD_DATA_DIR={folder}",
            "  csmsd station list",
            "  csmsd tail",
            "  csmsd tx list",
            '  csmsd call GARAGE-1 RemoteStartTransaction \'{"idTag": "ALICE"}\'',
            "Ctrl-C ends it, and nothing is left of it.",
            "",
        ]
    )


def _free(address: str) -> str:
    """The address, or any free port of its host if that one is taken."""
    wanted = parse_address(address, "listen")
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError:
            return f"{wanted.host}:0"
    return address
