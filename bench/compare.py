"""Interleaved rounds: every server once in each round, so that a noisy neighbour disturbs all of them alike."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import generator, node
from bench.certificate import make_certificate
from bench.experiments import FIRST, Experiment, Plan, experiments
from bench.floors import DISK, ECHO, ECHO_BYTES, echo_server, syncs_per_second
from bench.generator import GeneratorError, Programs, Report
from bench.prepare import prepare_database
from bench.process import ServerFailedError, running
from bench.servers import EMPTY, SERVERS, Place, Server

EMPTY_START = "start-up"
FLOORS = "floors"
_SPARE_FILES = 300  # descriptors that a server or the generator needs beside its stations


class Sample(msgspec.Struct, frozen=True):
    """One run of one server. `start_up` is in seconds, until the first station was let in."""

    server: str
    what: str  # an experiment, ECHO, DISK or EMPTY_START
    round: int
    start_up: float = 0.0
    report: Report | None = None
    syncs_per_second: float = 0.0  # DISK only


@dataclass
class Bench:
    """One sitting: two cores shared out, prepared databases, and a new port for each server.

    `left_out` says of servers and experiments that cannot be measured here, why.
    """

    plan: Plan
    programs: Programs
    folder: Path
    port: int = 21_000
    samples: list[Sample] = field(default_factory=list[Sample])
    failures: list[str] = field(default_factory=list[str])
    left_out: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        is_shared = len(cores) < 2
        self._server_core = None if is_shared else cores[0]
        self._generator_core = None if is_shared else cores[1]
        self._certificate = make_certificate(self.folder)
        self._node_packages: Path | None = None
        self._experiments = self._possible()
        self._leave_out_servers()

    def measure(self) -> None:
        """All of the plan. A run that fails is reported and left out; the round goes on."""
        for number in range(self.plan.rounds):
            if not self.plan.only or FLOORS in self.plan.only:
                self._measure_floors(number)
            for experiment in self._experiments:
                for name in experiment.participants(self.plan):
                    if name not in self.left_out:
                        self._run(SERVERS[name], experiment, number)
            if (not self.plan.only or EMPTY_START in self.plan.only) and "csmsd" in self.plan.servers:
                self.port += 2
                self._keep(EMPTY, EMPTY_START, number, Place(self.port, self.folder / f"empty-{number}"), ())

    def _possible(self) -> list[Experiment]:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        possible: list[Experiment] = []
        for each in experiments(self.plan):
            needed = each.stations + _SPARE_FILES
            if each.is_tls and self.programs.why_no_tls:
                self.left_out[each.name] = self.programs.why_no_tls
            elif most != resource.RLIM_INFINITY and needed > most:
                self.left_out[each.name] = (
                    f"{each.stations:,} stations need {needed:,} open files, and {most:,} are allowed here: ulimit -Hn"
                    f" {needed} as root, or LimitNOFILE={needed} in the unit"
                )
            else:
                possible.append(each)
        if possible:
            needed = max(each.stations for each in possible) + _SPARE_FILES
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if soft != resource.RLIM_INFINITY and soft < needed:
                resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return possible

    def _leave_out_servers(self) -> None:
        wanted = {name for each in self._experiments for name in each.participants(self.plan)}
        if "node" in {SERVERS[name].needs for name in wanted}:
            try:
                self._node_packages = node.install_packages()
            except node.PeerMissingError as error:
                self.left_out |= {name: str(error) for name in wanted if SERVERS[name].needs == "node"}
        if importlib.util.find_spec("uvloop") is None:
            missing = "uvloop is not installed: pip install uvloop"
            self.left_out |= {name: missing for name in wanted if SERVERS[name].needs == "uvloop"}

    def _measure_floors(self, number: int) -> None:
        rate = syncs_per_second(self.folder, min(self.plan.seconds, 2))
        self.samples.append(Sample(DISK, DISK, number, syncs_per_second=rate))
        print(f"# round {number + 1}: disk: {rate:.0f} fsyncs per second", file=sys.stderr, flush=True)
        duration = ("-w", str(self.plan.warming), "-d", str(self.plan.seconds))
        self.port += 2
        place = Place(self.port, self.folder)
        options = ("-c", str(self.plan.stations), "-x", str(ECHO_BYTES), *duration)
        self._keep(echo_server(self.programs), ECHO, number, place, options)

    def _run(self, server: Server, experiment: Experiment, number: int) -> None:
        self.port += 2
        certificate = self._certificate if experiment.is_tls else None
        folder = self.folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        if server.is_csmsd:
            shutil.copytree(self._template(experiment.stations), folder)
        place = Place(self.port, folder, certificate)
        self._keep(server, experiment.name, number, place, experiment.options(self.plan))

    def _keep(self, server: Server, what: str, number: int, place: Place, options: tuple[str, ...]) -> None:
        try:
            with running(server, place, self._server_core, self._node_packages) as (pid, start_up):
                report = None
                if options:
                    program = self.programs.generator
                    report = generator.run(program, self._generator_core, place.port, pid, *options)
        except (GeneratorError, ServerFailedError) as error:
            self.failures.append(f"round {number + 1}: {server.name}, {what}: {error}")
            print(f"# {self.failures[-1]}", file=sys.stderr, flush=True)
            return
        sample = Sample(server.name, what, number, start_up, report)
        self.samples.append(sample)
        print(f"# round {number + 1}: {_in_short(sample)}", file=sys.stderr, flush=True)

    def _template(self, stations: int) -> Path:
        """A prepared database, the same for all experiments of this order of size."""
        plan = self.plan
        usual = max(plan.stations, plan.steady_stations, FIRST + plan.idle_stations, FIRST + plan.storm_stations)
        stations = max(stations, usual)
        template = self.folder / f"template-{stations}"
        if not template.exists():
            prepare_database(template, stations)
        return template


def _in_short(sample: Sample) -> str:
    text = f"{sample.server}, {sample.what}: up in {sample.start_up:.2f} s"
    report = sample.report
    if report is None:
        return text
    if report.calls:
        return f"{text}, {report.calls_per_cpu_second:.0f} calls per CPU second, p99 {report.p99_us / 1e3:.1f} ms"
    return f"{text}, {report.kib_per_station:.2f} KiB and {report.connect_server_us:.0f} us of CPU time a station"
