"""`python -m bench compare`: measure csmsd and its peers; tables, plots and all samples go into a folder."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from bench import generator
from bench.compare import EMPTY_START, FLOORS, Bench
from bench.experiments import MOST_AT_ONCE, Plan, names
from bench.plots import plots
from bench.result import Result, result_of, this_machine
from bench.servers import SERVERS
from bench.tables import tables

_DEFAULT = Plan()
_QUICK = msgspec.structs.replace(
    _DEFAULT,
    crowds=(3_000,),
    rounds=1,
    warming=0.3,
    seconds=1.0,
    storm_stations=1_000,
    is_quick=True,
)
_OUT = generator.PLACE / "result"


@click.group()
def main() -> None:
    """How csmsd compares, on this machine."""


def _number(name: str, least: float, most: float, text: str) -> click.Option:
    default = getattr(_DEFAULT, name)
    kind = click.IntRange(int(least), int(most)) if isinstance(default, int) else click.FloatRange(least, most)
    return click.Option([f"--{name.replace('_', '-')}"], type=kind, help=f"{text} [{default:,}]")


_NUMBERS = (
    _number("rounds", 1, 50, "Every server once for each experiment, so often."),
    _number("stations", 1, 10_000, "That never rest."),
    _number("idle_stations", 1, 10_000, "When memory is measured."),
    _number("storm_stations", 1, MOST_AT_ONCE, "When all come at once."),
    _number("steady_stations", 1, 10_000, "At a fixed load."),
    _number("steady_rate", 1, 100_000, "CALLs per second of all of them together."),
    _number("warming", 0, 60, "Seconds before each run."),
    _number("seconds", 0.1, 60, "Each run."),
)


@main.command(params=[*_NUMBERS])
@click.option("--quick", is_flag=True, help="A first look within two minutes: what the aims need, once.")
@click.option("--server", "servers", multiple=True, type=click.Choice(list(SERVERS)), help="Only these. [all]")
@click.option("--only", multiple=True, metavar="NAME", help=f"Only these experiments: {', '.join(names(_DEFAULT))}.")
@click.option("--crowd", "crowds", multiple=True, type=click.IntRange(1, 14_000), help="Many stations. [3000, 10000]")
@click.option(
    "--out", type=click.Path(path_type=Path), default=_OUT, help="The folder for all of it. [.cache/bench/result]"
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Where all samples are written, too.")
def compare(
    *,
    quick: bool,
    servers: tuple[str, ...],
    only: tuple[str, ...],
    crowds: tuple[int, ...],
    out: Path,
    file: Path | None,
    **numbers: float | None,
) -> None:
    """Drive all servers with the same stations, in interleaved rounds."""
    chosen: dict[str, Any] = {name: number for name, number in numbers.items() if number is not None}
    chosen |= {"servers": servers or tuple(SERVERS), "only": only}
    if crowds:
        chosen["crowds"] = crowds
    plan = msgspec.structs.replace(_QUICK if quick else _DEFAULT, **chosen)
    _check_names(only, plan)
    try:
        programs = generator.build()
    except generator.GeneratorError as error:
        raise click.ClickException(str(error)) from error
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(plan, programs, Path(folder))
        with suppress(KeyboardInterrupt):  # what has been measured by then is reported
            bench.measure()
    result = result_of(bench, machine)
    _write(result, out, file)
    if bench.failures:
        sys.exit("some runs have failed: see above")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), default=_OUT, help="The folder for all of it. [.cache/bench/result]"
)
def report(file: Path, out: Path) -> None:
    """Tables and plots of samples that were written before."""
    _write(msgspec.json.decode(file.read_bytes(), type=Result), out, None)


def _check_names(only: Sequence[str], plan: Plan) -> None:
    known = [*names(plan), FLOORS, EMPTY_START]
    for name in only:
        if name not in known:
            raise click.BadParameter(
                f"there is no experiment {name}; there are {', '.join(known)}", param_hint="--only"
            )


def _write(result: Result, out: Path, file: Path | None) -> None:
    text, raw = tables(result), msgspec.json.format(msgspec.json.encode(result))
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.txt").write_text(f"{text}\n", encoding="utf-8")
    for path in filter(None, (out / "samples.json", file)):
        path.write_bytes(raw + b"\n")
    for name, picture in plots(result).items():
        (out / f"{name}.svg").write_text(picture, encoding="utf-8")
    click.echo(text)
    click.echo(f"\ntables, plots and samples: {out}")


if __name__ == "__main__":
    main()
