"""Tables from samples: medians over the rounds, and ratios to what csmsd is compared with."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import msgspec

from bench.compare import EMPTY_START, MEMORY, Plan, Sample
from bench.generator import Report
from bench.node import PeerMissingError, node_program

PACKAGES = ("csmsd", "trio", "trio-websocket", "msgspec", "sqlalchemy", "ocpp", "websockets")


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured, and with which versions."""

    processor: str
    cores: int
    system: str
    python: str
    sqlite: str
    load: float  # of the last minute; the machine's own work of others disturbs
    versions: dict[str, str]


class Result(msgspec.Struct, frozen=True):
    """All of a sitting, as it is written to a file."""

    machine: Machine
    plan: Plan
    samples: tuple[Sample, ...]


def this_machine() -> Machine:
    """What is known of it without special rights."""
    names = (
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
    )
    versions = {name: metadata.version(name) for name in PACKAGES}
    with suppress(PeerMissingError):
        told = subprocess.run([str(node_program()), "--version"], capture_output=True, text=True, check=True)
        versions["node"] = told.stdout.strip()
    return Machine(
        processor=next(names, "unknown"),
        cores=os.cpu_count() or 1,
        system=platform.platform(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        load=os.getloadavg()[0],
        versions=versions,
    )


def tables(result: Result) -> str:
    """Everything as text: a table for each workload, one for memory and start-up."""
    parts = [_work(result, workload) for workload in result.plan.workloads]
    if result.plan.idle_stations:
        parts.append(_standing(result))
    return "\n\n".join(parts)


def _work(result: Result, workload: str) -> str:
    rows: list[tuple[str, ...]] = [
        ("server", "calls/CPU s", "least-most", "us/call", "kernel", "p50 ms", "p99 ms", "generator us/call", "")
    ]
    for name in result.plan.servers:
        reports = _reports(result, name, workload)
        if not reports:
            rows.append((name, "failed", *[""] * 7))
            continue
        rates = [report.calls_per_cpu_second for report in reports]
        is_bound = any(report.is_generator_bound for report in reports)
        rows.append(
            (
                name,
                f"{_median(rates):,.0f}",
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                f"{1e6 / _median(rates):.1f}",
                f"{_of(reports, lambda report: 100 * report.server_cpu_in_kernel / report.server_cpu):.0f} %",
                f"{_of(reports, lambda report: report.p50_us / 1e3):.1f}",
                f"{_of(reports, lambda report: report.p99_us / 1e3):.1f}",
                f"{_of(reports, lambda report: 1e6 * report.generator_cpu / report.calls):.1f}",
                "THE GENERATOR WAS THE BOTTLENECK" if is_bound else "",
            )
        )
    return f"{workload}, {result.plan.stations} stations\n{_aligned(rows)}\n{_ratios(result, workload)}".rstrip()


def _ratios(result: Result, workload: str) -> str:
    """Of csmsd's rate to everybody else's, in the same round; the median of the rounds."""
    ours = [name for name in result.plan.servers if name.startswith("csmsd")]
    peers = [name for name in result.plan.servers if not name.startswith("csmsd")]
    if not ours or not peers:
        return ""
    ratios = [(one, *(_ratio(result, workload, one, other) for other in peers)) for one in ours]
    return _aligned([("times as many as", *peers), *ratios])


def _ratio(result: Result, workload: str, one: str, other: str) -> str:
    rates: dict[tuple[str, int], float] = {
        (sample.server, sample.round): sample.report.calls_per_cpu_second
        for sample in result.samples
        if sample.what == workload and sample.report is not None
    }
    found = [
        rates[one, number] / rates[other, number]
        for number in range(result.plan.rounds)
        if (one, number) in rates and (other, number) in rates
    ]
    return f"{_median(found):.2f}" if found else "-"


def _standing(result: Result) -> str:
    rows = [("server", "KiB/idle station", "connect us", "start-up s", "start-up s, empty database")]
    for name in result.plan.servers:
        reports = _reports(result, name, MEMORY)
        ups = [sample.start_up for sample in result.samples if sample.server == name and sample.what != EMPTY_START]
        empty = [sample.start_up for sample in result.samples if sample.server == name and sample.what == EMPTY_START]
        rows.append(
            (
                name,
                f"{_of(reports, lambda report: report.kib_per_station):.2f}" if reports else "failed",
                f"{_of(reports, lambda report: report.connect_server_us):.0f}" if reports else "",
                f"{_median(ups):.2f}" if ups else "",
                f"{_median(empty):.2f}" if empty else "",
            )
        )
    return f"at rest, {result.plan.idle_stations} idle stations\n{_aligned(rows)}"


def _reports(result: Result, server: str, what: str) -> list[Report]:
    return [
        sample.report
        for sample in result.samples
        if sample.server == server and sample.what == what and sample.report is not None
    ]


def _of(reports: Iterable[Report], figure: Callable[[Report], float]) -> float:
    return _median([figure(report) for report in reports])


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)
