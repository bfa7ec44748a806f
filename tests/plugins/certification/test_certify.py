"""`csmsd certify` on real sockets: everything passes on a csmsd as it is, and what is broken turns its case red."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio

from csmsd import Config
from csmsd.command import AnyCommand
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Arrival, Station
from csmsd_certification.case import Functionality
from csmsd_certification.cases import CASES, select
from csmsd_certification.central import CentralSystem
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Report
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
from tests.plugins.certification.broken import Change, Tampering, dropped, with_value, without

PLUGINS: tuple[Any, ...] = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
PATIENCE = 20.0
IMPATIENCE = 2.0  # where something is known not to come


async def run(central: CentralSystem, *ids: str, timeout: float = PATIENCE) -> Report:
    return await run_cases(central, select(ids), timeout=timeout, at_once=8)


def red(report: Report) -> dict[str, CaseResult]:
    return {case.id: case for case in report.cases if case.verdict == "Fail"}


def cases_of(*functionalities: Functionality) -> list[str]:
    return [case.id for case in CASES if case.functionality in functionalities]


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


# -- commands that go wrong on their way -------------------------------------------------------------------------------

PROFILE = "csChargingProfiles"
TAMPERED: dict[tuple[str, str], tuple[Change, str]] = {
    ("TC_010", "RemoteStartTransaction"): (with_value("connectorId", value=2), "RemoteStartTransaction.req"),
    ("TC_012", "RemoteStopTransaction"): (with_value("transactionId", value=9), "RemoteStopTransaction.req"),
    ("TC_013", "Reset"): (with_value("type", value="Soft"), "Reset.req"),
    ("TC_019_1", "GetConfiguration"): (with_value("key", value=["NumberOfConnectors"]), "GetConfiguration.req"),
    ("TC_019_2", "GetConfiguration"): (without("key"), "GetConfiguration.req"),
    ("TC_021", "ChangeConfiguration"): (with_value("value", value="61"), "ChangeConfiguration.req"),
    ("TC_028", "RemoteStopTransaction"): (dropped, "RemoteStopTransaction.req"),
    ("TC_031", "UnlockConnector"): (dropped, "UnlockConnector.req"),
    ("TC_044_1", "UpdateFirmware"): (with_value("location", value="ftp://elsewhere/x"), "UpdateFirmware.req"),
    ("TC_045_1", "GetDiagnostics"): (with_value("location", value="ftp://elsewhere/"), "GetDiagnostics.req"),
    ("TC_042_2", "GetLocalListVersion"): (dropped, "GetLocalListVersion.req"),
    ("TC_043_4", "SendLocalList"): (with_value("updateType", value="Differential"), "SendLocalList.req"),
    ("TC_043_5", "SendLocalList"): (with_value("listVersion", value=7), "SendLocalList.req"),
    ("TC_046", "ReserveNow"): (with_value("connectorId", value=2), "ReserveNow.req"),
    ("TC_047", "ReserveNow"): (with_value("expiryDate", value="2040-01-01T00:00:00.000Z"), "ReserveNow.req"),
    ("TC_048_2", "ReserveNow"): (dropped, "ReserveNow.req"),
    ("TC_048_3", "ChangeAvailability"): (with_value("type", value="Operative"), "ChangeAvailability.req"),
    ("TC_051", "CancelReservation"): (with_value("reservationId", value=-1), "CancelReservation.req"),
    ("TC_053", "ReserveNow"): (without("parentIdTag"), "ReserveNow.req"),
    ("TC_054", "TriggerMessage"): (with_value("connectorId", value=2), "TriggerMessage.req"),
    ("TC_056", "SetChargingProfile"): (with_value(PROFILE, "stackLevel", value=3), "SetChargingProfile.req"),
    ("TC_057", "SetChargingProfile"): (without(PROFILE, "transactionId"), "SetChargingProfile.req"),
    ("TC_059", "RemoteStartTransaction"): (without("chargingProfile"), "RemoteStartTransaction.req"),
    ("TC_066", "GetCompositeSchedule"): (without("chargingRateUnit"), "GetCompositeSchedule.req"),
    ("TC_067", "ClearChargingProfile"): (with_value("stackLevel", value=0), "ClearChargingProfile.req"),
}


async def test_a_command_that_arrives_changed_or_not_at_all_turns_exactly_its_case_red() -> None:
    changes = {place: change for place, (change, _) in TAMPERED.items()}
    async with open_local(Config(plugins=PLUGINS)) as central:
        report = await run(Tampering(central, changes), timeout=IMPATIENCE)
    failures = {case_id: case.failure.step for case_id, case in red(report).items() if case.failure is not None}
    assert failures == {case_id: step for (case_id, _), (_, step) in TAMPERED.items()}, as_text(report)
    assert {each.name for each in report.functionalities if each.verdict == "Fail"} == {
        case.functionality for case in CASES if case.id in failures
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
        (AcceptsNobody, ("TC_001",), "BootNotification.conf status", "Pending"),
        (IsLate, ("TC_023_1", "TC_023_2", "TC_023_3", "TC_004_2"), "Authorize.conf", "nothing within 2 s"),
        (KnowsEveryVendor, ("TC_064",), "DataTransfer.conf status", "Accepted"),
        (StartsAnything, ("TC_037_3",), "StartTransaction.conf idTagInfo.status", "Accepted"),
        (RefusesUnlocking, ("TC_017_1",), "UnlockConnector.req", "not today"),
    ],
)
async def test_a_broken_plugin_turns_exactly_its_cases_red(
    plugin: type[Broken], failing: Sequence[str], step: str, got: str
) -> None:
    sample = ("TC_001", "TC_007", "TC_004_2", "TC_017_1", "TC_023_1", "TC_023_2", "TC_023_3", "TC_037_3", "TC_064")
    async with open_local(Config(plugins=("core", plugin))) as central:
        report = await run(central, *sample, timeout=IMPATIENCE)
    found = red(report)
    assert set(found) == set(failing), as_text(report)
    for case in found.values():
        assert case.failure is not None
        assert case.failure.step == step
        assert got in case.failure.got
