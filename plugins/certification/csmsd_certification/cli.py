"""`csmsd certify`. What it needs is imported when it runs: help is quick."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from csmsd.cli.failure import ExitCode, failures_as_sentences
from csmsd.cli.logs import set_up_logging
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.settings import Settings, check_plugins

_AT_ONCE = 8
_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


@click.command(cls=SettingsCommand)
@click.option("--case", "ids", multiple=True, metavar="ID", help="Only this case, TC_023_1; may be repeated. [all]")
@click.option("--report", "files", multiple=True, type=_FILE, metavar="FILE",
              help="Write the report: .html, .md, .json or .txt; may be repeated.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, 60, min_open=True), default=10.0, metavar="SECONDS",
              help="For each step of a case. [10]")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 77), default=_AT_ONCE, help=f"How many cases. [{_AT_ONCE}]")
@takes_settings()
def certify(settings: Settings, ids: tuple[str, ...], files: tuple[Path, ...], timeout: float, at_once: int) -> None:
    """Run the OCA's compliancy test cases against a csmsd with your plugins.

    \b
      csmsd certify
      csmsd certify --case TC_023_1 --report report.html

    It starts a csmsd of its own, on free ports and in a temporary folder, so nothing of yours is touched. The exit code
    is 1 if a case failed.
    """
    import msgspec
    import trio

    from csmsd_certification.cases import select
    from csmsd_certification.local import open_local
    from csmsd_certification.rendering import FORMATS, as_text
    from csmsd_certification.results import CaseResult, Report
    from csmsd_certification.running import run_cases

    for file in files:
        if file.suffix not in FORMATS:
            raise click.BadParameter(f"{file}: the ending is none of {', '.join(FORMATS)}", param_hint="--report")
    config = settings.config
    set_up_logging(msgspec.structs.replace(config, log_level="error"))

    async def run() -> Report:
        async with open_local(config) as central:
            with click.progressbar(length=len(cases), label="certifying", file=sys.stderr) as bar:

                def progress(_result: CaseResult) -> None:
                    bar.update(1)

                return await run_cases(central, cases, timeout=timeout, at_once=at_once, progress=progress)

    with failures_as_sentences():
        cases = select(ids)
        check_plugins(settings)
        report = trio.run(run)
    for file in files:
        file.write_text(FORMATS[file.suffix](report), encoding="utf-8")
    click.echo(as_text(report), nl=False)
    if not report.has_passed:
        raise click.exceptions.Exit(ExitCode.REFUSED)
