"""What is checked when a plugin is registered, so that nothing about it has to be checked when a hook is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import pluggy

from csmsd._kernel.answers import Check, check_of
from csmsd.errors import HookMismatch, PluginConflict
from csmsd.hookspecs import COLOUR_ATTRIBUTE, FORMER_ATTRIBUTE, Colour, Former


@dataclass(frozen=True, slots=True)
class Spec:
    """A declared hook and who declared it."""

    function: Callable[..., Any]
    owner: str
    parameters: tuple[str, ...]
    colour: Colour
    accepts: Check | None  # what an answer must be like
    former: Former | None = None  # of which hook it is the former shape


def specs_of(manager: pluggy.PluginManager, module: ModuleType, owner: str) -> dict[str, Spec]:
    """The hooks that a module declares, by name."""
    functions = {name: getattr(module, name) for name in dir(module) if manager.parse_hookspec_opts(module, name)}
    return {
        name: Spec(
            function,
            owner,
            tuple(inspect.signature(function).parameters),
            _colour(function),
            check_of(function),
            _former(function),
        )
        for name, function in functions.items()
        if function.__module__ == module.__name__  # another plugin's hook may be imported, for its type or its name
    }


def _colour(function: Callable[..., Any]) -> Colour:
    colour: Colour = getattr(function, COLOUR_ATTRIBUTE, "async")
    return colour


def _former(function: Callable[..., Any]) -> Former | None:
    former: Former | None = getattr(function, FORMER_ATTRIBUTE, None)
    return former


def check_specs(new: dict[str, Spec], known: dict[str, Spec]) -> None:
    """One hook has one owner; PluginConflict."""
    for name, spec in new.items():
        other = known.get(name)
        if other is not None and other.function is not spec.function:
            raise PluginConflict(
                f"{spec.owner} and {other.owner} both publish a hook {name}: one of them has to rename it"
            )


def check_implementations(manager: pluggy.PluginManager, plugin: object, name: str, specs: dict[str, Spec]) -> None:
    """Every implementation fits its hook by name, arguments and colour; HookMismatch."""
    for hook, method, is_optional in _implementations(manager, plugin, name):
        spec = specs.get(hook)
        if spec is not None:
            _check_implementation(f"{name}: {hook}", method, spec)
        elif not is_optional:
            nearest = get_close_matches(hook, specs, n=1)
            advice = (
                f"the nearest is {nearest[0]}" if nearest else "mark it optionalhook=True if its owner may be absent"
            )
            raise HookMismatch(f"{name}: no enabled plugin publishes a hook {hook}; {advice}")


def implemented_hooks(manager: pluggy.PluginManager, plugin: object) -> frozenset[str]:
    """The names of the hooks for which a plugin has a method."""
    return frozenset(hook for hook, _, _ in _implementations(manager, plugin, ""))


def _implementations(
    manager: pluggy.PluginManager, plugin: object, name: str
) -> Iterator[tuple[str, Callable[..., Any], bool]]:
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            hook = options["specname"] or attribute
            if options["wrapper"] or options["hookwrapper"]:
                raise HookMismatch(
                    f"{name}: {hook} is a wrapper, but every plugin is asked by itself; write a plain answer"
                )
            yield hook, getattr(plugin, attribute), options["optionalhook"]


def _check_implementation(subject: str, method: Callable[..., Any], spec: Spec) -> None:
    if inspect.isasyncgenfunction(method):
        raise HookMismatch(f"{subject} must not be an async generator: return the answer instead of yielding")
    is_async = inspect.iscoroutinefunction(method)
    if spec.colour == "async" and not is_async:
        raise HookMismatch(f"{subject} must be async def")
    if spec.colour == "plain" and is_async:
        raise HookMismatch(f"{subject} must be a plain def")
    if spec.colour == "either" and inspect.isgeneratorfunction(method):
        raise HookMismatch(f"{subject} must not be a generator: return the answer instead of yielding")
    for parameter in inspect.signature(method).parameters.values():
        _check_parameter(subject, parameter, spec.parameters)


def _check_parameter(subject: str, parameter: inspect.Parameter, offered: tuple[str, ...]) -> None:
    is_named = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    if not is_named:
        raise HookMismatch(f"{subject} must take its arguments by name, not {parameter}")
    if parameter.default is inspect.Parameter.empty and parameter.name not in offered:
        raise HookMismatch(
            f"{subject} asks for {parameter.name}, but the hook offers {', '.join(offered) or 'nothing'}"
        )
