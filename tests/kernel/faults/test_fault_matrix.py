"""Every misbehaviour in every hook: the station is answered, the others do not notice, the culprit is named.

The hooks are read from the plugins that are installed, so a new one is covered by itself.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd import hookspecs
from csmsd._kernel.loader import installed_plugins, load_plugin
from csmsd._kernel.watchdog import watch_the_loop
from csmsd.config import Limits
from csmsd.errors import CsmsdError
from csmsd.facts import KERNEL_FACTS
from csmsd.hookspecs import COLOUR_ATTRIBUTE, PluginFailure, hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import StationRecord
from csmsd.testing import CallErrorReceived, TestCsms, TestStation, open_test_csms
from csmsd_core.commands import CLEAR_CACHE, RESET
from csmsd_core.messages import ClearCache, Reset, ResetResponse
from tests.kernel.faults.misbehaviour import (
    BAD,
    BLOCK,
    HARMLESS,
    Culprit,
    Fault,
    blocks,
    culprit_in,
    faults_of,
    hooks_in,
)

PLUGINS = tuple(entry.name for entry in installed_plugins())
NEEDED = {"authorizer": {"allow_all": True}}  # settings that a plugin cannot do without
MODULES = [hookspecs, *(module for name in PLUGINS for module in load_plugin(name).type.specs)]
HOOKS = {name: spec for module in MODULES for name, spec in hooks_in(module).items()}
FACTS = {fact.hook.__name__ for fact in KERNEL_FACTS}
FACTS |= {fact.hook.__name__ for name in PLUGINS for fact in load_plugin(name).type.facts}
UNTOLD = FACTS | {
    "plugin_failed",
    "prepare_command",
}  # failures in these are logged and counted, but not told to others
TRANSACTIONAL = ("StartTransaction", "MeterValues", "StopTransaction")
PATIENCE = 120  # seconds of virtual time for one day of a station
# A day may end early: the upgrade is refused, or a transaction message waits for a promise in vain. Its station is told
# nothing, because nobody knows if it is stored; the connection is closed, and it sends it again (RPC-31).
ENDS = {("upgrade", "401"), ("upgrade", "503"), *((action, "closed") for action in TRANSACTIONAL)}
NOON, VALUE = "2026-01-01T12:00:00Z", '{"value": "9"}'

DAY: tuple[tuple[str, str], ...] = (
    ("BootNotification", '{"chargePointVendor": "ACME", "chargePointModel": "Box"}'),
    ("StatusNotification", '{"connectorId": 1, "errorCode": "NoError", "status": "Available"}'),
    ("Authorize", '{"idTag": "TAG"}'),
    ("StartTransaction", f'{{"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "{NOON}"}}'),
    ("MeterValues", f'{{"connectorId": 1, "meterValue": [{{"timestamp": "{NOON}", "sampledValue": [{VALUE}]}}]}}'),
    ("StopTransaction", f'{{"transactionId": 1, "meterStop": 100, "timestamp": "{NOON}"}}'),
    ("DataTransfer", '{"vendorId": "org.example"}'),
    ("FirmwareStatusNotification", '{"status": "Idle"}'),
    ("DiagnosticsStatusNotification", '{"status": "Idle"}'),
    ("LogStatusNotification", '{"status": "Idle"}'),
    ("SecurityEventNotification", f'{{"type": "SettingSystemTime", "timestamp": "{NOON}"}}'),
    ("SignedFirmwareStatusNotification", '{"status": "Idle"}'),
    ("SignCertificate", '{"csr": "none"}'),
    ("Nonsense", "{}"),
    ("Heartbeat", "{}"),
)  # fmt: skip


class Witness(Plugin[NoConfig]):
    """Hears of failures, and is always well itself."""

    name = "witness"

    def __init__(self, config: NoConfig, host: Any) -> None:
        super().__init__(config, host)
        self.heard: list[PluginFailure] = []

    @hookimpl
    async def plugin_failed(self, failure: PluginFailure) -> None:
        self.heard.append(failure)


async def spend_a_day(csms: TestCsms, station_id: str, marks: str) -> list[tuple[str, str]]:
    """Whatever a station and its operator say, and the kind of answer to each; an end is an answer, silence is none."""
    answers: list[tuple[str, str]] = []
    station = TestStation(station_id)
    if station_id not in {record.id for record in csms.host.stations.records()}:
        await csms.host.stations.register(StationRecord(station_id))
    status = await csms.knock(station)
    answers.append(("upgrade", str(status)))
    if status != 101:
        return answers
    station.behaviour = {
        "Reset": ResetResponse("Accepted"),
        "ClearCache": lambda call: CallError(call.id, "GenericError", "", msgspec.Raw(b"{}")),
    }
    for action, payload in DAY:
        answers.append((action, await _kind_of_answer(station, action, payload, f"{marks}-{len(answers)}")))
        if answers[-1][1] == "closed":
            return answers
    await station.deliver(b'["no", "frame"]')
    for command, request in ((RESET, Reset("Soft")), (CLEAR_CACHE, ClearCache())):
        answers.append((command.name, await _kind_of_result(csms, station_id, command, request)))
    await station.disconnect()
    return answers


async def _kind_of_answer(station: TestStation, action: str, payload: str, call_id: str) -> str:
    try:
        await station.send_raw(action, payload.encode(), call_id=call_id)
    except CallErrorReceived as error:
        return error.code
    except trio.ClosedResourceError:
        return "closed"
    return "result"


async def _kind_of_result(csms: TestCsms, station_id: str, command: Any, request: Any) -> str:
    try:
        await csms.host.stations.get(station_id).call(command, request)
    except CsmsdError as error:
        return type(error).__name__
    return "result"


async def ask_directly(csms: TestCsms, spec: Any) -> None:
    """For hooks that no day of a station leads to: asked as their owners ask them, about the bad station."""
    hooks: Any = csms.host.hooks
    names = spec.__code__.co_varnames[: spec.__code__.co_argcount]
    arguments = [SimpleNamespace(id=1, station_id=BAD) if name != "station_id" else BAD for name in names]
    colour = getattr(spec, COLOUR_ATTRIBUTE)
    if colour == "plain":
        hooks.call_plain(spec, *arguments)
    elif colour == "either":
        assert await hooks.ask_decision("no", spec, *arguments) == "no"
    else:
        await hooks.first(spec, *arguments)
        await hooks.gather(spec, *arguments)


@asynccontextmanager
async def csms_with(culprit: type[Culprit]) -> AsyncIterator[TestCsms]:
    limits = Limits(quarantine_after=1_000_000)
    async with open_test_csms(plugins=[*PLUGINS, Witness, culprit], limits=limits, plugin=NEEDED) as csms:
        try:
            yield csms
        finally:
            cast("Culprit", csms.host.plugins.get("culprit")).released.set()


@pytest.fixture(scope="module")
def quiet_day() -> list[tuple[str, str]]:
    """What a station is answered while nobody misbehaves."""

    async def main() -> list[tuple[str, str]]:
        async with open_test_csms(plugins=[*PLUGINS], plugin=NEEDED) as csms:
            return await spend_a_day(csms, "CP-GOOD", "quiet")

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def test_the_matrix_is_as_large_as_it_should_be(quiet_day: list[tuple[str, str]]) -> None:
    assert len(HOOKS) > 40
    assert all(len({fault for fault, _ in faults_of(spec)}) >= 12 for spec in HOOKS.values())
    assert [kind for _, kind in quiet_day].count("result") >= 13, quiet_day


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("colour", ["plain", "async"])
def test_nobody_else_notices(
    hook: str, colour: str, quiet_day: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    spec = HOOKS[hook]
    faults = [fault for fault, is_async in faults_of(spec) if is_async == (colour == "async")]
    if not faults:
        return  # the hook has one colour only

    async def main() -> None:
        async with csms_with(culprit_in(spec, is_async=colour == "async")) as csms:
            for fault in faults:
                caplog.clear()
                await _check_one(csms, spec, fault, quiet_day, caplog)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    gc.collect()


async def _check_one(
    csms: TestCsms, spec: Any, fault: Fault, quiet_day: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    hook, host = spec.__name__, csms.host
    culprit, witness = cast("Culprit", host.plugins.get("culprit")), cast("Witness", host.plugins.get("witness"))
    failures = _figure(csms, "plugin_failures_total", "culprit")
    type(culprit).fault, culprit.acted = fault, 0
    culprit.released = trio.Event()
    witness.heard.clear()
    days: dict[str, list[tuple[str, str]]] = {}

    async def live(station_id: str) -> None:
        days[station_id] = await spend_a_day(csms, station_id, f"{fault.__name__:.30}")

    with trio.fail_after(PATIENCE), watch_the_loop(dict, BLOCK / 3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live, BAD)
            nursery.start_soon(live, "CP-GOOD")
        host.metrics()
        is_asked_directly = not culprit.acted
        if is_asked_directly:
            await ask_directly(csms, spec)
        await trio.sleep(10)  # background deliveries have had their time
    what = f"{fault.__name__} in {hook}"
    assert days["CP-GOOD"] == quiet_day, what
    assert len(days[BAD]) == len(quiet_day) or days[BAD][-1] in ENDS, what
    assert culprit.acted, f"{what}: nothing led there"
    culprit.released.set()
    if fault is blocks:
        assert "plugin culprit, in" in caplog.text, what
    elif fault not in HARMLESS or spec.__annotations__["return"] != "None":
        assert f"plugin culprit failed in {hook}" in caplog.text, what
        assert _figure(csms, "plugin_failures_total", "culprit") > failures, what
        if hook not in UNTOLD:
            blamed = {(failure.plugin, failure.hook) for failure in witness.heard}
            assert ("culprit", hook) in blamed, what
            assert is_asked_directly or len(blamed) == 1, what  # what it is asked directly may be nonsense to others
    await trio.sleep(1)


def _figure(csms: TestCsms, name: str, plugin: str) -> float:
    labels = (("plugin", plugin),)
    return next(metric.value for metric in csms.host.metrics() if metric.name == name and metric.labels == labels)
