"""Hooks: what is checked at registration, and in which order and with what implementations are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from csmsd.errors import HookMismatch, PluginConflict
from csmsd.hookspecs import hookimpl, hookspec
from tests.kernel.hook_world import (
    SPECS,
    TERMS,
    asking,
    module_of,
    new_hooks,
    question,
)


class Misspelt:
    @hookimpl
    def qestion(self) -> None: ...


class TooFast:
    @hookimpl
    def event_happened(self) -> None: ...


class TooSlow:
    @hookimpl
    async def report_things(self) -> None: ...


class Generating:
    @hookimpl
    async def event_happened(self) -> AsyncIterator[None]:
        yield


class Yielding:
    @hookimpl
    def question(self) -> Iterator[None]:
        yield


class Wrapping:
    @hookimpl(wrapper=True)
    def question(self) -> Any:
        return (yield)


class Curious:
    @hookimpl
    def question(self, number: int, colour: str) -> None: ...


class Greedy:
    @hookimpl
    def question(self, *things: Any) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (Misspelt, "acme: no enabled plugin publishes a hook qestion; the nearest is question"),
        (TooFast, "acme: event_happened must be async def"),
        (TooSlow, "acme: report_things must be a plain def"),
        (Generating, "acme: event_happened must not be an async generator: return the answer instead of yielding"),
        (Yielding, "acme: question must not be a generator: return the answer instead of yielding"),
        (Wrapping, "acme: question is a wrapper, but every plugin is asked by itself; write a plain answer"),
        (Curious, "acme: question asks for colour, but the hook offers number, word"),
        (Greedy, "acme: question must take its arguments by name, not *things: 'Any'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_has_changed(plugin: type, complaint: str) -> None:
    hooks, changes = new_hooks(), list[int]()
    hooks.changed.append(lambda: changes.append(1))
    with pytest.raises(HookMismatch) as caught:
        hooks.enable(plugin(), "acme", TERMS)
    assert str(caught.value) == complaint
    assert not hooks.is_enabled("acme")
    assert changes == []


def test_the_hook_of_a_plugin_that_may_be_absent_is_optional_and_checked_when_it_comes() -> None:
    class Panels:
        @hookimpl(optionalhook=True)
        def web_panels(self) -> None: ...

    def web_panels() -> None: ...

    hooks = new_hooks(Panels())
    with pytest.raises(HookMismatch, match="p0: web_panels must be async def"):
        hooks.add_specs(module_of(hookspec()(web_panels)), "web")
    hooks.add_specs(module_of(hookspec(colour="plain")(web_panels)), "web")
    assert [step.plugin for step in hooks.plan(web_panels)] == ["p0"]


def test_two_plugins_cannot_publish_the_same_hook() -> None:
    def question() -> None: ...

    hooks = new_hooks()
    hooks.add_specs(SPECS, "test")  # the same again is no conflict
    with pytest.raises(PluginConflict, match="rival and test both publish a hook question"):
        hooks.add_specs(module_of(hookspec()(question)), "rival")


def test_a_spec_that_nobody_publishes_has_an_empty_plan() -> None:
    def question() -> None: ...

    assert new_hooks(asking(lambda self: "yes")).plan(question) == ()


def test_later_plugins_are_asked_first_and_trylast_ones_last() -> None:
    hooks = new_hooks(asking(lambda self: 0, trylast=True), asking(lambda self: 1), asking(lambda self: 2))
    assert [step.plugin for step in hooks.plan(question)] == ["p2", "p1", "p0"]
    assert hooks.plan(question) is hooks.plan(question)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (lambda self: "none", "none"),
        (lambda self, number, word: f"{number}{word}", "1a"),
        (lambda self, word, number: f"{word}{number}", "a1"),
        (lambda self, word: word, "a"),
        (lambda self, word, extra="x": word + extra, "ax"),
    ],
)
def test_arguments_may_be_left_out_and_come_in_any_order(method: Callable[..., Any], answer: str) -> None:
    (step,) = new_hooks(asking(method)).plan(question)
    assert step.call(1, "a") == answer


def test_plans_are_swapped_when_the_set_changes() -> None:
    hooks, seen = new_hooks(asking(lambda self: 0)), list[int]()
    hooks.changed.append(lambda: seen.append(len(hooks.plan(question))))
    old = hooks.plan(question)
    hooks.enable(asking(lambda self: 1), "acme", TERMS)
    hooks.disable("p0")
    hooks.disable("p0")
    hooks.disable("acme")
    assert seen == [2, 1, 0]
    assert len(old) == 1  # who walks it, walks it to the end
