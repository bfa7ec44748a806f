"""Synchronising local lists: what is sent, in which pieces, and what becomes of failures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import CallTimeout
from csmsd.ocpp.frames import CallError
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import (
    IdTagInfo,
    StatusNotification,
    StatusNotificationResponse,
)
from csmsd_localauth import (
    AuthorizationData,
    Limits,
    LimitsUnknown,
    ListTooLong,
)
from tests.plugins.localauth.charger import Charger, charger_in, core_of, expected, put
from tests.plugins.localauth.operator import GOOD, PLUGINS, A, B, mirrored, raw, send, shapes, state, sync
from tests.plugins.profile import virtual_env

# -- synchronising -------------------------------------------------------------------------------------------------


@pytest.mark.req("LAL-03", "LAL-07", "LAL-10", "AUTH-04", "TC_043_4")
async def test_the_first_synchronisation_sends_everything_with_all_that_is_known(
    csms: TestCsms, charger: Charger
) -> None:
    now = csms.host.env.now()
    await put(csms, "ANNA", parent_id_tag="FLEET", expires_at=now + timedelta(days=1))
    await put(csms, "BERT", status="Blocked")
    await put(csms, "CARL", expires_at=now - timedelta(days=1))
    charger.entries, charger.version = {"x": ("X", GOOD)}, 4
    result = await sync(csms)
    assert (result.outcome, result.messages) == ("updated", ("Full 5: Accepted",))
    assert dict(charger.entries.values()) == {
        "ANNA": IdTagInfo("Accepted", now + timedelta(days=1), "FLEET"),
        "BERT": IdTagInfo("Blocked"),
        "CARL": IdTagInfo("Expired", now - timedelta(days=1)),
    }
    assert (await state(csms)).size == 3


@pytest.mark.req("LAL-04", "LAL-08", "TC_043_5")
async def test_later_ones_send_only_what_has_changed_with_a_greater_version(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A", "B", "C")
    await sync(csms)
    await put(csms, "D")
    assert (await sync(csms)).messages == ("Differential 2: Accepted",)
    assert charger.sent[-1].local_authorization_list == (AuthorizationData("D", GOOD),)
    await put(csms, "B", status="Blocked")
    await core_of(csms).tags.delete("A", actor="test")
    await sync(csms)
    assert shapes(charger) == [("Full", 1, "ABC"), ("Differential", 2, "D"), ("Differential", 3, "aB")]
    assert charger.entries == expected(csms)
    assert (await sync(csms)).outcome == "in sync"
    assert len(charger.sent) == 3


@pytest.mark.req("LAL-09")
async def test_the_version_is_read_before_and_a_list_that_was_lost_is_sent_anew(
    csms: TestCsms, charger: Charger
) -> None:
    await put(csms, "A", "B")
    await sync(csms)
    charger.restart_empty()
    await put(csms, "C")
    charger.asked.clear()
    assert (await sync(csms)).messages == ("Full 2: Accepted",)
    assert charger.asked == ["GetLocalListVersion", "SendLocalList"]
    assert charger.entries == expected(csms)
    now = await state(csms)
    assert (now.is_certain, now.concern) == (True, "")


@pytest.mark.req("LAL-07", "LAL-09")
async def test_two_who_synchronise_at_once_do_it_one_after_the_other(csms: TestCsms, charger: Charger) -> None:
    await put(csms, *"ABCD")
    async with trio.open_nursery() as both:
        both.start_soon(sync, csms)
        both.start_soon(sync, csms)
    assert shapes(charger) == [("Full", 1, "ABC"), ("Differential", 2, "D")]


@pytest.mark.req("LAL-06", "LAL-07")
async def test_a_long_list_goes_in_pieces_each_after_the_one_before_was_accepted(
    csms: TestCsms, charger: Charger
) -> None:
    await put(csms, *"ABCDEFG")
    result = await sync(csms)
    assert shapes(charger) == [("Full", 1, "ABC"), ("Differential", 2, "DEF"), ("Differential", 3, "G")]
    assert result.state.version == 3
    for id_tag in "ABCD":
        await core_of(csms).tags.delete(id_tag, actor="test")
    await put(csms, *"HIJ")
    charger.sent.clear()
    await sync(csms)
    assert shapes(charger) == [("Differential", 4, "abc"), ("Differential", 5, "dHI"), ("Differential", 6, "J")]
    assert charger.entries == expected(csms)


@pytest.mark.req("LAL-07")
async def test_a_piece_without_an_answer_holds_the_next_ones_back(csms: TestCsms, charger: Charger) -> None:
    await put(csms, *"ABCDEFG")
    charger.refusals = [None, "deaf"]
    with pytest.raises(CallTimeout):
        await sync(csms)
    await trio.sleep(60)
    assert shapes(charger) == [("Full", 1, "ABC"), ("Differential", 2, "DEF")]
    await sync(csms)
    assert shapes(charger)[2:] == [("Full", 3, "ABC"), ("Differential", 4, "DEF"), ("Differential", 5, "G")]
    assert charger.entries == expected(csms)


@pytest.mark.req("LAL-07", "LAL-08")
@pytest.mark.parametrize("status", ["Failed", "VersionMismatch"])
async def test_a_piece_that_fails_makes_the_whole_list_start_over_once(
    csms: TestCsms, charger: Charger, status: str
) -> None:
    await put(csms, *"ABCD")
    charger.refusals = [None, status]
    assert (await sync(csms)).outcome == "updated"
    assert [kind for kind, _, _ in shapes(charger)] == ["Full", "Differential", "Full", "Differential"]
    assert [number for _, number, _ in shapes(charger)] == [1, 2, 3, 4]
    assert charger.entries == expected(csms)
    charger.sent.clear()
    charger.refusals = [None, status, None, status]
    assert (await sync(csms, force_full=True)).outcome == "failed"
    assert len(charger.sent) == 4, "and not for ever"


@pytest.mark.req("LAL-08", "TC_043_3")
async def test_a_full_list_that_fails_is_reported(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    charger.refusals = ["Failed"]
    result = await sync(csms)
    assert (result.outcome, result.messages) == ("failed", ("Full 1: Failed",))
    now = await state(csms)
    assert (now.version, now.is_certain, now.concern) == (0, False, "LAL-08 Full: Failed")
    assert shapes(charger) == [("Full", 1, "A")]
    await sync(csms)
    assert shapes(charger)[1:] == [("Full", 2, "A")]
    assert (await state(csms)).concern == ""


@pytest.mark.req("LAL-08", "TC_043_1")
@pytest.mark.parametrize(
    "answer", ["NotSupported", CallError("", "NotImplemented", "", msgspec.Raw(b"{}"))], ids=["status", "callerror"]
)
async def test_a_station_without_a_local_list_is_left_alone(csms: TestCsms, charger: Charger, answer: Any) -> None:
    charger.refusals = [answer]
    if answer == "NotSupported":
        assert await raw(csms, 1, "Full", A) == "NotSupported"
        charger.refusals = ["NotSupported"]
        await put(csms, "A")
        assert (await sync(csms)).outcome == "not supported"
    else:
        charger.wire.behaviour["GetLocalListVersion"] = answer
        assert (await sync(csms)).outcome == "not supported"
        assert charger.sent == []
    assert not (await state(csms)).is_supported


@pytest.mark.req("LAL-08")
async def test_a_differential_that_is_not_supported_is_not_tried_again(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A", "B")
    await sync(csms)
    await put(csms, "C")
    charger.refusals = ["NotSupported"]
    assert (await sync(csms)).outcome == "not supported"
    assert len(charger.sent) == 2


@pytest.mark.req("LAL-08")
async def test_the_retry_can_be_switched_off_and_is_proposed_then() -> None:
    settings = {"localauth": {"retry_with_full": False}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        charger = await charger_in(csms)
        await put(csms, "A")
        await sync(csms)
        await put(csms, "B")
        charger.refusals = ["VersionMismatch"]
        assert (await sync(csms)).messages == ("Differential 2: VersionMismatch",)
        assert (await state(csms)).concern == "LAL-08 Differential: VersionMismatch"


@pytest.mark.req("LAL-08", "LAL-11")
async def test_a_differential_by_hand_that_fails_is_proposed_to_be_synchronised(
    csms: TestCsms, charger: Charger
) -> None:
    await raw(csms, 1, "Full", A)
    charger.refusals = ["Failed"]
    assert await raw(csms, 2, "Differential", B) == "Failed"
    assert (await state(csms)).concern == "LAL-08 Differential: Failed"
    assert await mirrored(csms) == ["A"]
    await trio.sleep(3600)
    assert len(charger.sent) == 2, "nothing is sent unasked"


@pytest.mark.req("LAL-11", "CORE-06")
async def test_a_conflict_that_the_station_signals_proposes_a_synchronisation(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    await sync(csms)

    async def report(connector_id: int) -> None:
        request = StatusNotification(connector_id, "LocalListConflict", "Available")
        await charger.wire.send("StatusNotification", request, StatusNotificationResponse)

    await report(1)
    assert (await state(csms)).concern == ""
    await report(0)
    assert (await state(csms)).concern == "LAL-11 LocalListConflict"
    assert (await sync(csms)).messages == ("Full 2: Accepted",)
    assert (await state(csms)).concern == ""


@pytest.mark.req("LAL-04")
async def test_a_differential_without_entries_has_no_effect(csms: TestCsms, charger: Charger) -> None:
    await raw(csms, 1, "Full", A)
    assert await raw(csms, 2, "Differential") == "Accepted"
    now = await state(csms)
    assert (now.version, now.highest, await mirrored(csms)) == (1, 2, ["A"])


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.req("LAL-06")
async def test_unknown_limits_are_read_first_and_only_once(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    await sync(csms)
    await sync(csms)
    assert [read.key for read in charger.configuration_reads] == [("LocalAuthListMaxLength", "SendLocalListMaxLength")]


@pytest.mark.req("LAL-06")
@pytest.mark.parametrize("missing", ["list_length", "message_length"])
async def test_a_station_that_does_not_tell_its_limits_needs_the_operators(
    csms: TestCsms, charger: Charger, missing: str
) -> None:
    setattr(charger, missing, None)
    await put(csms, *"ABCD")
    with pytest.raises(LimitsUnknown, match="LAL-06"):
        await sync(csms)
    assert charger.sent == []
    assert (await sync(csms, limits=Limits(10, 2))).outcome == "updated"
    assert [len(each.local_authorization_list) for each in charger.sent] == [2, 2]


@pytest.mark.req("LAL-06")
async def test_limits_can_be_assumed() -> None:
    settings = {"localauth": {"assumed_list_length": 4, "assumed_message_length": 2}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        charger = await charger_in(csms)
        charger.list_length = charger.message_length = None
        charger.wire.behaviour["GetConfiguration"] = CallError("", "InternalError", "", msgspec.Raw(b"{}"))
        await put(csms, *"ABCD")
        assert (await sync(csms)).messages == ("Full 1: Accepted", "Differential 2: Accepted")


@pytest.mark.req("LAL-06")
async def test_a_list_that_is_too_long_is_not_sent(csms: TestCsms, charger: Charger) -> None:
    charger.list_length = 3
    await put(csms, *"ABCD")
    with pytest.raises(ListTooLong, match="LocalAuthListMaxLength of CP-1 is 3"):
        await sync(csms)
    assert charger.sent == []
    await send(csms, "A", "B", update_type="Full")
    with pytest.raises(ListTooLong):
        await send(csms, "C", "D")
    assert (await send(csms, "C", "D", removed=["a"])).outcome == "updated"
    with pytest.raises(ListTooLong):
        await send(csms, *"ABCD", update_type="Full")
    assert charger.tags() == ["B", "C", "D"] == await mirrored(csms)
