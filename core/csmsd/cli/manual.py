"""The reference of the command line as Markdown, from the commands themselves: `python -m csmsd.cli.manual`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import click

from csmsd._kernel.loader import load_plugin
from csmsd.cli.failure import ExitCode
from csmsd.cli.keys import KERNEL_KEYS, Key, section_help
from csmsd.cli.main import csmsd, own_commands
from csmsd.cli.options import SettingOption
from csmsd.cli.settings import plugin_keys
from csmsd.cli.values import toml

DOCUMENTED = ("core", "web", "authorizer", "certification")  # plugins whose commands and keys the page has
_INTRODUCTION = """\
# The command line

This page is generated from the commands: `python -m csmsd.cli.manual > docs/cli.md`.

`csmsd run` is the server. Most other commands speak to a running server over its management API. On the same machine
they find it by themselves: the server leaves its URL and a token in its `data_dir`. From elsewhere give `--url` and
`--token`, or set `CSMSD_URL` and `CSMSD_TOKEN`. Every command that shows something takes `--json`.

Shell completion: `eval "$(_CSMSD_COMPLETE=bash_source csmsd)"`, likewise `zsh_source` and
`_CSMSD_COMPLETE=fish_source csmsd | source`.

## Exit codes

| code | meaning |
|---|---|
"""
_MEANINGS = {
    ExitCode.OK: "done; for `csmsd call`: the station answered, read its status",
    ExitCode.REFUSED: "refused by the server or the station, or csmsd could not go on",
    ExitCode.USAGE: "the command line or the configuration cannot be used",
    ExitCode.OFFLINE: "the station is not connected",
    ExitCode.TIMEOUT: "the station did not answer in time",
    ExitCode.UNREACHABLE: "no csmsd answers",
}
_SETTINGS = """\
## Settings

Values come from, later ones win: defaults, `csmsd.toml` in the working directory (or `--config FILE`, `CSMSD_CONFIG`),
environment variables, flags. Lists are written with commas in variables and flags. Every key can be given as
`--set KEY=VALUE`, those of plugins only so. An unknown key is an error that names the nearest known one. In the file a
value can be taken from the environment: `key = { env = "NAME" }`; such values are never shown.

`csmsd config init` writes a commented template, `csmsd config show` tells what is in force and where it comes from.
"""


def manual(plugins: Iterable[str]) -> str:
    """The whole page, with the commands and keys of the named plugins."""
    names = list(plugins)
    commands = [*own_commands(), *(command for name in names for command in load_plugin(name).type.cli)]
    codes = "\n".join(f"| {code.value} | {_MEANINGS[code]} |" for code in ExitCode)
    context = click.Context(csmsd, info_name="csmsd")
    chapters = [chapter for command in commands for chapter in _chapters(command, context)]
    return "\n".join([_INTRODUCTION + codes, "", *chapters, _SETTINGS, *_settings(names)])


def _chapters(command: click.Command, parent: click.Context) -> Iterator[str]:
    """A command, then those below it."""
    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {context.command_path}", "", f"    {context.command_path} {usage}", "", _help_of(command)]
    options = [option for option in command.params if isinstance(option, click.Option)]
    rows = [_option_row(option) for option in options if not isinstance(option, SettingOption)]
    if rows:
        lines += ["", "| option | |", "|---|---|", *rows]
    if any(isinstance(option, SettingOption) for option in options):
        lines += ["", "All [settings](#settings) can be given as flags."]
    yield "\n".join([*lines, ""])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _chapters(below, context)


def _help_of(command: click.Command) -> str:
    r"""Its docstring; what stands after click's `\b` keeps its lines, and is code if it is indented."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_paragraph(part) for part in paragraphs)


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n  "):
        return text.removeprefix("\b\n")
    return "\n".join(f"  {line}" for line in text.splitlines()[1:])


def _option_row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or not option.metavar else f" {option.metavar}"
    choices = f" {'/'.join(option.type.choices)}" if isinstance(option.type, click.Choice) else ""
    return f"| {names}{_cell(value or choices)} | {_cell(option.help or '')} |"


def _settings(plugins: Iterable[str]) -> Iterator[str]:
    tables: dict[str, list[Key]] = {}
    for key in (*KERNEL_KEYS.values(), *(key for name in plugins for key in plugin_keys(name))):
        tables.setdefault(".".join(key.path[:-1]), []).append(key)
    for table, keys in tables.items():
        title = f"### [{table}]" if table else "### At the top"
        about = f"\n{section_help(table)}\n" if table and "." not in table else ""
        rows = [f"| `{key.path[-1]}` | {_default(key)} | `{key.variable}` | {_cell(key.help)} |" for key in keys]
        yield "\n".join([title, about, "| key | default | variable | |", "|---|---|---|---|", *rows, ""])


def _default(key: Key) -> str:
    return "" if key.default is None else f"`{_cell(toml(key.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    click.echo(manual(DOCUMENTED), nl=False)
