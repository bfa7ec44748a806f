"""`csmsd config`: write a commented template, and show what is in force and why."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from csmsd.cli.failure import ExitCode, Failure
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.output import Output, takes_output
from csmsd.cli.settings import DEFAULT_FILE, Settings
from csmsd.cli.template import as_toml, in_force, template


class Setting(msgspec.Struct, frozen=True):
    """One key as `csmsd config show --json` prints it."""

    key: str
    value: str  # as TOML writes it
    origin: str  # "default", a file, a variable or a flag


@click.group()
def config() -> None:
    """Settings: write a template, show what is in force."""


@config.command(cls=SettingsCommand)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default=DEFAULT_FILE)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@takes_settings()
def init(settings: Settings, file: Path, force: bool) -> None:
    """Write FILE, a template with every key, its help and its default [csmsd.toml]; - prints it."""
    text = template(settings.config.plugins)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise Failure(f"{file} exists: --force overwrites it", ExitCode.USAGE) from None
    except OSError as error:
        raise Failure(f"{file}: cannot be written: {error.strerror}", ExitCode.USAGE) from None
    click.echo(f"{file} is written: every key is in there, commented out")


@config.command(cls=SettingsCommand)
@takes_output
@takes_settings()
def show(settings: Settings, output: Output) -> None:
    """Show every key, its value and where that comes from. Secrets are masked."""
    rows = [Setting(*row) for row in in_force(settings)]
    output.record(rows, lambda: as_toml(settings))
