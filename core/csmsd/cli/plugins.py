"""`csmsd plugins`: what is installed, what takes part, and how it is doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
import msgspec

from csmsd._kernel.loader import installed_plugins
from csmsd.cli.options import config_file_of
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.cli.settings import load_settings
from csmsd.client import ApiClient, ServerUnreachable, segment


class PluginLine(msgspec.Struct, frozen=True):
    """A plugin of the running csmsd, or one that is only installed."""

    name: str
    state: str
    version: str = ""
    summary: str = ""
    failures: int = 0
    last_failure: str = ""
    hooks: Sequence[str] = ()


Columns = list[tuple[str, Callable[[PluginLine], object]]]


@click.group(invoke_without_command=True)
@click.option("--hooks", is_flag=True, help="Also the hooks that each implements.")
@click.pass_context
@takes_server
def plugins(context: click.Context, client: ApiClient, output: Output, hooks: bool) -> None:
    """Plugins: list, enable, disable.

    Lists those of the running server, and those that are installed beside them.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        running = list(client.items("/plugins"))
    except ServerUnreachable as error:
        if not output.is_json:
            click.echo(f"({error})", err=True)
        output.rows(_configured(context), PluginLine, _columns(hooks=False), "no plugins are installed")
        return
    known = {msgspec.json.decode(one, type=PluginLine).name for one in running}
    output.rows([*running, *_installed_beside(known)], PluginLine, _columns(hooks=hooks), "no plugins are installed")


@plugins.command()
@click.argument("name")
@takes_server
def enable(client: ApiClient, output: Output, name: str) -> None:
    """Enable a plugin of the running server, until it is restarted: the configuration stays as it is."""
    answer = client.post(f"/plugins/{segment(name)}/enable")
    output.record(answer, lambda: f"{name} is enabled")


@plugins.command()
@click.argument("name")
@takes_server
def disable(client: ApiClient, output: Output, name: str) -> None:
    """Disable a plugin of the running server, until it is restarted. Its tables stay."""
    answer = client.post(f"/plugins/{segment(name)}/disable")
    output.record(answer, lambda: f"{name} is disabled")


def _columns(*, hooks: bool) -> Columns:
    columns: Columns = [
        ("plugin", lambda row: row.name),
        ("state", lambda row: row.state),
        ("version", lambda row: row.version),
        ("failures", lambda row: row.failures),
        ("about", lambda row: row.last_failure or row.summary),
    ]
    return [*columns, ("hooks", lambda row: row.hooks)] if hooks else columns


def _installed_beside(known: set[str]) -> list[PluginLine]:
    return [
        PluginLine(entry.name, "installed", entry.dist.version if entry.dist else "")
        for entry in installed_plugins()
        if entry.name not in known
    ]


def _configured(context: click.Context) -> list[PluginLine]:
    """Without a server: what a start would use."""
    named = load_settings(config_file_of(context)).config.plugins
    return [
        msgspec.structs.replace(line, state="configured" if line.name in named else "installed")
        for line in _installed_beside(set())
    ]
