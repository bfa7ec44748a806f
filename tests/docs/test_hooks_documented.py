"""docs/hooks.md says what the specs say, the same signatures, colours and words; and its examples work."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from trio.testing import MockClock

import csmsd_core.hookspecs
import csmsd_localauth.hookspecs
import csmsd_security.hookspecs
import csmsd_smartcharging.hookspecs
import csmsd_ui.hookspecs
import csmsd_web.hookspecs
from csmsd import NoConfig, Plugin, hookspecs
from csmsd.host import Hooks
from csmsd.testing import TestCsms, open_test_csms
from csmsd.testing.contract.day import live_a_day
from csmsd.testing.contract.subject import installed
from csmsd.testing.samples import sample_of

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
TEXT = PAGE.read_text(encoding="utf-8")
MODULES: list[ModuleType] = [hookspecs, *(module for plugin in installed() for module in plugin.type.specs)]
EVERYBODY = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger", "ui", "web")


def _specs(module: ModuleType) -> Iterator[tuple[str, str, str, str]]:
    """Name, signature as written, colour and docstring of each hook."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
            returns = ast.unparse(node.returns) if node.returns else ""
            prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            signature = f"{prefix} {node.name}({ast.unparse(node.args)}) -> {returns}"
            function = getattr(module, node.name)
            yield node.name, signature, getattr(function, hookspecs.COLOUR_ATTRIBUTE), inspect.getdoc(function) or ""


SPECS = [spec for module in MODULES for spec in _specs(module)]
NAMES = [spec[0] for spec in SPECS]
PAGES_HOOKS: dict[str, Any] = {name: getattr(csmsd_ui.hookspecs, name) for name in NAMES if name.startswith("ui_")}
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(("name", "signature", "colour", "doc"), SPECS, ids=NAMES)
def test_the_hook_is_described_as_it_is(name: str, signature: str, colour: str, doc: str) -> None:
    section = SECTIONS[name]
    assert f"```python\n{signature}\n```" in section
    assert f"Colour: **{colour}**." in section
    assert " ".join(doc.split()) in " ".join(section.split())


def test_no_hook_is_described_that_does_not_exist() -> None:
    assert SECTIONS.keys() == set(NAMES)


def test_hooks_are_where_their_owners_are() -> None:
    """The sections follow the modules."""
    assert sorted(SECTIONS) == sorted(NAMES)
    assert len(MODULES) == len(re.findall(r"^## .*'s hooks?$", TEXT, flags=re.MULTILINE))


@pytest.mark.parametrize(("name", "doc"), [(spec[0], spec[3]) for spec in SPECS], ids=NAMES)
def test_the_hook_has_a_whole_manual(name: str, doc: str) -> None:
    words = " ".join(doc.split())
    assert re.search(r"Return|Returns|Update|Make durable", words), "what to return"
    assert re.search(r"[Rr]ais|[Ff]ail", words), "what a failure means"
    assert re.search(r"again|twice|once|each|every|several times|often|Called for", words), "how often"


# -- the examples --------------------------------------------------------------------------------------------------


@cache
def imports() -> dict[str, Any]:
    """What the page says that the examples need."""
    [text] = re.findall(r"The examples need these imports.*?^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(text, str(PAGE), "exec", dont_inherit=True), names)
    return names


def example_of(name: str) -> Callable[..., Any]:
    """The method that the section shows."""
    _, code = re.findall(r"^```python\n(.*?)^```", SECTIONS[name], re.MULTILINE | re.DOTALL)
    names = dict(imports())
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)
    method: Callable[..., Any] = names[name]
    return method


def plugin_with(name: str, calls: list[str]) -> type[Plugin[Any]]:
    """A plugin that implements the hook as the page does, and counts."""
    method = example_of(name)

    class Example(Plugin[NoConfig]):
        """From the page."""

        name = "acme"
        requires = tuple(one for one in EVERYBODY if one not in ("ui", "web"))

    original = method.__code__

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(original.co_name)
        return method(*args, **kwargs)

    async def counted_async(*args: Any, **kwargs: Any) -> Any:
        calls.append(original.co_name)
        return await method(*args, **kwargs)

    wrapper: Any = counted_async if inspect.iscoroutinefunction(method) else counted
    wrapper.__wrapped__ = method
    wrapper.__dict__.update(method.__dict__)
    setattr(Example, name, wrapper)
    return Example


async def ask_what_no_day_asks(csms: TestCsms, name: str) -> None:
    """Questions that need a certificate, an operator or a broken plugin."""
    hooks: Hooks = csms.host.hooks
    station = await csms.connect("CP-2")
    transaction = sample_of(imports()["Transaction"], is_full=True)
    match name:
        case "greet":
            hooks.call_plain(hookspecs.greet)
        case "report_client_roots":
            hooks.call_plain(hookspecs.report_client_roots)
        case "judge_certificate":
            await hooks.ask(hookspecs.judge_certificate, csms.host.stations.record(station.id), b"DER")
        case "plugin_failed":
            await hooks.notify(
                hookspecs.plugin_failed, hookspecs.PluginFailure("billing", "heartbeat", "slow", 10, True)
            )
        case "price_transaction":
            await hooks.first(csmsd_core.hookspecs.price_transaction, transaction)
        case "data_transfer_messages":
            hooks.call_plain(csmsd_core.hookspecs.data_transfer_messages)
        case "local_list_entries":
            await hooks.gather(csmsd_localauth.hookspecs.local_list_entries, csms.host.stations.get(station.id))
        case "issue_certificate":
            await hooks.first(csmsd_security.hookspecs.issue_certificate, csms.host.stations.get(station.id), "PEM")
        case "charging_profile_for":
            found = csms.host.stations.get(station.id)
            await hooks.first(csmsd_smartcharging.hookspecs.charging_profile_for, found, transaction)
        case "transaction_updated":
            change = sample_of(imports()["TransactionChange"], is_full=True)
            await hooks.notify(csmsd_core.hookspecs.transaction_updated, station.id, change, 1)
        case _ if name in PAGES_HOOKS:
            pages: Any = csms.host.plugins.get("ui")
            wanted = (pages.pages,) if "pages" in inspect.signature(PAGES_HOOKS[name]).parameters else ()
            for answer in hooks.call_plain(PAGES_HOOKS[name], *wanted):
                assert answer
        case "web_pages":
            hooks.call_plain(csmsd_web.hookspecs.web_pages)
        case _:
            pass


@pytest.mark.parametrize("name", NAMES)
async def test_the_example_works(name: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    async with open_test_csms(plugins=[*EVERYBODY, plugin_with(name, calls)]) as csms:
        await live_a_day(csms)
        await ask_what_no_day_asks(csms, name)
        [status] = [one for one in csms.host.plugins.status() if one.name == "acme"]
    assert calls, "nobody asked"
    assert status.last_failure == ""
