"""A sitting as a whole: where, with what, all samples; and what is read from them."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
import statistics
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from bench.compare import Bench, Sample
from bench.experiments import Plan
from bench.floors import DISK
from bench.generator import Report
from bench.node import PeerMissingError, installed_versions, node_program

PACKAGES = ("csmsd", "trio", "trio-websocket", "msgspec", "sqlalchemy", "ocpp", "websockets", "uvloop")
Figure = Callable[[Report], float]


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured, and with which versions."""

    processor: str
    cores: int
    system: str
    python: str
    sqlite: str
    openssl: str
    load: float  # of the minute before; what others do on the machine disturbs
    versions: dict[str, str]


class Result(msgspec.Struct, frozen=True):
    """All of a sitting, as it is written to a file."""

    measured_at: str
    machine: Machine
    plan: Plan
    samples: tuple[Sample, ...]
    left_out: dict[str, str] = {}  # a server or an experiment, and why it cannot be measured here
    failures: tuple[str, ...] = ()

    def reports(self, server: str, what: str) -> dict[int, Report]:
        """By round."""
        return {
            sample.round: sample.report
            for sample in self.samples
            if sample.server == server and sample.what == what and sample.report is not None
        }

    def servers(self, what: str) -> list[str]:
        """Who was measured, in the order of the tables."""
        return list(dict.fromkeys(sample.server for sample in self.samples if sample.what == what))

    def median(self, server: str, what: str, figure: Figure) -> float | None:
        """Over the rounds; None if there is none."""
        found = [figure(report) for report in self.reports(server, what).values()]
        return statistics.median(found) if found else None

    def ratio(self, figure: Figure, one: tuple[str, str], other: tuple[str, str]) -> float | None:
        """One server's figure to another's, or to its own in another experiment: the median of the rounds' ratios."""
        ours, theirs = self.reports(*one), self.reports(*other)
        found = [
            figure(ours[number]) / figure(theirs[number])
            for number in sorted(ours.keys() & theirs.keys())
            if figure(theirs[number])
        ]
        return statistics.median(found) if found else None

    def syncs_per_second(self) -> float | None:
        """What the disk can do."""
        found = [sample.syncs_per_second for sample in self.samples if sample.what == DISK]
        return statistics.median(found) if found else None


def this_machine() -> Machine:
    """What is known of it without special rights."""
    names = (
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
    )
    versions: dict[str, str] = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    with suppress(PeerMissingError):
        told = subprocess.run([str(node_program()), "--version"], capture_output=True, text=True, check=True)
        versions["node"] = told.stdout.strip()
        versions |= installed_versions()
    return Machine(
        processor=next(names, "unknown"),
        cores=os.cpu_count() or 1,
        system=platform.platform(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        openssl=ssl.OPENSSL_VERSION,
        load=os.getloadavg()[0],
        versions=versions,
    )


def result_of(bench: Bench, machine: Machine) -> Result:
    """What a sitting has found so far."""
    return Result(
        measured_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine,
        plan=bench.plan,
        samples=tuple(bench.samples),
        left_out=bench.left_out,
        failures=tuple(bench.failures),
    )
