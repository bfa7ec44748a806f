"""Local lists: what is refused and warned of, what is sent in which pieces, and what the mirror makes of answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import CallRefused, CallTimeout, InvalidPayload, UnknownCommand
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import (
    GET_CONFIGURATION,
    GetConfiguration,
    GetConfigurationResponse,
    IdTagInfo,
    KeyValue,
    StatusNotification,
    StatusNotificationResponse,
)
from csmsd_localauth import (
    GET_LOCAL_LIST_VERSION,
    SEND_LOCAL_LIST,
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionResponse,
    Limits,
    LimitsUnknown,
    ListState,
    ListTooLong,
    LocalAuthPlugin,
    SendLocalList,
    SendLocalListResponse,
    SyncResult,
)
from csmsd_web import WebPlugin
from tests.plugins.localauth.charger import Charger, charger_in, core_of, expected, plugin_of, put
from tests.plugins.profile import ask, boot, booted, virtual_env, warnings_about

GOOD = IdTagInfo("Accepted")
A, B, C = (AuthorizationData(name, GOOD) for name in "ABC")
PLUGINS = ("core", LocalAuthPlugin, WebPlugin)


@pytest.fixture
async def csms() -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=PLUGINS, env=virtual_env()) as csms:
        yield csms


@pytest.fixture
async def charger(csms: TestCsms) -> Charger:
    return await charger_in(csms)


async def sync(csms: TestCsms, **more: Any) -> SyncResult:
    return await plugin_of(csms).synchroniser.sync(csms.host.stations.get("CP-1"), **more)


async def send(csms: TestCsms, *id_tags: str, update_type: Any = "Differential", **more: Any) -> SyncResult:
    return await plugin_of(csms).synchroniser.send(csms.host.stations.get("CP-1"), update_type, id_tags, **more)


async def raw(csms: TestCsms, version: int, update_type: Any, *entries: AuthorizationData) -> str:
    request = SendLocalList(version, update_type, entries)
    return (await csms.host.stations.get("CP-1").call(SEND_LOCAL_LIST, request)).status


async def version(csms: TestCsms) -> int:
    answer = await csms.host.stations.get("CP-1").call(GET_LOCAL_LIST_VERSION, GetLocalListVersion())
    return answer.list_version


async def state(csms: TestCsms) -> ListState:
    await trio.sleep(2)
    return await plugin_of(csms).lists.settled("CP-1")


async def mirrored(csms: TestCsms) -> list[str]:
    return sorted(each.id_tag for each in (await plugin_of(csms).lists.entries_of("CP-1")).values())


def shapes(charger: Charger) -> list[tuple[str, int, str]]:
    """The messages: kind, version, id tags (small: deletions)."""
    return [
        (
            each.update_type,
            each.list_version,
            "".join(entry.id_tag if entry.id_tag_info else entry.id_tag.lower()
                    for entry in each.local_authorization_list),
        )
        for each in charger.sent
    ]  # fmt: skip


# -- the version ---------------------------------------------------------------------------------------------------


@pytest.mark.req("LAL-01", "MSG-32", "TC_042_1")
async def test_a_station_that_reports_minus_1_has_no_local_list(csms: TestCsms, charger: Charger) -> None:
    charger.wire.behaviour["GetLocalListVersion"] = GetLocalListVersionResponse(-1)
    assert await version(csms) == -1
    assert not (await state(csms)).is_supported
    assert "LAL-08" in warnings_about(csms, SEND_LOCAL_LIST, SendLocalList(1, "Full"))[0]


@pytest.mark.req("LAL-01", "MSG-32", "TC_042_2")
async def test_a_station_that_reports_0_has_an_empty_list(csms: TestCsms, charger: Charger) -> None:
    assert await version(csms) == 0
    now = await state(csms)
    assert (now.version, now.size, now.is_certain, now.concern) == (0, 0, True, "")


@pytest.mark.req("LAL-01", "LAL-12")
async def test_a_station_whose_list_somebody_else_made_is_not_certain(csms: TestCsms, charger: Charger) -> None:
    charger.entries, charger.version = {"x": ("X", GOOD)}, 41
    assert await version(csms) == 41
    assert not (await state(csms)).is_certain
    await put(csms, "A")
    assert (await sync(csms)).messages == ("Full 42: Accepted",)


@pytest.mark.req("LAL-12")
@pytest.mark.parametrize(("reported", "word"), [(0, "lost its list"), (1, "lost its list"), (9, "somebody else's")])
async def test_a_version_that_is_not_the_mirrors_is_noticed(
    csms: TestCsms, charger: Charger, reported: int, word: str
) -> None:
    await put(csms, "A", "B", "C", "D")
    await sync(csms)
    charger.wire.behaviour["GetLocalListVersion"] = GetLocalListVersionResponse(reported)
    with csms.host.events.watch(frozenset({"local_list.sync_proposed"})) as feed:
        await version(csms)
        now = await state(csms)
        assert not now.is_certain
        assert "LAL-12" in now.concern
        assert word in now.concern
        assert (await feed.receive()).station_id == "CP-1"


@pytest.mark.req("LAL-12", "C-39", "LAL-03")
async def test_0_after_an_accepted_empty_full_list_is_in_sync(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    await sync(csms)
    await core_of(csms).tags.delete("A", actor="test")
    assert (await sync(csms, force_full=True)).messages == ("Full 2: Accepted",)
    assert charger.sent[-1].local_authorization_list == ()
    assert await version(csms) == 0
    now = await state(csms)
    assert (now.version, now.is_certain, now.concern) == (2, True, "")
    assert (await sync(csms)).outcome == "in sync"
    await put(csms, "B")
    assert (await sync(csms)).messages == ("Differential 3: Accepted",)
    assert charger.tags() == ["B"]


@pytest.mark.req("LAL-12", "RPC-24")
async def test_a_version_that_comes_late_is_not_believed(csms: TestCsms, charger: Charger) -> None:
    charger.wire.behaviour["GetLocalListVersion"] = None
    with pytest.raises(CallTimeout):
        await version(csms)
    await put(csms, "A")
    del charger.wire.behaviour["GetLocalListVersion"]
    assert await raw(csms, 1, "Full", A) == "Accepted"
    await charger.wire.answer(await charger.wire.wait_for_call("GetLocalListVersion"), GetLocalListVersionResponse(0))
    assert (await state(csms)).is_certain


# -- what is refused and warned of ---------------------------------------------------------------------------------


@pytest.mark.req("LAL-02", "MSG-33")
@pytest.mark.parametrize("list_version", [0, -1])
async def test_versions_that_are_not_positive_are_refused(csms: TestCsms, charger: Charger, list_version: int) -> None:
    payload = json.dumps({"listVersion": list_version, "updateType": "Full"}).encode()
    with pytest.raises(InvalidPayload):
        await csms.host.commands.submit("CP-1", "SendLocalList", payload, actor="test")
    assert charger.sent == []


@pytest.mark.req("MSG-33")
@pytest.mark.parametrize(
    "payload",
    [
        {"listVersion": 1},
        {"listVersion": 1, "updateType": "Partial"},
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "A" * 21}]},
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "A", "idTagInfo": {}}]},
    ],
)
async def test_what_breaks_the_schema_is_not_sent(csms: TestCsms, charger: Charger, payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        await csms.host.commands.submit("CP-1", "SendLocalList", json.dumps(payload).encode(), actor="test")


@pytest.mark.req("LAL-03", "TC_043_4")
async def test_a_full_list_with_an_entry_without_information_is_refused(csms: TestCsms, charger: Charger) -> None:
    with pytest.raises(CallRefused, match="LAL-03"):
        await raw(csms, 1, "Full", A, AuthorizationData("B"))
    assert await raw(csms, 1, "Full", A, B) == "Accepted"
    assert await raw(csms, 2, "Differential", AuthorizationData("B")) == "Accepted"
    assert charger.tags() == ["A"] == await mirrored(csms)


@pytest.mark.req("LAL-05")
@pytest.mark.parametrize("update_type", ["Full", "Differential"])
async def test_an_id_tag_twice_in_one_message_is_refused_whatever_the_case(
    csms: TestCsms, charger: Charger, update_type: str
) -> None:
    with pytest.raises(CallRefused, match="LAL-05"):
        await raw(csms, 1, update_type, AuthorizationData("Tag", GOOD), AuthorizationData("tAG", GOOD))
    assert charger.sent == []


@pytest.mark.req("LAL-04", "LAL-06", "LAL-10", "LAL-13", "OP-02")
async def test_what_may_go_wrong_is_sent_with_warnings(csms: TestCsms, charger: Charger) -> None:
    keys = {
        "SupportedFeatureProfiles": "Core", "LocalAuthListEnabled": "false", "SendLocalListMaxLength": "2",
        "LocalAuthListMaxLength": "2",
    }  # fmt: skip

    def about(*fields: Any) -> str:
        return " ".join(warnings_about(csms, SEND_LOCAL_LIST, SendLocalList(*fields)))

    assert about(1, "Full", (A, B, C)) == ""
    await raw(csms, 5, "Full", A)
    await state(csms)
    assert about(6, "Differential", (B,)) == ""
    assert "LAL-04" in about(6, "Differential")
    assert "expect VersionMismatch (LAL-04)" in about(5, "Differential", (B,))
    assert "LAL-10" in about(6, "Full", (AuthorizationData("A", IdTagInfo("ConcurrentTx")),))
    charger.wire.behaviour["GetConfiguration"] = GetConfigurationResponse(
        tuple(KeyValue(key, readonly=True, value=value) for key, value in keys.items())
    )
    await csms.host.stations.get("CP-1").call(GET_CONFIGURATION, GetConfiguration())
    found = about(6, "Full", (A, B, C))
    assert "LocalAuthListManagement" in found
    assert "LocalAuthListEnabled" in found
    assert "SendLocalListMaxLength of CP-1 is 2" in found
    assert "LocalAuthListMaxLength of CP-1 is 2" in found
    assert "LAL-13" in " ".join(warnings_about(csms, GET_LOCAL_LIST_VERSION, GetLocalListVersion()))
    charger.refusals = ["Failed"]
    await raw(csms, 6, "Differential", B)
    await state(csms)
    assert "LAL-09" in about(7, "Differential", (B,))


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


# -- by hand -------------------------------------------------------------------------------------------------------


@pytest.mark.req("LAL-04", "TC_043_4", "TC_043_5")
async def test_some_id_tags_can_be_sent_by_hand(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A", "B", "C")
    assert (await send(csms, "a", "X", update_type="Full")).messages == ("Full 1: Accepted",)
    assert charger.sent[0].local_authorization_list == (
        AuthorizationData("A", GOOD), AuthorizationData("X", IdTagInfo("Invalid")),
    )  # fmt: skip
    await send(csms, "B")
    assert charger.sent[-1] == SendLocalList(2, "Differential", (AuthorizationData("B", GOOD),))
    await send(csms, removed=["X"])
    assert charger.tags() == ["A", "B"]
    charger.refusals = ["Failed"]
    assert (await send(csms, "C")).outcome == "failed"
    assert len(charger.sent) == 4, "what fails by hand is reported only"


# -- late, lost and wrong answers ----------------------------------------------------------------------------------


@pytest.mark.req("RPC-24", "LAL-08")
@pytest.mark.parametrize("update_type", ["Full", "Differential"])
async def test_a_late_accepted_changes_the_mirror(csms: TestCsms, charger: Charger, update_type: str) -> None:
    await raw(csms, 1, "Full", A)
    charger.is_mute = True
    with pytest.raises(CallTimeout):
        await raw(csms, 2, update_type, B)
    now = await state(csms)
    assert (now.version, now.is_certain) == (1, False)
    (call,) = [call for call in charger.wire.calls if call.action == "SendLocalList"][-1:]
    await charger.wire.answer(call, SendLocalListResponse("Accepted"))
    now = await state(csms)
    assert (now.version, now.is_certain) == (2, True)
    assert charger.tags() == await mirrored(csms)


@pytest.mark.req("RPC-24", "LAL-12")
async def test_a_late_accepted_of_what_a_full_list_has_replaced_changes_nothing(
    csms: TestCsms, charger: Charger
) -> None:
    charger.is_mute = True
    with pytest.raises(CallTimeout):
        await raw(csms, 1, "Full", A)
    charger.is_mute = False
    await raw(csms, 2, "Full", B)
    assert (await state(csms)).is_certain
    call = next(call for call in charger.wire.calls if call.action == "SendLocalList")
    await charger.wire.answer(call, SendLocalListResponse("Accepted"))
    now = await state(csms)
    assert (now.version, now.is_certain, await mirrored(csms)) == (2, True, ["B"])


@pytest.mark.req("RPC-24", "LAL-08")
@pytest.mark.parametrize("status", ["Failed", "NotSupported"])
async def test_a_late_refusal_of_what_a_full_list_has_replaced_changes_nothing(
    csms: TestCsms, charger: Charger, status: Any
) -> None:
    charger.refusals = ["deaf"]
    with pytest.raises(CallTimeout):
        await raw(csms, 1, "Full", A)
    await raw(csms, 2, "Full", B)
    call = next(call for call in charger.wire.calls if call.action == "SendLocalList")
    await charger.wire.answer(call, SendLocalListResponse(status))
    now = await state(csms)
    assert (now.is_certain, now.is_supported, now.concern) == (True, True, "")


@pytest.mark.req("RPC-24", "LAL-12")
async def test_a_late_answer_from_before_a_differential_makes_the_mirror_doubtful(
    csms: TestCsms, charger: Charger
) -> None:
    await raw(csms, 1, "Full", A)
    charger.is_mute = True
    with pytest.raises(CallTimeout):
        await raw(csms, 2, "Full", B)
    charger.is_mute = False
    await raw(csms, 3, "Differential", C)
    call = [call for call in charger.wire.calls if call.action == "SendLocalList"][1]
    await charger.wire.answer(call, SendLocalListResponse("Accepted"))
    now = await state(csms)
    assert not now.is_certain
    assert "RPC-24" in now.concern
    await put(csms, "A", "B", "C")
    assert (await sync(csms)).messages == ("Full 4: Accepted",)


@pytest.mark.req("LAL-12")
async def test_an_open_message_is_not_forgotten_by_a_restart(tmp_path: Any) -> None:
    env = virtual_env()
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        charger = await charger_in(csms)
        await put(csms, "A", "B")
        await sync(csms)
        charger.is_mute = True
        with pytest.raises(CallTimeout):
            await raw(csms, 7, "Differential", C)
    async with open_test_csms(plugins=PLUGINS, env=env, data_dir=tmp_path) as csms:
        now = await state(csms)
        assert (now.version, now.highest, now.is_certain) == (1, 7, False)
        again = await charger_in(csms)
        again.entries, again.version = charger.entries, charger.version
        assert (await sync(csms)).messages == ("Full 8: Accepted",)
        assert again.entries == expected(csms)


# -- other plugins, and lists that follow by themselves ------------------------------------------------------------


class Roaming(Plugin[NoConfig]):
    """Adds entries."""

    name = "roaming"
    requires = ("localauth",)

    @hookimpl
    async def local_list_entries(self, station: Any) -> Sequence[AuthorizationData] | None:
        if station.id != "CP-1":
            return None
        return [
            AuthorizationData("R", IdTagInfo("ConcurrentTx")),
            AuthorizationData("a", IdTagInfo("Blocked")),
            AuthorizationData("S"),
        ]


@pytest.mark.req("LAL-10")
async def test_plugins_add_entries_and_concurrent_tx_is_never_among_them() -> None:
    async with open_test_csms(plugins=("core", LocalAuthPlugin, Roaming), env=virtual_env()) as csms:
        charger = await charger_in(csms)
        await put(csms, "A", "B")
        await sync(csms)
        assert {id_tag: info.status for id_tag, info in charger.entries.values()} == {
            "a": "Blocked", "B": "Accepted", "R": "Accepted",
        }  # fmt: skip


@pytest.mark.req("BOOT-26", "LAL-08", "LAL-11")
async def test_a_list_follows_by_itself_only_where_it_should() -> None:
    settings = {"localauth": {"sync_automatically": ["CP-1"], "sync_interval": 60}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        await put(csms, "A")
        follows, other = await charger_in(csms), await charger_in(csms, "CP-2")
        await trio.sleep(61)
        assert follows.tags() == ["A"]
        await put(csms, "B")
        await trio.sleep(61)
        assert shapes(follows)[-1] == ("Differential", 2, "B")
        asked = len(follows.asked)
        await trio.sleep(600)
        assert len(follows.asked) == asked, "a list that is in line is not asked about"

        follows.restart_empty()
        await boot(follows.wire)
        await trio.sleep(5)
        assert follows.entries == expected(csms)

        follows.refusals = ["Failed"]
        await raw(csms, 90, "Differential", C)
        await trio.sleep(5)
        assert shapes(follows)[-1] == ("Full", 91, "AB")

        request = StatusNotification(0, "LocalListConflict", "Available")
        await follows.wire.send("StatusNotification", request, StatusNotificationResponse)
        await trio.sleep(5)
        assert shapes(follows)[-1] == ("Full", 92, "AB")
        assert other.asked == []


@pytest.mark.req("BOOT-26")
async def test_without_being_told_so_no_list_follows(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    await boot(charger.wire)
    await trio.sleep(3600)
    assert charger.asked == []


@pytest.mark.req("LAL-08")
async def test_a_list_that_should_follow_and_cannot_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"localauth": {"sync_automatically": ["*"], "sync_interval": 60}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        await put(csms, "A")
        dumb, charger = await booted(csms, "CP-2", call_timeout=5.0), await charger_in(csms)
        pending = await csms.connect("CP-3", registration="Pending")
        await boot(pending)
        await trio.sleep(200)
        assert charger.tags() == ["A"]
        assert "the local list of CP-2 could not be synchronised" in caplog.text
        assert pending.calls == []
        assert dumb.calls != []


# -- the API, and without the plugin -------------------------------------------------------------------------------


@pytest.mark.req("LAL-08", "LAL-11")
async def test_the_routes_show_synchronise_and_send(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A", "B")
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/sync")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["outcome"], answer.json()["messages"]) == ("updated", ["Full 1: Accepted"])
    body = {"update_type": "Differential", "id_tags": ["X"], "removed": ["A"]}
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/send", body)
    assert answer.json()["messages"] == ["Differential 2: Accepted"]
    shown = (await ask(csms, "GET", "/stations/CP-1/local-list")).json()
    assert [each["idTag"] for each in shown["entries"]] == ["B", "X"]
    assert (shown["state"]["version"], shown["is_certain"], shown["state"]["concern"]) == (2, True, "")
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/sync", {"full": True, "max_entries_per_message": 1})
    assert answer.json()["messages"] == ["Full 3: Accepted", "Differential 4: Accepted"]
    assert charger.entries == expected(csms)


async def test_the_routes_say_what_cannot_be(csms: TestCsms, charger: Charger) -> None:
    body = {"update_type": "Full", "removed": ["A"]}
    assert (await ask(csms, "POST", "/stations/CP-1/local-list/send", body)).status_code == 422
    assert (await ask(csms, "GET", "/stations/CP-9/local-list")).status_code == 404
    charger.list_length = None
    assert (await ask(csms, "POST", "/stations/CP-1/local-list/sync")).status_code == 409


async def test_without_the_plugin_there_are_no_such_commands() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        await booted(csms)
        for action in ("GetLocalListVersion", "SendLocalList"):
            with pytest.raises(UnknownCommand):
                await csms.host.commands.submit("CP-1", action, b"{}", actor="test")
