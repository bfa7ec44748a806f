"""`csmsd check`: everything a start looks at before it opens anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click
import msgspec

from csmsd import deprecations, hookspecs
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.loader import Loaded
from csmsd._kernel.pluginconfig import decode_config
from csmsd._kernel.steps import Terms
from csmsd._kernel.storage.engines import parse_url
from csmsd._kernel.transport.tls import context_of
from csmsd.cli.failure import ExitCode
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.output import Output, takes_output
from csmsd.cli.settings import Settings, check_plugins
from csmsd.config import Config
from csmsd.errors import CsmsdError
from csmsd.listening import parse_address, refuse_exposed


class PluginLine(msgspec.Struct, frozen=True):
    """One plugin, in the order of registration."""

    name: str
    version: str
    requires: tuple[str, ...]
    hooks: tuple[str, ...]
    deprecated: tuple[str, ...] = ()  # what it should not use any more, one sentence each


class Findings(msgspec.Struct, frozen=True):
    """What `csmsd check` has found."""

    plugins: tuple[PluginLine, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # what works, but had better be otherwise


@click.command(cls=SettingsCommand)
@takes_output
@takes_settings()
def check(settings: Settings, output: Output) -> None:
    """Check settings and plugins, and start nothing.

    Prints the plugins in the order in which they are registered, with the hooks they implement, and what had better be
    otherwise, like a certificate that expires soon. Every setting of `csmsd run` works here as well.
    """
    findings = look_at(settings)
    output.record(findings, lambda: _words(findings))
    if findings.problems:
        raise click.exceptions.Exit(ExitCode.USAGE)


def look_at(settings: Settings) -> Findings:
    """Check without side effects; problems are collected, not raised."""
    problems = list(_problems_of(settings.config))
    loaded: Sequence[Loaded] = ()
    try:
        loaded = check_plugins(settings)
    except CsmsdError as error:
        problems.append(str(error))
    lines: list[PluginLine] = []
    remarks: list[str] = []
    for one in loaded:
        try:
            remarks += _remarks_of(one, settings.config)
        except CsmsdError as error:
            problems.append(str(error))
    for one, hooks, deprecated, problem in _hooks_of(loaded):
        lines.append(PluginLine(one.name, one.version, one.type.requires, hooks, deprecated))
        problems += [problem] if problem else []
    return Findings(tuple(lines), tuple(problems), tuple(remarks))


def _problems_of(config: Config) -> Iterator[str]:
    listen = config.listen
    for key, text in (("listen.ocpp", listen.ocpp), ("listen.ocpp_tls", listen.ocpp_tls), ("listen.http", listen.http)):
        try:
            if text:
                address = parse_address(text, key)
                if key == "listen.ocpp":
                    refuse_exposed(address, listen, key)
        except CsmsdError as error:
            yield str(error)
    try:
        parse_url(config.store_url)
        if listen.ocpp_tls:
            context_of(listen)
    except CsmsdError as error:
        yield str(error)


def _remarks_of(one: Loaded, config: Config) -> Iterable[str]:
    own = decode_config(one.type, config.plugin.get(one.name, {}))
    return one.type.remarks(own, config)


def _hooks_of(loaded: Sequence[Loaded]) -> Iterator[tuple[Loaded, tuple[str, ...], tuple[str, ...], str]]:
    """Each plugin with the names of the hooks it implements and what is deprecated, or with what does not fit."""
    hooks = HookSet()
    hooks.add_specs(hookspecs, "kernel")
    hooks.add_specs(deprecations, "kernel")
    for one in loaded:
        try:
            for module in one.type.specs:
                hooks.add_specs(module, one.name)
            bare = one.type.__new__(one.type)  # its methods are enough: nothing of it is run
            hooks.enable(bare, one.name, Terms(1.0))
        except CsmsdError as error:
            yield one, (), (), str(error)
        else:
            yield one, hooks.hooks_of(bare), hooks.deprecated[one.name], ""


def _words(findings: Findings) -> str:
    lines = ["plugins, in the order of registration (later ones are asked first):"]
    for plugin in findings.plugins:
        needs = f"  requires {', '.join(plugin.requires)}" if plugin.requires else ""
        lines.append(f"  {plugin.name} {plugin.version}{needs}".rstrip())
        lines += [f"      {hook}" for hook in plugin.hooks]
        lines += [f"      note: {sentence}" for sentence in plugin.deprecated]
    lines += [f"remark: {remark}" for remark in findings.remarks]
    lines += [f"problem: {problem}" for problem in findings.problems]
    if findings.problems:
        lines.append(f"{len(findings.problems)} problem(s)")
    else:
        lines.append(f"{len(findings.remarks)} remark(s), no problem" if findings.remarks else "everything is in order")
    return "\n".join(lines)
