"""Checks of what a plugin says about itself; nothing of it is run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec

from csmsd import hookspecs
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.loader import load_plugins
from csmsd._kernel.pluginconfig import LIMITS, decode_config
from csmsd.errors import CsmsdError, PluginError
from csmsd.testing.contract.subject import Subject, installed, names_of_hooks

_FEWEST_WORDS = 8  # of a hook's manual


def check_declaration(subject: Subject) -> Iterator[str]:
    """Its name and API are such as csmsd takes, what it requires is there, and it says what it is for."""
    plugin, name = subject.plugin, subject.name
    try:
        subject.with_company()
    except PluginError as error:
        yield str(error)
    if not (plugin.__dict__.get("__doc__") or "").strip():
        yield f"{name} has no docstring: its first line is what `csmsd plugins` shows"
    for module in plugin.specs:
        for hook in sorted(names_of_hooks((module,))):
            if len((inspect.getdoc(getattr(module, hook)) or "").split()) < _FEWEST_WORDS:
                yield f"{name}: the hook {hook} has no manual: say when it is called, and what a failure means"
    for command in plugin.cli:
        if not (command.help or "").strip():
            yield f"{name}: the command {command.name} has no help text: give its function a docstring"


def check_configuration(subject: Subject) -> Iterator[str]:
    """Every key has a help text, nothing unknown is taken, and it starts without a table."""
    name, wanted = subject.name, subject.plugin.config_type
    yield from _about(name, f"plugin.{name}", wanted)
    try:
        decode_config(subject.plugin, subject.config)
    except CsmsdError as error:
        yield f"{name} cannot do without settings: give every key a default, or hand the checks a table ({error})"


def _about(name: str, section: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    settings = struct.__struct_config__
    if not settings.frozen:
        yield f"{name}: {struct.__name__} is not frozen: a configuration does not change while csmsd runs"
    if not settings.forbid_unknown_fields:
        yield f"{name}: {struct.__name__} takes unknown keys: set forbid_unknown_fields=True, so that typos are found"
    for field in msgspec.structs.fields(struct):
        bare, text = _split(field.type)
        if section == f"plugin.{name}" and field.encode_name == LIMITS:
            yield f"{name}: [{section}.{LIMITS}] belongs to csmsd: call the key something else"
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            yield from _about(name, f"{section}.{field.encode_name}", bare)
        elif not text:
            key = f"{section}.{field.encode_name}"
            yield f'{name}: {key} has no help text: write it as Annotated[<type>, "What it is for."]'


def _split(annotation: Any) -> tuple[Any, str]:
    if get_origin(annotation) is not Annotated:
        return annotation, ""
    bare, *extras = get_args(annotation)
    return bare, next((extra for extra in extras if isinstance(extra, str)), "")


def check_colours(subject: Subject) -> Iterator[str]:
    """Each hook that it implements exists, offers the arguments that are asked for, and is of the right colour."""
    required = load_plugins(subject.required)
    others = [one for one in installed() if one.name != subject.name]
    for beside in (required, sorted(others, key=lambda one: one.name)):
        try:
            hooks = HookSet()
            hooks.add_specs(hookspecs, "kernel")
            for other in beside:
                for module in other.type.specs:
                    hooks.add_specs(module, other.name)
            for module in subject.plugin.specs:
                hooks.add_specs(module, subject.name)
            hooks.check(subject.plugin.__new__(subject.plugin), subject.name)  # its methods are enough
        except PluginError as error:
            yield str(error)
