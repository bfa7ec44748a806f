"""`csmsd`: the group of all commands; those of plugins join when the configuration names the plugin."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click

from csmsd._kernel.loader import load_plugin
from csmsd._kernel.offers import plugin_of_verb
from csmsd.cli.failure import failures_as_sentences
from csmsd.cli.options import config_file_of
from csmsd.cli.settings import load_settings
from csmsd.errors import CsmsdError

# Imported when they are used, so that `csmsd --help` and shell completion are quick.
_OWN = {
    "run": "csmsd.cli.run:run",
    "check": "csmsd.cli.check:check",
    "config": "csmsd.cli.configuration:config",
    "db": "csmsd.cli.db:db",
    "plugins": "csmsd.cli.plugins:plugins",
    "station": "csmsd.cli.station:station",
    "call": "csmsd.cli.call:call",
    "tail": "csmsd.cli.tail:tail",
    "trace": "csmsd.cli.trace:trace",
    "attempts": "csmsd.cli.attempts:attempts",
    "audit": "csmsd.cli.audit:audit",
}
_ALSO = {"plugin": "plugins"}  # `csmsd plugin new acme` reads better
_SECTIONS = (
    ("The server", ("run", "check", "config", "db", "plugins", "audit")),
    ("Stations", ("station", "call", "tail", "trace", "attempts")),
)


class Commands(click.Group):
    """Finds commands lazily: csmsd's own by name, then those of the plugins that are configured."""

    _from_plugins: dict[str, click.Command] | None = None
    _problems: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Own ones first, in a sensible order."""
        return [*_OWN, *(name for name in self._plugin_commands(ctx) if name not in _OWN)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A plugin cannot replace a command of csmsd."""
        cmd_name = _ALSO.get(cmd_name, cmd_name)
        if cmd_name in _OWN:
            return _own_command(cmd_name)
        return self._plugin_commands(ctx).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown command may be one of a plugin that is not enabled, or could not be loaded: then say so."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            for problem in self._problems:
                click.echo(f"csmsd: {problem}", err=True)
            plugin = plugin_of_verb(args[0])
            if plugin is not None and not self._problems:
                advice = f"it comes with the plugin {plugin}; add {plugin} to the list of plugins."
                raise click.UsageError(f"No such command {args[0]!r}: {advice}", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In sections; what plugins add comes last, and what keeps them from it in one line each."""
        named = {name for _, names in _SECTIONS for name in names}
        rest = tuple(name for name in self.list_commands(ctx) if name not in named)
        for title, names in (*_SECTIONS, ("Of plugins", rest)):
            rows = [(name, found.get_short_help_str(90)) for name in names if (found := self.get_command(ctx, name))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        for problem in self._problems:
            formatter.write_paragraph()
            formatter.write_text(f"Note: {problem}")

    def invoke(self, ctx: click.Context) -> object:
        """Errors that are raised on purpose become one sentence."""
        with failures_as_sentences():
            return super().invoke(ctx)

    def forget_plugins(self) -> None:
        """Look at the configuration again: for those who run several command lines in one process."""
        self._from_plugins, self._problems = None, ()

    def _plugin_commands(self, ctx: click.Context) -> dict[str, click.Command]:
        if self._from_plugins is None:
            self._from_plugins, problems = {}, []
            try:
                plugins = load_settings(config_file_of(ctx)).config.plugins
            except CsmsdError as error:
                plugins, problems = (), [f"the commands of plugins are missing: {error}"]
            for name in plugins:
                try:
                    commands = load_plugin(name).type.cli
                except CsmsdError as error:
                    problems.append(f"the commands of a plugin are missing: {error}")
                else:
                    self._from_plugins.update((command.name or "", command) for command in commands)
            self._problems = tuple(problems)
        return self._from_plugins


def own_commands() -> list[click.Command]:
    """Those that do not depend on the configuration."""
    return [_own_command(name) for name in _OWN]


def _own_command(name: str) -> click.Command:
    module, _, attribute = _OWN[name].partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "show_default": False},
    epilog='Shell completion: eval "$(_CSMSD_COMPLETE=bash_source csmsd)" (zsh_source, fish_source likewise).',
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings in TOML. [csmsd.toml, if there is one; CSMSD_CONFIG]",
)
@click.version_option(version("csmsd"), prog_name="csmsd", message="%(prog)s %(version)s")
def csmsd(config_file: Path | None) -> None:
    """csmsd, an OCPP 1.6-J charging station management system.

    \b
      csmsd run --open            try it with a charger on your desk
      csmsd station add CP-1      register a station
      csmsd tail CP-1             watch what it says
      csmsd call CP-1 Reset '{"type": "Soft"}'
    """
