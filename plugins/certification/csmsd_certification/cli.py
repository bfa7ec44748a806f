"""`csmsd certify`. What it needs is imported when it runs: help is quick."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csmsd.cli.failure import ExitCode, failures_as_sentences
from csmsd.cli.logs import set_up_logging
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.output import printable
from csmsd.cli.settings import Settings, check_plugins

if TYPE_CHECKING:
    from csmsd_certification.central import CentralSystem

_AT_ONCE = 8
_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)
_PEM = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=SettingsCommand)
@click.option("--case", "ids", multiple=True, metavar="ID", help="Only this case, TC_023_1; may be repeated. [all]")
@click.option("--report", "files", multiple=True, type=_FILE, metavar="FILE",
              help="Write the report: .html, .md, .json or .txt; may be repeated.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, 60, min_open=True), default=10.0, metavar="SECONDS",
              help="For each step of a case. [10]")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 77), default=_AT_ONCE, help=f"How many cases. [{_AT_ONCE}]")
@click.option("--url", metavar="URL", help="Where stations connect to the system under test, if it runs already.")
@click.option("--tls-url", metavar="URL", help="Where they connect with TLS. [--url, if that is wss:]")
@click.option("--tls-roots", type=_PEM, metavar="FILE", help="PEM roots of its certificate. [those of this machine]")
@click.option("--station-ca", type=_PEM, metavar="FILE",
              help="PEM certificate of an authority that it trusts for stations, for security profile 3.")  # fmt: skip
@click.option("--station-ca-key", type=_PEM, metavar="FILE", help="... and its private key.")
@click.option("--organisation", metavar="NAME", help="O in stations' certificates. [csmsd]")
@click.option("--driver", metavar="NAME",
              help="Who works its controls: csmsd, command, manual, or one that is installed. [csmsd]")  # fmt: skip
@click.option("--driver-option", "driver_options", multiple=True, metavar="KEY=VALUE",
              help="What the driver wants to know: --driver-option token=csms_… May be repeated.")  # fmt: skip
@takes_settings()
def certify(
    settings: Settings, ids: tuple[str, ...], files: tuple[Path, ...], timeout: float, at_once: int, **system: Any
) -> None:
    """Run the OCA's compliancy test cases against a csmsd with your plugins, or another central system.

    \b
      csmsd certify
      csmsd certify --case TC_023_1 --report report.html
      csmsd certify --url ws://csms.example:8887/ocpp --driver-option api=http://csms.example:8080

    Without --url it starts a csmsd of its own, on free ports and in a temporary folder, so nothing of yours is touched.
    With --url it needs a driver, which works that system's controls: csmsd by its management API (options api and
    token; else it is looked for on this machine), command by a program of yours (program, timeout), manual by asking
    you (name, version, lacks). Ctrl-C ends the run, with a report of what was done. The exit code is
    1 if a case failed.
    """
    import msgspec
    import trio

    from csmsd_certification.cases import select
    from csmsd_certification.local import open_local
    from csmsd_certification.progress import showing, stopped_by_interrupt
    from csmsd_certification.remote import Remote, open_remote
    from csmsd_certification.rendering import FORMATS, as_text
    from csmsd_certification.results import Report
    from csmsd_certification.running import run_cases

    for file in files:
        if file.suffix not in FORMATS:
            raise click.BadParameter(f"{file}: the ending is none of {', '.join(FORMATS)}", param_hint="--report")
    given = {name: value for name, value in system.items() if value}
    if given and "url" not in given:
        options = {option.name: option.opts[0] for option in click.get_current_context().command.params}
        raise click.UsageError(f"{options[next(iter(given))]} is about another central system: give its --url, too")
    config = settings.config
    set_up_logging(msgspec.structs.replace(config, log_level="error"))

    def opened() -> AbstractAsyncContextManager[CentralSystem]:
        return open_remote(Remote(**given, data_dir=config.data_dir), plugins, timeout) if given else open_local(config)

    async def run() -> Report:
        async with opened() as central, stopped_by_interrupt() as scope:
            with showing(len(cases), is_talking=central.most_at_once == 1, file=sys.stderr) as shown:
                return await run_cases(
                    central,
                    cases,
                    timeout=timeout,
                    at_once=at_once,
                    begins=shown.begins,
                    progress=shown.ended,
                    scope=scope,
                )

    with failures_as_sentences():
        cases = select(ids)
        plugins = [loaded.type for loaded in check_plugins(settings)]
        report = trio.run(run)
    if report.not_run:
        click.echo(err=True)  # below the ^C
    for file in files:
        file.write_text(FORMATS[file.suffix](report), encoding="utf-8")
        click.echo(f"report: {file}", err=True)
    headline, *lines = as_text(report).splitlines()
    click.secho(headline, bold=True, fg="green" if report.has_passed else "red")
    click.echo("\n".join(map(printable, lines)))
    if not report.has_passed:
        raise click.exceptions.Exit(ExitCode.REFUSED)
