"""After any changes, failures and retries: a list that was synchronised equals the id tags, and so does its mirror."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from csmsd.errors import CallFailed, CallTimeout
from csmsd.ocpp.frames import Call, CallError
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import IdTagInfo, Tag
from csmsd_localauth import SEND_LOCAL_LIST, AuthorizationData, LocalAuthPlugin, SendLocalList, SendLocalListResponse
from tests.plugins.localauth.charger import Charger, charger_in, core_of, expected, plugin_of
from tests.plugins.profile import in_virtual_time, virtual_env

SECOND = timedelta(seconds=1)
TAGS = st.sampled_from(["A", "a", "B", "C", "D", "E", "F", "G"])
# mute: obeyed without an answer. late: obeyed, answered after the time-out. deaf: neither.
TREATMENTS = st.lists(
    st.sampled_from(["obey", "obey", "Failed", "VersionMismatch", "failing", "deaf", "mute", "late"]), max_size=4
)
PUT = st.tuples(
    st.just("put"), TAGS, st.sampled_from(["Accepted", "Blocked"]), st.sampled_from(["", "G1"]),
    st.sampled_from([None, 50]),
)  # fmt: skip
DELETE = st.tuples(st.just("delete"), TAGS)
SYNC = st.tuples(st.just("sync"), st.booleans(), TREATMENTS)
RAW = st.tuples(st.just("raw"), st.sampled_from(["Full", "Differential"]), TAGS, st.booleans(), TREATMENTS)
LOSE = st.tuples(st.just("lose"))
WAIT = st.tuples(st.just("wait"))
HISTORY = st.lists(st.one_of(PUT, PUT, DELETE, SYNC, SYNC, RAW, LOSE, WAIT), min_size=1, max_size=14)


class World:
    """A csmsd, a charger, and how it treats what comes."""

    def __init__(self, csms: TestCsms, charger: Charger) -> None:
        self.csms, self.charger = csms, charger
        self.treatments: list[str] = []
        self.owed: list[tuple[Call, Any]] = []
        self.has_lost = False  # the list is gone and csmsd could not notice yet
        charger.wire.behaviour["SendLocalList"] = self.take

    def take(self, call: Call) -> Any:
        treatment = self.treatments.pop(0) if self.treatments else "obey"
        self.charger.refusals = [treatment] if treatment in ("Failed", "VersionMismatch") else []
        if treatment == "failing":
            return CallError("", "InternalError", "", msgspec.Raw(b"{}"))
        if treatment == "deaf":
            return None
        answer = self.charger.take(call)
        if treatment == "late":
            self.owed.append((call, answer))
        return None if treatment in ("mute", "late") else answer

    async def perform(self, step: Any) -> None:
        tags = core_of(self.csms).tags
        match step:
            case ("put", id_tag, status, parent, lasting):
                expires_at = None if lasting is None else self.csms.host.env.now() + lasting * SECOND
                await tags.put(Tag(id_tag, status, parent, expires_at), actor="test")
            case ("delete", id_tag):
                if tags.find(id_tag) is not None:
                    await tags.delete(id_tag, actor="test")
            case ("sync", force_full, treatments):
                await self.sync(force_full, treatments)
            case ("raw", update_type, id_tag, is_deletion, treatments):
                if not self.has_lost:
                    await self.send_raw(update_type, id_tag, is_deletion, treatments)
            case ("lose",):
                self.charger.restart_empty()
                self.has_lost = True
            case ("wait",):
                await trio.sleep(30)
            case _:
                raise AssertionError(step)

    async def sync(self, force_full: bool, treatments: list[str]) -> None:
        self.treatments = list(treatments)
        station = self.csms.host.stations.get("CP-1")
        try:
            result = await plugin_of(self.csms).synchroniser.sync(station, force_full=force_full)
        except (CallTimeout, CallFailed):
            return
        finally:
            self.has_lost = False  # the version has been read
            await self.pay()
        if result.outcome in ("in sync", "updated"):
            assert self.charger.entries == expected(self.csms), result

    async def send_raw(self, update_type: Any, id_tag: str, is_deletion: bool, treatments: list[str]) -> None:
        self.treatments = list(treatments)
        highest = plugin_of(self.csms).lists.state_of("CP-1").highest
        info = None if is_deletion and update_type == "Differential" else IdTagInfo("Accepted")
        request = SendLocalList(highest + 1, update_type, (AuthorizationData(id_tag, info),))
        try:
            await self.csms.host.stations.get("CP-1").call(SEND_LOCAL_LIST, request)
        except (CallTimeout, CallFailed):
            pass
        finally:
            await self.pay()

    async def pay(self) -> None:
        for call, answer in self.owed:
            assert isinstance(answer, SendLocalListResponse)
            await self.charger.wire.answer(call, answer)
        self.owed.clear()
        await trio.sleep(2)

    async def agree(self) -> None:
        state = await plugin_of(self.csms).lists.settled("CP-1")
        if state.is_certain and not self.has_lost:
            mirror = await plugin_of(self.csms).lists.entries_of("CP-1")
            assert {key: (each.id_tag, each.id_tag_info) for key, each in mirror.items()} == self.charger.entries
            assert state.size == len(mirror)
        versions = [each.list_version for each in self.charger.sent]
        assert versions == sorted(set(versions)), "versions only grow"
        assert all(len(each.local_authorization_list) <= 3 for each in self.charger.sent)


async def live_a_history(history: list[Any]) -> None:
    async with open_test_csms(plugins=("core", LocalAuthPlugin), env=virtual_env()) as csms:
        world = World(csms, await charger_in(csms))
        for step in history:
            await world.perform(step)
            await world.agree()
        await world.sync(force_full=False, treatments=[])
        assert world.charger.entries == expected(csms), "a synchronisation that nothing disturbs always succeeds"
        await world.agree()


@pytest.mark.req("LAL-04", "LAL-06", "LAL-07", "LAL-08", "LAL-09", "LAL-12", "RPC-24")
@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_a_synchronised_list_equals_the_id_tags_after_any_history(history: list[Any]) -> None:
    in_virtual_time(lambda: live_a_history(history))
