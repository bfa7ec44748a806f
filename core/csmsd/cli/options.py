"""Click options that are generated from the keys of the configuration, so that no key can lack its flag."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click

from csmsd.cli.keys import KERNEL_KEYS, Key, section_help
from csmsd.cli.settings import Assignment, Settings, load_settings
from csmsd.cli.values import expectation, shown

F = TypeVar("F", bound=Callable[..., Any])

SHORT_FORMS = {"listen.ocpp": "--ocpp-listen", "listen.ocpp_tls": "--ocpp-tls-listen", "listen.http": "--http-listen"}
_PARAMETER = "setting__"  # click's parameters must be identifiers
_KEYS = {f"{_PARAMETER}{'__'.join(key.path)}": key for key in KERNEL_KEYS.values()}


class SettingOption(click.Option):
    """The flag of one key. Its value stays text: `csmsd.cli.settings` converts it."""

    def __init__(self, key: Key, *, hidden: bool) -> None:
        names = [key.flag, *filter(None, [SHORT_FORMS.get(key.name)])]
        self.key = key
        super().__init__(
            [*names, _identifier(key)],
            metavar=_metavar(key),
            help=f"{key.help} {_default_of(key)}".rstrip(),
            hidden=hidden,
            # `--listen-allow-plain` alone means true.
            is_flag=False,
            flag_value="true" if _is_switch(key) else None,
        )


class SettingsCommand(click.Command):
    """A command that takes settings; its help shows them section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_section_of(parameter), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=34)


def takes_settings(*, all_shown: bool = False) -> Callable[[F], F]:
    """Give a command `--config`, `--set` and a flag for every key; it is called with the resolved `settings`.

    ConfigError if something is wrong with them.
    """

    def decorate(function: F) -> F:
        def collect(config_file: Path | None, assignments: tuple[str, ...], **values: Any) -> Any:
            rest = {name: value for name, value in values.items() if not name.startswith(_PARAMETER)}
            flags = [*_flags_in(values), *map(_assignment, assignments)]
            return function(settings=resolve(config_file, flags), **rest)

        command = update_wrapper(collect, function)
        own = getattr(function, "__click_params__", [])
        generated = [
            SettingOption(key, hidden=not all_shown and key.name not in _ALWAYS_SHOWN) for key in KERNEL_KEYS.values()
        ]
        command.__click_params__ = [*reversed(generated), _set_option(), _config_option(), *own]  # type: ignore[attr-defined]  # click keeps parameters there
        return command  # type: ignore[return-value]  # what click calls takes other arguments than what we were given

    return decorate


_ALWAYS_SHOWN = frozenset(("plugins", "data_dir"))


def resolve(config_file: Path | None, flags: Iterable[Assignment]) -> Settings:
    """The settings of this invocation; `--config` may stand before the command, too."""
    return load_settings(config_file or config_file_of(click.get_current_context()), os.environ, flags)


def config_file_of(context: click.Context) -> Path | None:
    """The file that `csmsd --config` or CSMSD_CONFIG names; None means csmsd.toml, if there is one."""
    file: Path | None = context.find_root().params.get("config_file")
    name = os.environ.get("CSMSD_CONFIG")
    return file or (Path(name) if name else None)


def _flags_in(values: dict[str, Any]) -> Iterable[Assignment]:
    for name, value in values.items():
        if name.startswith(_PARAMETER) and value is not None:
            key = _KEYS[name]
            yield Assignment(key.name, value, key.flag)


def _assignment(text: str) -> Assignment:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r}: expected KEY=VALUE, like limits.call_timeout=30", param_hint="--set")
    return Assignment(name.strip(), value, f"--set {name.strip()}")


def _config_option() -> click.Option:
    return click.Option(
        ["--config", "config_file"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Settings in TOML. [csmsd.toml, if there is one; CSMSD_CONFIG]",
    )


def _set_option() -> click.Option:
    return click.Option(
        ["--set", "assignments"],
        multiple=True,
        metavar="KEY=VALUE",
        help="Any key by its name, also of plugins: --set plugin.core.heartbeat_interval=300. May be repeated.",
    )


def _identifier(key: Key) -> str:
    return _PARAMETER + "__".join(key.path)


def _is_switch(key: Key) -> bool:
    return isinstance(key.default, bool)


def _default_of(key: Key) -> str:
    text = ",".join(map(str, key.default)) if key.is_list else shown(key.path, key.default).strip('"')
    return f"[{text}]" if text else ""


def _metavar(key: Key) -> str:
    words = expectation(key)
    if key.is_list:
        return "A,B,…"
    if _is_switch(key):
        return "[true|false]"
    if key.choices:
        return f"[{'|'.join(key.choices)}]"
    return "NUMBER" if "number" in words else "PATH" if "path" in words else "TEXT"


def _section_of(parameter: click.Parameter) -> str:
    if isinstance(parameter, SettingOption) and len(parameter.key.path) > 1:
        section = parameter.key.path[0]
        return f"[{section}] {section_help(section).rstrip('.')}"
    return "Options" if not isinstance(parameter, SettingOption) else "Settings"
