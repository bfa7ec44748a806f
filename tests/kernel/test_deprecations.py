"""Hooks with another name or shape: plugins written for the former one are asked as before, and told what to write."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from trio.testing import MockClock

from csmsd import deprecations
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.steps import Terms
from csmsd.deprecations import CsmsdDeprecation
from csmsd.hookspecs import FORMER_ATTRIBUTE, Former, hookimpl, hookspec, report_client_roots
from csmsd.host import HookStatus, PluginStatus
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import open_test_csms
from tests.kernel.hook_world import module_of, running

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


class OldPlugin(Plugin[NoConfig]):
    """Written for the former name."""

    name = "old"

    @hookimpl
    def client_roots(self) -> list[str]:
        return ["old root"]


class NewPlugin(Plugin[NoConfig]):
    """Written for the name of today."""

    name = "new"

    @hookimpl
    def report_client_roots(self) -> list[str]:
        return ["new root"]


class BothPlugin(OldPlugin):
    """Runs with csmsd before and after the change."""

    name = "both"

    @hookimpl
    def report_client_roots(self) -> list[str]:
        return ["root of both"]


async def test_an_old_plugin_is_asked_in_its_turn_and_told_what_to_write(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Newest(NewPlugin):
        """Asked first."""

        name = "newest"

    async def look() -> tuple[list[Any], HookStatus, dict[str, PluginStatus]]:
        async with open_test_csms(plugins=["core", NewPlugin, OldPlugin, Newest]) as csms:
            (hook,) = (hook for hook in csms.host.plugins.hooks() if hook.name == "report_client_roots")
            status = {status.name: status for status in csms.host.plugins.status()}
            return csms.host.hooks.call_plain(report_client_roots), hook, status

    with pytest.warns(CsmsdDeprecation, match="plugin old implements client_roots") as warned:
        roots, hook, status = await look()
    assert roots == [["new root"], ["old root"], ["new root"]]
    assert [(user.plugin, user.note) for user in hook.asked] == [
        ("newest", ""),
        ("old", "by its former name client_roots"),
        ("new", ""),
    ]
    sentence = (
        "plugin old implements client_roots, which is report_client_roots since csmsd 0.2 and will be gone in 0.4: "
        "name the method report_client_roots; it takes no arguments and answers the same"
    )
    assert [str(one.message) for one in warned] == [sentence]
    assert sentence in caplog.text
    assert status["old"].deprecated == (sentence,)
    assert status["new"].deprecated == ()


async def test_who_implements_both_is_asked_by_the_new_one_and_not_warned(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", BothPlugin]) as csms:
        assert csms.host.hooks.call_plain(report_client_roots) == [["root of both"]]


async def test_a_failure_of_an_old_plugin_is_its_own(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(OldPlugin):
        """Fails."""

        @hookimpl
        def client_roots(self) -> list[str]:
            raise ValueError("broken")

    async def ask() -> list[Any]:
        async with open_test_csms(plugins=["core", NewPlugin, Broken]) as csms:
            return csms.host.hooks.call_plain(report_client_roots)

    with pytest.warns(CsmsdDeprecation):
        assert await ask() == [["new root"]]
    assert "plugin old failed in client_roots: ValueError: broken" in caplog.text


# -- another shape: fewer arguments in another order, and another kind of answer ---------------------


@hookspec(colour="either")
def price_of(station_id: str, watt_hours: int) -> int | None:
    """In cents."""
    raise AssertionError


@hookspec(
    colour="either",
    former=Former(
        price_of, "3.1", "3.3", "answer cents",
        arguments=lambda _station_id, watt_hours: (watt_hours / 1000,),
        answer=lambda euros: round(euros * 100),
    ),
)  # fmt: skip
def euros_for(kilowatt_hours: float) -> float | None:
    """The price before it had cents."""
    raise AssertionError


@hookspec(colour="either", former=Former(price_of, "3.0", "3.2", "answer cents"))
def cents_for(watt_hours: int) -> int | None:
    """The price before it knew the station."""
    raise AssertionError


SPECS = module_of(price_of, euros_for, cents_for)


async def in_euros(_self: Any, kilowatt_hours: float) -> float:
    return kilowatt_hours * 0.5


def in_euros_at_once(_self: Any, kilowatt_hours: float) -> float:
    return kilowatt_hours * 0.5


def unknown(_self: Any) -> None:
    return None


def cents(_self: Any, watt_hours: int) -> int:
    return watt_hours


def of_today(_self: Any, station_id: str, watt_hours: int) -> int:
    return len(station_id) + watt_hours


@pytest.mark.parametrize(
    ("hook", "method", "price"),
    [
        ("euros_for", in_euros, 100),
        ("euros_for", in_euros_at_once, 100),
        ("euros_for", unknown, None),
        ("cents_for", cents, 2000),
        ("price_of", of_today, 2004),
    ],
)
async def test_a_former_shape_is_adapted(autojump_clock: MockClock, hook: str, method: Any, price: int | None) -> None:
    hooks = new_set()
    if hook == "price_of":
        hooks.enable(asking(hook, method), "acme", Terms(5))
    else:
        with pytest.warns(CsmsdDeprecation, match=f"plugin acme implements {hook}, which is price_of since csmsd 3"):
            hooks.enable(asking(hook, method), "acme", Terms(5))
    async with running(hooks) as runner:
        assert await runner.ask(price_of, "CP-1", 2000) == price
        assert await runner.ask(price_of, watt_hours=2000, station_id="CP-1") == price


def test_a_plugin_of_today_is_called_without_a_detour() -> None:
    hooks = new_set()
    plugin = asking("price_of", of_today)
    with pytest.warns(CsmsdDeprecation):
        hooks.enable(asking("cents_for", cents), "old", Terms(5))
    hooks.enable(plugin, "new", Terms(5))
    assert hooks.plan(price_of)[0].call == cast("Any", plugin).price_of


def test_turns_are_kept_among_shapes() -> None:
    hooks = new_set()
    enabled = [
        ("a", "price_of", {"trylast": True}), ("b", "price_of", {}), ("c", "price_of", {"tryfirst": True}),
        ("d", "price_of", {}), ("e", "price_of", {"trylast": True}), ("f", "price_of", {"tryfirst": True}),
    ]  # fmt: skip
    reference, mixed = new_set(), hooks
    for number, (name, hook, turn) in enumerate(enabled):
        reference.enable(asking(hook, unknown, **turn), name, Terms(5))
        former = "cents_for" if number % 2 else hook
        plugin = asking(former, unknown, **turn)
        if former == hook:
            mixed.enable(plugin, name, Terms(5))
        else:
            with pytest.warns(CsmsdDeprecation):
                mixed.enable(plugin, name, Terms(5))
    order = [step.plugin for step in reference.plan(price_of)]
    assert order == ["f", "c", "d", "b", "a", "e"]
    assert [step.plugin for step in mixed.plan(price_of)] == order


def new_set() -> HookSet:
    hooks = HookSet()
    hooks.add_specs(SPECS, "test")
    return hooks


def asking(hook: str, method: Any, **turn: Any) -> object:
    marked: Any = hookimpl(**turn)(_copy(method))
    return type("Asked", (), {hook: marked})()


def _copy(function: Any) -> Any:
    """pluggy marks the function itself."""
    from types import FunctionType

    return FunctionType(function.__code__, function.__globals__, function.__name__)


def test_every_deprecation_is_written_down() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    former: list[tuple[str, Former]] = [
        (name, getattr(function, FORMER_ATTRIBUTE))
        for name, function in vars(deprecations).items()
        if not isinstance(function, ModuleType) and getattr(function, FORMER_ATTRIBUTE, None) is not None
    ]
    assert former
    assert rows == [(name, each.now.__name__, each.since, each.until) for name, each in former]
