"""`python -m bench compare`: measure csmsd and its peers, print tables, write all samples to a file."""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from bench import generator, node
from bench.compare import WORKLOADS, Bench, Plan
from bench.report import Result, tables, this_machine
from bench.servers import SERVERS

_DEFAULT = Plan()


@click.group()
def main() -> None:
    """How csmsd compares, on this machine."""


@main.command()
@click.option("--server", "servers", multiple=True, type=click.Choice(list(SERVERS)), help="Only these. [all]")
@click.option("--workload", "workloads", multiple=True, type=click.Choice(WORKLOADS), help="Only these. [all]")
@click.option("--rounds", default=_DEFAULT.rounds, show_default=True, type=click.IntRange(1, 50))
@click.option("--stations", default=_DEFAULT.stations, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--idle-stations", default=_DEFAULT.idle_stations, show_default=True, type=click.IntRange(0, 10_000))
@click.option("--warming", default=_DEFAULT.warming, show_default=True, type=click.FloatRange(0, 60), help="Seconds.")
@click.option(
    "--seconds", default=_DEFAULT.seconds, show_default=True, type=click.FloatRange(0.1, 60), help="Each run."
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Where all samples are written.")
def compare(
    servers: tuple[str, ...],
    workloads: tuple[str, ...],
    rounds: int,
    stations: int,
    idle_stations: int,
    warming: float,
    seconds: float,
    file: Path | None,
) -> None:
    """Drive all servers with the same stations, in interleaved rounds."""
    plan = Plan(servers or tuple(SERVERS), workloads or WORKLOADS, rounds, stations, idle_stations, warming, seconds)
    try:
        program = generator.build()
        packages = node.install_packages() if any(name.startswith("ocpp-rpc") for name in plan.servers) else None
    except (generator.GeneratorError, node.PeerMissingError) as error:
        raise click.ClickException(str(error)) from error
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(plan, program, packages, Path(folder))
        with suppress(KeyboardInterrupt):  # what has been measured by then is reported
            bench.measure()
    result = Result(machine, plan, tuple(bench.samples))
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    click.echo(tables(result))
    expected = len(plan.servers) * plan.rounds * len(plan.workloads)
    if sum(sample.what in plan.workloads for sample in bench.samples) < expected:
        sys.exit("some runs have failed: see above")


if __name__ == "__main__":
    main()
