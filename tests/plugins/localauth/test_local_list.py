"""Local lists: versions, what is refused and warned of, and what is sent by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from csmsd.errors import CallRefused, CallTimeout, InvalidPayload
from csmsd.testing import TestCsms
from csmsd_core import (
    GET_CONFIGURATION,
    GetConfiguration,
    GetConfigurationResponse,
    IdTagInfo,
    KeyValue,
)
from csmsd_localauth import (
    GET_LOCAL_LIST_VERSION,
    SEND_LOCAL_LIST,
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionResponse,
    SendLocalList,
)
from tests.plugins.localauth.charger import Charger, core_of, put
from tests.plugins.localauth.operator import GOOD, A, B, C, mirrored, raw, send, state, sync, version
from tests.plugins.profile import warnings_about

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
    await send(csms, "C", removed=["c", "B"])
    assert charger.tags() == ["A", "C"], "what is sent is not removed"
    charger.refusals = ["Failed"]
    assert (await send(csms, "C")).outcome == "failed"
    assert len(charger.sent) == 5, "what fails by hand is reported only"
