"""`absorb`: reports of profiles that are switched off get an empty answer, because the operator has said so."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from trio.testing import MockClock

from csmsd import Config
from csmsd.config import Access, Listen
from csmsd.errors import ConfigError
from csmsd.ocpp.operations import OPERATIONS, REPORTS
from csmsd.testing import CallErrorReceived, TestCsms, TestStation, open_test_csms
from tests.kernel.engine.probes import exchanges
from tests.plugins.combinations.profiles import CALLS, PROFILES, TYPES, spelled
from tests.plugins.profile import booted

FIRMWARE = "FirmwareStatusNotification"


async def tell(station: TestStation, action: str, payload: object = None) -> object:
    """What csmsd answers: a payload, or the code of a CALLERROR."""
    try:
        text = json.dumps(CALLS[action] if payload is None else payload)
        return json.loads(await station.send_raw(action, text.encode()))
    except CallErrorReceived as error:
        return error.code


async def trace_of(csms: TestCsms, action: str) -> list[list[tuple[str, str, str]]]:
    """Who did what with each CALL of that action."""
    found = await exchanges(csms, action=action)
    return [[(step.plugin, step.outcome, step.note) for step in exchange.trace] for exchange in found]


def test_what_can_be_absorbed_is_what_needs_only_an_empty_answer() -> None:
    empty = {
        action.name for name in PROFILES for action in TYPES[name].actions if not action.response.__struct_fields__
    }
    assert empty == REPORTS
    assert REPORTS < OPERATIONS


@pytest.mark.req("RPC-34")
async def test_without_being_told_so_csmsd_absorbs_nothing(autojump_clock: MockClock) -> None:
    assert Config().absorb == ()
    async with open_test_csms() as csms:
        station = await booted(csms)
        assert {action: await tell(station, action) for action in CALLS} == dict.fromkeys(CALLS, "NotSupported")


@pytest.mark.req("RPC-34", "RPC-37")
@pytest.mark.parametrize("absorb", [(FIRMWARE,), tuple(sorted(REPORTS))], ids=spelled)
async def test_what_is_named_is_answered_and_the_journal_says_so(
    absorb: Sequence[str], autojump_clock: MockClock
) -> None:
    async with open_test_csms(absorb=tuple(absorb)) as csms:
        station = await booted(csms)
        for action in CALLS:
            assert await tell(station, action) == ({} if action in absorb else "NotSupported")
        for action in absorb:
            assert await trace_of(csms, action) == [[("kernel", "absorbed", f"no enabled plugin takes {action}")]]
        [exchange] = await exchanges(csms, action=FIRMWARE)
        assert (exchange.request, exchange.response, exchange.error) == ('{"status": "Idle"}', "{}", "")


@pytest.mark.req("RPC-34")
async def test_a_plugin_that_is_on_takes_its_messages_and_one_that_was_switched_off_no_more(
    autojump_clock: MockClock,
) -> None:
    async with open_test_csms(plugins=("core", "firmware"), absorb=(FIRMWARE,)) as csms:
        station = await booted(csms)
        for is_on in (True, False, True):
            await (csms.host.plugins.enable if is_on else csms.host.plugins.disable)("firmware")
            assert await tell(station, FIRMWARE) == {}
            assert await tell(station, "DiagnosticsStatusNotification") == ({} if is_on else "NotSupported")
        steps = [[step[:2] for step in trace][-1] for trace in await trace_of(csms, FIRMWARE)]
        assert steps == [("firmware", "answered"), ("kernel", "absorbed"), ("firmware", "answered")]


@pytest.mark.req("RPC-34", "BOOT-20")
async def test_a_message_that_is_absorbed_obeys_the_rules_for_any(autojump_clock: MockClock) -> None:
    async with open_test_csms(absorb=(FIRMWARE,)) as csms:
        waiting = await booted(csms, "CP-2", registration="Pending")
        assert await tell(waiting, FIRMWARE) == "SecurityError"
        station = await booted(csms)
        assert await tell(station, FIRMWARE, ["Idle"]) == "FormationViolation"
        assert await tell(station, FIRMWARE, "Idle") == "FormationViolation"
        with pytest.raises(CallErrorReceived, match="FormationViolation: the message id is longer"):
            await station.send_raw(FIRMWARE, b"{}", call_id="x" * 37)
        assert await tell(station, FIRMWARE, {"status": "whatever nobody here can judge"}) == {}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("FirmwareStatusNotifcation", "did you mean FirmwareStatusNotification?"),
        ("MeterValues", "only these can: DiagnosticsStatusNotification, FirmwareStatusNotification, Log"),
        ("SignCertificate", "cannot be absorbed"),
        ("", "cannot be absorbed"),
    ],
)
async def test_what_needs_more_than_an_empty_answer_cannot_be_absorbed(name: str, complaint: str) -> None:
    config = Config(listen=Listen(ocpp="", http=""), access=Access(authentication="optional"), absorb=(name,))
    with pytest.raises(ConfigError, match=r"^absorb: ") as refused:
        async with open_test_csms(config=config):
            pytest.fail("it must not start")
    assert complaint in str(refused.value)
