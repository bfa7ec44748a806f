"""Interleaved rounds: every server once in each round, so that a noisy neighbour disturbs all of them alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import generator
from bench.generator import GeneratorError, Report
from bench.prepare import prepare_database
from bench.process import ServerFailedError, running
from bench.servers import EMPTY, SERVERS, Place, Server, fresh_folder

WORKLOADS = ("heartbeat", "start", "mix")
MEMORY = "memory"
EMPTY_START = "start-up, empty database"
_FIRST = 100  # stations that have come before an idle station's memory is measured: what is built once is there then


class Plan(msgspec.Struct, frozen=True):
    """What is measured, and how long."""

    servers: tuple[str, ...] = tuple(SERVERS)
    workloads: tuple[str, ...] = WORKLOADS
    rounds: int = 3
    stations: int = 100
    idle_stations: int = 1_000  # 0: memory is not measured
    warming: float = 1.0
    seconds: float = 3.0


class Sample(msgspec.Struct, frozen=True):
    """One run of one server. `start_up` is in seconds, until the first station was let in."""

    server: str
    what: str  # a workload, MEMORY or EMPTY_START
    round: int
    start_up: float
    report: Report | None = None


@dataclass
class Bench:
    """One sitting: two cores shared out, a prepared database, and a new port for each server."""

    plan: Plan
    program: Path
    node_packages: Path | None
    folder: Path
    port: int = 21_000
    samples: list[Sample] = field(default_factory=list[Sample])

    def __post_init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        is_shared = len(cores) < 2
        self._server_core = None if is_shared else cores[0]
        self._generator_core = None if is_shared else cores[1]
        self._template = self.folder / "template"
        prepare_database(self._template, max(self.plan.stations, self.plan.idle_stations + _FIRST))

    def measure(self) -> None:
        """All of the plan. A run that fails is reported and left out; the round goes on."""
        plan = self.plan
        load = ("-w", str(plan.warming), "-d", str(plan.seconds), "-c", str(plan.stations))
        rest = ("-w", "0", "-d", "0", "-H", "1.5", "-b", str(_FIRST), "-c", str(_FIRST + plan.idle_stations))
        for number in range(plan.rounds):
            for workload in plan.workloads:
                for server in self._servers():
                    self._run(server, workload, number, "-x", workload, *load)
            for server in self._servers() if plan.idle_stations else ():
                self._run(server, MEMORY, number, *rest)
            if any(server.is_csmsd for server in self._servers()):
                self._run(EMPTY, EMPTY_START, number)

    def _servers(self) -> Iterator[Server]:
        return (SERVERS[name] for name in self.plan.servers)

    def _run(self, server: Server, what: str, number: int, *options: str) -> None:
        self.port += 2
        folder = self.folder / f"run-{self.port}" if what == EMPTY_START else fresh_folder(self._template, self.folder)
        place = Place(self.port, folder)
        try:
            with running(server, place, self._server_core, self.node_packages) as (pid, start_up):
                report = None
                if options:
                    report = generator.run(self.program, self._generator_core, place.port, pid, *options)
        except (GeneratorError, ServerFailedError) as error:
            print(f"# round {number + 1}: {server.name}, {what}: {error}", file=sys.stderr)
            return
        sample = Sample(server.name, what, number, start_up, report)
        self.samples.append(sample)
        print(f"# round {number + 1}: {_in_short(sample)}", file=sys.stderr, flush=True)


def _in_short(sample: Sample) -> str:
    text = f"{sample.server}, {sample.what}: up in {sample.start_up:.2f} s"
    if sample.report is None:
        return text
    if sample.what == MEMORY:
        return f"{text}, {sample.report.kib_per_station:.2f} KiB a station"
    return f"{text}, {sample.report.calls_per_cpu_second:.0f} calls per CPU second"
