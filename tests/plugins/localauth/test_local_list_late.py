"""Local lists: late, lost and wrong answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from csmsd.config import StoreConfig
from csmsd.errors import CallTimeout
from csmsd.testing import TestCsms, open_test_csms
from csmsd_localauth import (
    SendLocalListResponse,
)
from tests.plugins.localauth.charger import Charger, charger_in, core_of, expected, put
from tests.plugins.localauth.operator import PLUGINS, A, B, C, mirrored, raw, shapes, state, sync
from tests.plugins.profile import virtual_env


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


@pytest.mark.req("LAL-04", "LAL-12")
async def test_both_databases_take_lists_and_changes(database_url: str) -> None:
    store = StoreConfig(url=database_url)
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), store=store) as csms:
        charger = await charger_in(csms)
        await put(csms, *"ABCD", parent_id_tag="G", expires_at=csms.host.env.now() + timedelta(seconds=60))
        await sync(csms)
        await core_of(csms).tags.delete("B", actor="test")
        await put(csms, "C", status="Blocked")
        await sync(csms)
        assert (await sync(csms)).outcome == "in sync"
        assert charger.entries == expected(csms)
        assert [kind for kind, _, _ in shapes(charger)] == ["Full", "Differential", "Differential"]
