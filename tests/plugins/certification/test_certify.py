"""`csmsd certify` on real sockets: everything passes on a csmsd as it is, and what is broken turns its case red.

That every case can turn red is the business of `test_every_case_can_fail.py` and `test_broken_builds.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import trio

from csmsd import Config
from csmsd.command import AnyCommand
from csmsd.config import Access
from csmsd.hookspecs import ConnectRequest, Verdict, hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Arrival, Station
from csmsd_certification.case import Case
from csmsd_certification.cases import select
from csmsd_certification.central import CentralSystem, Outcome
from csmsd_certification.execution import Execution
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Failure, Report
from csmsd_certification.running import run_cases
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    BootNotification,
    BootNotificationResponse,
    DataTransfer,
    DataTransferResponse,
    StartTransaction,
    StartTransactionResponse,
)
from csmsd_core.messages import IdTagInfo
from tests.plugins.certification.broken import Tampering, dropped, with_value

PLUGINS: tuple[Any, ...] = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
PATIENCE = 20.0
IMPATIENCE = 3.0  # where something is known not to come


async def run(central: CentralSystem, *ids: str, timeout: float = PATIENCE) -> Report:
    return await run_cases(central, select(ids), timeout=timeout, at_once=8)


def red(report: Report) -> dict[str, CaseResult]:
    return {case.id: case for case in report.cases if case.verdict == "Fail"}


@pytest.mark.req(
    "TC_001", "TC_003", "TC_004_1", "TC_004_2", "TC_005_1", "TC_007", "TC_023_1", "TC_023_2", "TC_023_3",
    "TC_024", "TC_032_1", "TC_037_1", "TC_037_3", "TC_039", "TC_064", "TC_061", "TC_010", "TC_011_1",
    "TC_011_2", "TC_012", "TC_013", "TC_014", "TC_017_1", "TC_017_2", "TC_018_1", "TC_019_1", "TC_019_2",
    "TC_021", "TC_026", "TC_028", "TC_030", "TC_031", "TC_040_1", "TC_040_2", "TC_044_1", "TC_044_2",
    "TC_044_3", "TC_045_1", "TC_045_2", "TC_042_1", "TC_042_2", "TC_043_1", "TC_043_3", "TC_043_4", "TC_043_5",
    "TC_046", "TC_047", "TC_048_1", "TC_048_2", "TC_048_3", "TC_048_4", "TC_049", "TC_051", "TC_052", "TC_053",
    "TC_054", "TC_055", "TC_056", "TC_057", "TC_059", "TC_066", "TC_067", "TC_073", "TC_083", "TC_085",
    "TC_086", "TC_087", "TC_088", "TC_074", "TC_077", "TC_075_1", "TC_075_2", "TC_076", "TC_078", "TC_079",
    "TC_080", "TC_081",
)  # fmt: skip
async def test_every_case_passes_on_a_fresh_csmsd() -> None:
    async with open_local(Config(plugins=PLUGINS)) as central:
        report = await run(central)
    assert report.has_passed, as_text(report)
    assert {case.verdict for case in report.cases} == {"Pass"}


async def test_without_its_plugin_a_functionality_is_not_applicable() -> None:
    async with open_local(Config(plugins=("core",))) as central:
        report = await run(central, "TC_003", "TC_046", "TC_054")
    assert report.has_passed
    assert {each.name: each.verdict for each in report.functionalities} == {
        "Core": "Pass",
        "Reservation": "Not applicable",
        "Remote Trigger": "Not applicable",
    }
    assert [case.lacking for case in report.cases] == [(), ("ReserveNow",), ("TriggerMessage",)]


async def test_one_red_case_turns_its_functionality_red_and_no_other() -> None:
    changes = {("TC_013", "Reset"): with_value("type", value="Soft"), ("TC_042_2", "GetLocalListVersion"): dropped}
    async with open_local(Config(plugins=PLUGINS)) as central:
        report = await run(Tampering(central, changes), timeout=IMPATIENCE)
    assert {case_id: case.failure and case.failure.step for case_id, case in red(report).items()} == {
        "TC_013": "Reset.req",
        "TC_042_2": "GetLocalListVersion.req",
    }, as_text(report)
    assert {each.name for each in report.functionalities if each.verdict == "Fail"} == {
        "Core",
        "Local Auth List Management",
    }


async def test_a_failure_shows_what_was_expected_what_came_and_the_wire() -> None:
    async with open_local(Config(plugins=PLUGINS)) as central:
        tampering = Tampering(central, {("TC_013", "Reset"): with_value("type", value="Soft")})
        report = await run(tampering, "TC_013", "TC_014")
    case = red(report)["TC_013"]
    assert case.failure is not None
    assert (case.failure.expected, case.failure.got) == ('{"type":"Hard"}', '{"type":"Soft"}')
    assert [line.direction for line in case.wire] == ["event", "received", "event"]
    assert '"Reset",{"type":"Soft"}]' in case.wire[1].text


@pytest.mark.parametrize(
    ("seen", "got"),
    [
        ({"result": b'{"status":"Accepted"}'}, '{"status":"Accepted"}'),
        ({"state": "timeout", "error": "too late"}, "timeout too late"),
    ],
)
async def test_an_answer_that_the_operator_does_not_see_turns_the_case_red(seen: dict[str, Any], got: str) -> None:
    class Forgetful(Tampering):
        async def outcome(self, command_id: str) -> Outcome:
            return msgspec.structs.replace(await super().outcome(command_id), **seen)

    async with open_local(Config(plugins=("core",))) as central:
        report = await run(Forgetful(central, {}), "TC_026")
    step = "RemoteStartTransaction.conf, as the operator sees it"
    assert red(report)["TC_026"].failure == Failure(step, '{"status":"Rejected"}', got)


async def test_a_case_with_a_bug_of_its_own_fails_alone() -> None:
    async def body(execution: Execution) -> None:
        raise ZeroDivisionError("oh")

    cases = (*select(["TC_061"]), Case("TC_999", "Odd", "Core", (), body))
    async with open_local(Config(plugins=("core",))) as central:
        report = await run_cases(central, cases, timeout=PATIENCE, at_once=1)
    assert [case.verdict for case in report.cases] == ["Pass", "Fail"]
    assert report.cases[1].failure == Failure("the case itself", "no error", "ZeroDivisionError: oh")


@pytest.mark.parametrize(
    ("access", "failing"),
    [
        (Access(subprotocol_mismatch="accept_and_close"), "TC_088"),
        (Access(profile_rule="minimum"), ""),
    ],
)
async def test_settings_are_certified_as_they_are(access: Access, failing: str) -> None:
    async with open_local(Config(plugins=("core",), access=access)) as central:
        report = await run(central, "TC_003", "TC_085", "TC_088")
    assert ",".join(red(report)) == failing, as_text(report)


async def test_a_command_that_the_settings_hold_back_is_named_at_once() -> None:
    config = Config(plugins=("core",), plugin={"core": {"refuse_on_warning": True}})
    async with open_local(config) as central:
        report = await run(central, "TC_021", "TC_040_1")
    assert list(red(report)) == ["TC_040_1"]
    failure = red(report)["TC_040_1"].failure
    assert failure is not None
    assert (failure.step, failure.expected) == ("ChangeConfiguration.req", "to be sent")
    assert failure.got.startswith("refused: ")
    assert report.seconds < PATIENCE / 2


# -- plugins that are wrong --------------------------------------------------------------------------------------------


class Broken(Plugin[NoConfig]):
    """Base of those below."""

    name = "broken"
    requires = ("core",)


class AcceptsEverybody(Broken):
    """Any id tag may charge."""

    @hookimpl
    def authorize(self, station: Station, request: Authorize, arrival: Arrival) -> AuthorizeResponse:
        return AuthorizeResponse(IdTagInfo("Accepted"))


class AcceptsNobody(Broken):
    """No boot is accepted."""

    @hookimpl
    def boot_notification(
        self, station: Station, request: BootNotification, arrival: Arrival
    ) -> BootNotificationResponse:
        return BootNotificationResponse("Pending", arrival.received_at, 60)


class IsLate(Broken):
    """Authorize takes longer than it may."""

    @hookimpl
    async def authorize(self, station: Station, request: Authorize, arrival: Arrival) -> None:
        await trio.sleep(IMPATIENCE + 1)


class KnowsEveryVendor(Broken):
    """Any data is welcome."""

    @hookimpl
    def data_transfer(self, station: Station, request: DataTransfer, arrival: Arrival) -> DataTransferResponse:
        return DataTransferResponse("Accepted")


class StartsAnything(Broken):
    """Any transaction is accepted."""

    @hookimpl
    def start_transaction(
        self, station: Station, request: StartTransaction, arrival: Arrival
    ) -> StartTransactionResponse:
        return StartTransactionResponse(1, IdTagInfo("Accepted"))


class LetsEverybodyIn(Broken):
    """Credentials are not looked at."""

    @hookimpl
    def authenticate_station(self, request: ConnectRequest) -> Verdict:
        return Verdict(True)


class RefusesUnlocking(Broken):
    """A command is held back."""

    @hookimpl
    async def guard_command(self, station: Station, command: AnyCommand) -> str | None:
        return "not today" if command.name == "UnlockConnector" else None


@pytest.mark.parametrize(
    ("plugin", "failing", "step", "got"),
    [
        (
            AcceptsEverybody,
            ("TC_023_1", "TC_023_2", "TC_023_3"),
            "Authorize.conf idTagInfo.status",
            "Accepted",
        ),
        (AcceptsNobody, ("TC_001", "TC_085", "TC_088"), "BootNotification.conf status", "Pending"),
        (IsLate, ("TC_023_1", "TC_023_2", "TC_023_3", "TC_004_2"), "Authorize.conf", "nothing within 3 s"),
        (KnowsEveryVendor, ("TC_064",), "DataTransfer.conf status", "Accepted"),
        (StartsAnything, ("TC_037_3",), "StartTransaction.conf idTagInfo.status", "Accepted"),
        (LetsEverybodyIn, ("TC_085",), "connect without credentials", "HTTP 101"),
        (RefusesUnlocking, ("TC_017_1",), "UnlockConnector.req", "not today"),
    ],
)
async def test_a_broken_plugin_turns_exactly_its_cases_red(
    plugin: type[Broken], failing: Sequence[str], step: str, got: str
) -> None:
    tags = ("TC_004_2", "TC_007", "TC_023_1", "TC_023_2", "TC_023_3", "TC_037_3")
    sample = ("TC_001", "TC_017_1", "TC_064", "TC_085", "TC_088", *tags)
    async with open_local(Config(plugins=("core", plugin))) as central:
        report = await run(central, *sample, timeout=IMPATIENCE)
    found = red(report)
    assert set(found) == set(failing), as_text(report)
    for case in found.values():
        assert case.failure is not None
        assert case.failure.step == step
        assert got in case.failure.got
