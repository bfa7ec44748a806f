"""`csmsd plugins`: what is installed, what takes part, who is asked what, and how it is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from csmsd._kernel.loader import installed_plugins
from csmsd.cli.options import config_file_of
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.cli.settings import load_settings
from csmsd.client import ApiClient, ServerUnreachable, segment
from csmsd.facts import SetAside


class PluginLine(msgspec.Struct, frozen=True):
    """A plugin of the running csmsd, or one that is only installed."""

    name: str
    state: str
    version: str = ""
    summary: str = ""
    failures: int = 0
    backlog: int = 0
    set_aside: int = 0
    last_failure: str = ""
    calls: int = 0
    seconds: float = 0.0
    deprecated: Sequence[str] = ()


class HookUser(msgspec.Struct, frozen=True):
    """A plugin that implements a hook."""

    plugin: str
    colour: str
    is_critical: bool = False
    note: str = ""


class HookLine(msgspec.Struct, frozen=True):
    """A hook, and who is asked in which order."""

    name: str
    owner: str
    colour: str
    asked: Sequence[HookUser] = ()


class _Turn(msgspec.Struct, frozen=True):
    """One line of the table: a plugin's turn in a hook."""

    hook: str
    turn: str
    plugin: str
    colour: str


class _Reloaded(msgspec.Struct, frozen=True):
    """What the server says of a reload."""

    reloaded: Sequence[str]


Columns = list[tuple[str, Callable[[PluginLine], object]]]


@click.group(invoke_without_command=True)
@click.option("--hooks", is_flag=True, help="Instead, by hook: which plugin is asked in which order, and its colour.")
@click.option("--unused", is_flag=True, help="With --hooks: also the hooks that nobody implements.")
@click.pass_context
@takes_server
def plugins(context: click.Context, client: ApiClient, output: Output, hooks: bool, unused: bool) -> None:
    """Plugins: list, enable, disable, reload, begin a new one; hooks and who is asked; facts not taken.

    Alone it lists them. `csmsd plugin` is the same command. With --hooks it lists the hooks: the plugins in the order
    in which the server asks them. A plain implementation answers at once, an async one in a task of its own;
    docs/hooks.md says what that means.
    """
    if context.invoked_subcommand is not None:
        return
    if hooks:
        _show_hooks(client, output, all_of_them=unused)
    else:
        _list(context, client, output)


@plugins.command("list")
@click.pass_context
@takes_server
def list_plugins(context: click.Context, client: ApiClient, output: Output) -> None:
    """List the plugins of the running server, and those that are installed beside them."""
    _list(context, client, output)


@plugins.command()
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), metavar="PATH", help="Where. [./csmsd-NAME]")
def new(name: str, folder: Path | None) -> None:
    """Begin the plugin NAME: a whole project that works and passes its own tests.

    It has a typed configuration, a hook, a table with its migration, a command, a route of the management API, tests.
    """
    from csmsd.cli.main import own_commands
    from csmsd.cli.scaffold import new_project

    root = new_project(name, folder, tuple(command.name or "" for command in own_commands()))
    click.echo(f"{root} is ready:\n\n  cd {root}\n  pip install -e '.[dev]'\n  pytest")
    click.echo(f"  csmsd run --plugins core,web,{name}")


def _list(context: click.Context, client: ApiClient, output: Output) -> None:
    try:
        running = list(client.items("/plugins"))
    except ServerUnreachable as error:
        if not output.is_json:
            click.echo(f"({error})", err=True)
        output.rows(_configured(context), PluginLine, _COLUMNS, "no plugins are installed")
        return
    known = {msgspec.json.decode(one, type=PluginLine).name for one in running}
    output.rows([*running, *_installed_beside(known)], PluginLine, _COLUMNS, "no plugins are installed")


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


@plugins.command()
@click.argument("name")
@takes_server
def reload(client: ApiClient, output: Output, name: str) -> None:
    """Exchange a plugin of the running server for the code that is installed now, after an upgrade of its package.

    Stations stay connected: calls in flight are finished by the old code, those that arrive meanwhile wait for the new
    one. Plugins that require it are exchanged with it. If the new code cannot be used the old one runs on, and the
    reason is printed.
    """
    answer = client.post(f"/plugins/{segment(name)}/reload")
    names = msgspec.json.decode(answer, type=_Reloaded).reloaded
    words = f"new code runs of {', '.join(names)}" if names else f"{name} is not enabled: its new code runs when it is"
    output.record(answer, lambda: words)


@plugins.command("facts")
@click.argument("name")
@click.option("--reader", help="Only of this reader of the plugin, for instance of one webhook.")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the oldest first. [20]")
@takes_server
def list_facts(client: ApiClient, output: Output, name: str, reader: str | None, limit: int) -> None:
    """List the facts that plugin NAME could not take: they were tried in vain, and set aside."""
    output.rows(
        client.items(f"/plugins/{segment(name)}/facts/failed", most=limit, reader=reader),
        SetAside,
        (
            ("fact", lambda row: row.fact_id),
            ("name", lambda row: row.name),
            ("station", lambda row: row.station_id),
            ("reader", lambda row: row.reader or None),
            ("attempts", lambda row: row.attempts),
            ("set aside", lambda row: row.set_aside_at),
            ("reason", lambda row: row.reason),
        ),
        f"no fact is set aside for {name}",
    )


@plugins.command("retry")
@click.argument("name")
@click.argument("fact_id", type=int, metavar="[FACT]", required=False)
@click.option("--reader", help="The reader of the plugin that could not take it.")
@click.option("--all", "is_all", is_flag=True, help="All that are set aside, the oldest first, until one fails.")
@takes_server
def retry_facts(
    client: ApiClient, output: Output, name: str, fact_id: int | None, reader: str | None, is_all: bool
) -> None:
    """Deliver FACT, which was set aside, to plugin NAME once more."""
    if is_all == (fact_id is not None):
        raise click.UsageError("give either a fact or --all")
    path = f"/plugins/{segment(name)}/facts/failed"
    if fact_id is not None:
        client.post(f"{path}/{fact_id}/retry{_query(reader)}", timeout=None)
        output.done(f"{name} has taken fact {fact_id}")
        return
    failed = [msgspec.json.decode(one, type=SetAside) for one in client.items(path, reader=reader)]
    for each in failed:
        client.post(f"{path}/{each.fact_id}/retry{_query(each.reader)}", timeout=None)
    output.done(f"{name} has taken {len(failed)} facts")


@plugins.command("discard")
@click.argument("name")
@click.argument("fact_id", type=int, metavar="FACT")
@click.option("--reader", help="The reader of the plugin that could not take it.")
@takes_server
def discard_fact(client: ApiClient, output: Output, name: str, fact_id: int, reader: str | None) -> None:
    """Give up FACT, which was set aside: plugin NAME will never get it."""
    client.delete(f"/plugins/{segment(name)}/facts/failed/{fact_id}{_query(reader)}")
    output.done(f"fact {fact_id} is discarded")


def _query(reader: str | None) -> str:
    return f"?reader={segment(reader)}" if reader else ""


def _show_hooks(client: ApiClient, output: Output, *, all_of_them: bool) -> None:
    lines = list(client.items("/hooks"))
    if output.is_json:
        output.rows(lines, HookLine, (), "")
        return
    turns = [turn for line in lines for turn in _turns(msgspec.json.decode(line, type=HookLine), all_of_them)]
    columns: list[tuple[str, Callable[[_Turn], object]]] = [
        ("hook", lambda row: row.hook),
        ("asked", lambda row: row.turn),
        ("plugin", lambda row: row.plugin),
        ("colour", lambda row: row.colour),
    ]
    output.rows(turns, _Turn, columns, "no plugin implements any hook")


def _turns(line: HookLine, all_of_them: bool) -> Iterator[_Turn]:
    title = f"{line.name} ({line.owner})"
    for number, user in enumerate(line.asked, 1):
        plugin = f"{user.plugin}, {user.note}" if user.note else user.plugin
        critical = ", critical" if user.is_critical else ""
        yield _Turn(title if number == 1 else "", str(number), plugin, f"{user.colour}{critical}")
    if all_of_them and not line.asked:
        yield _Turn(title, "-", "nobody", line.colour)


def _about(row: PluginLine) -> str:
    return row.last_failure or "; ".join(row.deprecated) or row.summary


_COLUMNS: Columns = [
    ("plugin", lambda row: row.name),
    ("state", lambda row: row.state),
    ("version", lambda row: row.version),
    ("calls", lambda row: row.calls),
    ("failures", lambda row: row.failures),
    ("seconds", lambda row: f"{row.seconds:.3f}"),
    ("backlog", lambda row: row.backlog),
    ("set aside", lambda row: row.set_aside),
    ("about", _about),
]


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
