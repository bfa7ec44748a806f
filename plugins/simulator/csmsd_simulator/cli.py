"""`csmsd simulate`, `csmsd demo`, `csmsd swarm`. What they need is imported when they run: help is quick."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from csmsd.cli.failure import Failure, failures_as_sentences

_DEFAULT_URL = "ws://127.0.0.1:9000/ocpp"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def _takes_endpoint(command: Callable[..., Any]) -> Any:
    options = (
        click.option("--url", default=_DEFAULT_URL, metavar="URL", help=f"Without the station's id. [{_DEFAULT_URL}]"),
        click.option("--password", default=None, metavar="TEXT", help="HTTP Basic (security profiles 1 and 2)."),
        click.option("--ca", type=_FILE, default=None, help="Root to trust for wss, PEM. [the system's]"),
        click.option("--certificate", type=_FILE, default=None, help="The station's own, PEM (security profile 3)."),
        click.option("--key", type=_FILE, default=None, help="Its private key, PEM."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _takes_quirks(command: Callable[..., Any]) -> Any:
    return click.option("--quirk", "quirks", multiple=True, metavar="NAME[=N]", help="Misbehave; may be repeated.")(
        command
    )


def _endpoint(url: str, password: str | None, ca: Path | None, certificate: Path | None, key: Path | None) -> Any:
    from csmsd_simulator.websocket import Endpoint, tls_context

    if not url.startswith(("ws://", "wss://")):
        raise click.BadParameter(f"{url!r} is no ws:// or wss:// URL", param_hint="--url")
    try:
        context = tls_context(ca, certificate, key) if url.startswith("wss://") else None
    except (OSError, ssl.SSLError) as error:
        raise Failure(f"the certificates cannot be used: {error}") from error
    return Endpoint(url, password, context)


def _print_quirks(context: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        from csmsd_simulator.quirks import lines_of_help

        click.echo("\n".join(lines_of_help()))
        context.exit()


@click.command()
@click.argument("station_id")
@_takes_endpoint
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="What drivers hold up; may be repeated. [SIMULATED]")
@click.option("--connectors", type=click.IntRange(1, 100), default=2, help="How many. [2]")
@click.option("--power", type=click.IntRange(1400), default=22_000, metavar="W", help="Of each connector. [22000]")
@click.option("--speed", type=click.IntRange(1, 3600), default=1, help="Cars charge so many times as fast. [1]")
@click.option("--sessions", type=click.IntRange(0), default=None, help="Per connector, then it ends. [no end]")
@click.option("--set", "keys", multiple=True, metavar="KEY=VALUE", help="Configuration to begin with.")
@click.option("--attempts", type=click.IntRange(1), default=None, help="To connect, then it gives up. [no end]")
@_takes_quirks
@click.option("--quirks", "_quirks", is_flag=True, is_eager=True, callback=_print_quirks, expose_value=False,
              help="List what it can do wrong.")  # fmt: skip
def simulate(
    station_id: str,
    url: str,
    password: str | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    tags: tuple[str, ...],
    connectors: int,
    power: int,
    speed: int,
    sessions: int | None,
    keys: tuple[str, ...],
    attempts: int | None,
    quirks: tuple[str, ...],
) -> None:
    """Simulate one station: cars come and go, and it obeys commands.

    \b
      csmsd simulate CP-1 --speed 60
      csmsd simulate CP-1 --quirk no-pong --quirk clock-off=3600

    It works with every OCPP 1.6-J central system.
    """
    import trio

    from csmsd_simulator.quirks import parse_quirks
    from csmsd_simulator.simulating import Simulation, run_until_interrupted
    from csmsd_simulator.station import StationSettings
    from csmsd_simulator.visitors import Traffic

    with failures_as_sentences():
        endpoint = _endpoint(url, password, ca, certificate, key)
        profile = (3 if certificate else 2) if url.startswith("wss://") else int(password is not None)
        settings = StationSettings(
            station_id,
            connectors=connectors,
            max_power_w=power,
            speed=speed,
            security_profile=profile,
            quirks=parse_quirks(quirks),
        )
        traffic = Traffic(tags=tags or ("SIMULATED",), sessions=sessions)
        simulation = Simulation(settings, endpoint, traffic, _settings_of(keys), attempts)
        trio.run(run_until_interrupted, simulation)


def _settings_of(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    from csmsd_simulator.configuration import Configuration

    known = Configuration(1)
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or known.change(name, value).status in ("NotSupported", "Rejected"):
            raise click.BadParameter(f"{text!r} cannot be set", param_hint="--set")
        pairs.append((name, value))
    return pairs


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), default=None, help="End after a while. [Ctrl-C ends it]")
def demo(seconds: float | None) -> None:
    """Look around: a csmsd in a temporary folder, with a site of simulated stations where cars come and go."""
    from csmsd.config import Config
    from csmsd_simulator.demo import run_demo

    with failures_as_sentences():
        run_demo(Config().plugins, math.inf if seconds is None else seconds)


@click.command()
@click.option("--stations", type=click.IntRange(1), default=100, help="How many. [100]")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=30.0, help="How long each one charges. [30]")
@click.option("--rate", type=click.FloatRange(min=0.01), default=None,
              help="Meter values a second, all together. [one in 10 s per station]")  # fmt: skip
@click.option("--ramp", type=click.FloatRange(min=0.1), default=50.0, help="New connections a second. [50]")
@click.option("--prefix", default="SWARM", metavar="TEXT", help="Of the stations' ids: SWARM-00001 … [SWARM]")
@click.option("--tag", default="SWARM", metavar="TAG", help="What drivers hold up. [SWARM]")
@_takes_endpoint
@_takes_quirks
def swarm(
    stations: int,
    seconds: float,
    rate: float | None,
    ramp: float,
    prefix: str,
    tag: str,
    url: str,
    password: str | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    quirks: tuple[str, ...],
) -> None:
    """Put load on a central system: many stations that charge at once.

    It must know the stations and their tag, or let everybody in (csmsd run --open). The exit code is 1 if a station was
    not let in, a call failed, or a message about a transaction was not confirmed.
    """
    import trio

    from csmsd_simulator.quirks import parse_quirks
    from csmsd_simulator.swarm import Load
    from csmsd_simulator.swarm import swarm as run_swarm

    with failures_as_sentences():
        endpoint = _endpoint(url, password, ca, certificate, key)
        load = Load(stations, seconds, rate or stations / 10, ramp, prefix, tag, parse_quirks(quirks))
        tally = trio.run(run_swarm, load, endpoint)
        problems = tally.problems(stations)
        for problem in problems:
            click.echo(problem, err=True)
        if problems:
            raise Failure("the swarm was not served without fault")
