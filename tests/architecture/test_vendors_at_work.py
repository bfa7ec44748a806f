"""Three vendors' wheels in a fresh environment, enabled, disabled, killed and upgraded while 200 stations charge."""

from __future__ import annotations

import faulthandler
import os
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.architecture.conftest import ROOT, environment_with
from tests.architecture.vendors import (
    EXAMPLES,
    Operator,
    VendorStation,
    audit_invoices,
    customer_service,
    install,
    read_invoices,
    stopped_transactions,
    wheel_of,
)
from tests.durability import auditor
from tests.durability.daemon import Daemon, free_port
from tests.durability.fleet import WireLog

STATIONS = 200
THINK = 0.4  # seconds between messages of a station, on average
PATIENCE = 60.0


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with csmsd and the three wheels."""
    folder = tmp_path_factory.mktemp("vendors")
    return environment_with(folder / "venv", wheel, *(wheel_of(example, folder) for example in EXAMPLES))


@dataclass
class World:
    """A csmsd with its vendors' plugins, and stations that charge."""

    daemon: Daemon
    operator: Operator
    fleet: list[VendorStation]
    log: WireLog
    think: float = THINK
    is_over: bool = False

    async def run(self, play: Callable[[World], Awaitable[None]]) -> None:
        """Let stations charge while something is played, then let them finish."""
        faulthandler.cancel_dump_traceback_later()
        try:
            await self.daemon.start()
            async with trio.open_nursery() as nursery:
                for station in self.fleet:
                    nursery.start_soon(station.run, self.think, lambda: self.is_over)
                await play(self)
                self.is_over = True
            await self._invoices_are_written()
            self.daemon.stop()
        finally:
            self.daemon.kill()

    async def _invoices_are_written(self) -> None:
        with trio.move_on_after(PATIENCE):
            # Another process writes them, so there is nothing to wait for but the file.
            while len(read_invoices(self.daemon.folder)) < len(stopped_transactions(self.daemon.database)):  # noqa: ASYNC110
                await trio.sleep(0.2)


def new_world(folder: Path, programs: Path, backend: Any) -> World:
    port, seed = free_port(), random.randrange(2**32)
    (folder / "csmsd.toml").write_text(
        f'[plugin.acme_authorizer]\nurl = "http://127.0.0.1:{backend.server_port}/"\npatience = 1.0\n'
    )
    settings = {
        "CSMSD_PLUGINS": "core,web,acme_tariff,acme_authorizer",
        "CSMSD_LISTEN_HTTP": f"127.0.0.1:{free_port()}",
    }
    daemon, log = Daemon(folder, port, [str(programs / "csmsd")], settings), WireLog()
    fleet = [VendorStation(number, port, log, random.Random(seed + number)) for number in range(STATIONS)]
    return World(daemon, Operator(folder), fleet, log)


async def one_round(world: World, programs: Path, upgrade: Path, pause: float) -> None:
    """Everything that an operator does to plugins on a bad day."""
    daemon, operator = world.daemon, world.operator
    await operator.switch("acme", "enable")
    await trio.sleep(pause)
    for plugin in ("acme_tariff", "acme_authorizer", "acme"):
        await operator.switch(plugin, "disable")
        await trio.sleep(pause)
        await operator.switch(plugin, "enable")
    await trio.sleep(pause)
    daemon.kill()
    await daemon.start()
    await trio.sleep(pause)
    await operator.switch("acme_tariff", "disable")
    await trio.to_thread.run_sync(install, programs, upgrade)
    daemon.stop()  # python code is not replaced while it runs: an upgrade is a restart
    await daemon.start()
    await trio.sleep(pause)


def audit(world: World) -> list[str]:
    """What is wrong, by the books, the wire and the invoices."""
    folder = world.daemon.folder
    (folder / "wire.jsonl").write_text(world.log.text())
    with (folder / "wire.jsonl").open() as lines:
        wire = auditor.read_wire(lines)
    stopped, invoices = stopped_transactions(world.daemon.database), read_invoices(folder)
    violations = [*auditor.audit(wire, auditor.read_books(world.daemon.database))]
    violations += audit_invoices(wire, stopped, invoices)
    print(
        f"{wire.messages} messages, {len(wire.starts)} starts and {len(wire.stops)} stops confirmed, "
        f"{len(invoices)} invoices for {len(stopped)} stopped transactions; {len(violations)} violations"
    )
    return violations


async def campaign(folder: Path, programs: Path, rounds: int, pause: float) -> None:
    with customer_service(delay=3.0) as backend:
        world, versions = new_world(folder, programs, backend), list[dict[str, str]]()

        async def play(world: World) -> None:
            for number in range(1, rounds + 1):
                upgrade = wheel_of("acme_tariff", folder, f"1.{number}.0")
                await one_round(world, programs, upgrade, pause)
                versions.append(await world.operator.versions())

        await world.run(play)
        assert backend.asked > 0
    assert [each["acme_tariff"] for each in versions] == [f"1.{number}.0" for number in range(1, rounds + 1)]
    assert audit(world) == []
    assert all(station.answered for station in world.fleet)
    told = sum((station.told for station in world.fleet), Counter[str]())
    assert set(told) == {"Accepted", "UnknownVendorId"}  # as its plugin came and went
    assert "Traceback" not in world.daemon.log


@pytest.mark.timeout(400)
@pytest.mark.req("CORE-10", "AUTH-14", "TX-05")
async def test_vendors_come_and_go_and_no_transaction_nor_invoice_is_lost(programs: Path, tmp_path: Path) -> None:
    await campaign(tmp_path, programs, rounds=1, pause=0.7)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.req("CORE-10", "AUTH-14", "TX-05")
async def test_vendors_come_and_go_all_day(programs: Path, tmp_path: Path) -> None:
    await campaign(tmp_path, programs, rounds=int(os.environ.get("CSMSD_SOAK_ROUNDS", "10")), pause=5.0)


def p99(seconds: list[float]) -> float:
    """In milliseconds."""
    return 1000 * sorted(seconds)[len(seconds) * 99 // 100]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.req("AUTH-13")
async def test_stations_without_the_slow_authoriser_are_as_quick_as_without_it(programs: Path, tmp_path: Path) -> None:
    """Measured in turns, with it and without it, so that what else the machine does falls on both."""
    turns, length = int(os.environ.get("CSMSD_SOAK_TURNS", "20")), 6.0
    spans = list[tuple[bool, float, float]]()

    async def play(world: World) -> None:
        await trio.sleep(5)
        for turn in range(2 * turns):
            is_on = turn % 4 in (1, 2)  # off on on off off on on …: a drift falls on both
            await world.operator.switch("acme_authorizer", "enable" if is_on else "disable")
            await trio.sleep(1.5)  # who waited for it has been answered
            begun = time.monotonic()
            await trio.sleep(length)
            spans.append((is_on, begun, time.monotonic()))

    with customer_service(delay=3.0) as backend:
        world = new_world(tmp_path, programs, backend)
        world.think = 1.5  # what is measured is csmsd, not how a machine behaves that is busy all the time
        await world.run(play)
    others = [each for station in world.fleet if not station.is_acmes for each in station.seconds]
    found = dict[bool, list[float]]({True: [], False: []})
    for is_on, begun, end in spans:
        found[is_on].append(p99([took for at, took in others if begun <= at < end]))
    ratio = statistics.median(found[True]) / statistics.median(found[False])
    print(
        f"p99 of {len(others)} calls of {STATIONS * 9 // 10} stations, median of {turns} turns each: "
        f"{statistics.median(found[True]):.2f} ms with the slow authoriser, "
        f"{statistics.median(found[False]):.2f} ms without it: {ratio:.3f}; it was asked {backend.asked} times"
    )
    print("with:   ", *(f"{each:.1f}" for each in found[True]))
    print("without:", *(f"{each:.1f}" for each in found[False]))
    assert audit(world) == []
    assert ratio <= 1.1


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_vendors_own_tests_pass_beside_the_installed_wheels(programs: Path, example: str) -> None:
    command = [str(programs / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    done = subprocess.run(
        [*command, "tests"], cwd=ROOT / "examples" / example, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plugin", ["acme", "acme_tariff", "acme_authorizer"])
def test_each_is_checked_before_the_start_and_a_mistake_is_explained(
    programs: Path, tmp_path: Path, plugin: str
) -> None:
    command = [str(programs / "csmsd"), "check", "--plugins", f"core,{plugin}"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"{plugin} 1." in shown.stdout
    command += ["--set", f"plugin.{plugin}.nonsense=1"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert shown.returncode != 0
    assert f"plugin.{plugin}.nonsense" in shown.stdout + shown.stderr
