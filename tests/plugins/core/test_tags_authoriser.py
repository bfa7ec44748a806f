"""External authorisers: their word counts, and their silence never turns into a false Invalid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import trio

from csmsd.hookspecs import hookimpl
from csmsd.ocpp.errors import InternalError
from csmsd_core import (
    IdTagInfo,
    InvalidTag,
    Tag,
)


class Authoriser:
    """An external authoriser, quick or not."""

    def __init__(self, answer: Callable[[str], Any], delay: float = 0.0) -> None:
        self.answer, self.delay = answer, delay
        self.asked: list[tuple[str, str]] = []

    @hookimpl
    async def authorize_id_tag(self, id_tag: str, purpose: str) -> Any:
        self.asked.append((id_tag, purpose))
        await trio.sleep(self.delay)
        return self.answer(id_tag)


@pytest.mark.req("AUTH-02")
async def test_an_authorisers_concurrent_tx_does_not_reach_an_authorize(house: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo("ConcurrentTx"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await station.authorize("T")).status == "Accepted"
    assert (await station.start("T")).id_tag_info.status == "ConcurrentTx"
    assert authoriser.asked == [("T", "authorize"), ("T", "start")]


@pytest.mark.req("AUTH-11")
async def test_an_empty_tag_is_invalid_and_nobody_is_asked(house: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo("Accepted"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await station.authorize("")).status == "Invalid"
    assert authoriser.asked == []
    with pytest.raises(InvalidTag):
        house.core.tags.put(Tag(""), actor="op")


@pytest.mark.req("AUTH-09", "RPC-31")
@pytest.mark.parametrize("kind", ["slow", "down"])
async def test_an_authorize_that_nobody_could_judge_is_an_internal_error_and_never_invalid(
    house: Any, kind: str
) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("out of order")

    house.enable(Authoriser(fail if kind == "down" else lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    with pytest.raises(InternalError):
        await house.core.authorization.judge(station.station, "T", "authorize")


@pytest.mark.req("AUTH-09")
async def test_a_fixed_status_may_be_configured_instead(open_house: Any) -> None:
    house = await open_house(authorizer_failure="Blocked")
    house.enable(Authoriser(lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    assert (await station.authorize("T")).status == "Blocked"


@pytest.mark.req("AUTH-13")
async def test_a_slow_authoriser_delays_an_answer_by_its_time_limit_at_most(open_house: Any) -> None:
    house = await open_house(authorizer_failure="Accepted")
    house.enable(Authoriser(lambda _: None, delay=1e6), "external", timeout=2.0)
    station = await house.connect()
    begun = trio.current_time()
    await station.authorize("T")
    assert trio.current_time() - begun <= 3


@pytest.mark.req("AUTH-14", "RPC-31")
async def test_a_start_that_nobody_could_judge_is_stored_and_accepted_for_an_hour(house: Any) -> None:
    house.enable(Authoriser(lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    answer = await station.start("T")
    assert answer.id_tag_info.status == "Accepted"
    assert timedelta(minutes=59) < answer.id_tag_info.expiry_date - house.env.now() <= timedelta(hours=1)
    transaction = await house.core.transactions.find(answer.transaction_id)
    assert (transaction.is_verified, transaction.flags) == (False, ("AUTH-14 not verified",))
    assert (await station.stop(answer.transaction_id, "T")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-14")
@pytest.mark.parametrize("status", ["Blocked", "Accepted"])
async def test_a_start_that_nobody_could_judge_gets_the_last_known_verdict(house: Any, status: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo(status, None, "GROUP"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await station.authorize("T")).status == status
    authoriser.delay = 9
    assert (await station.start("t")).id_tag_info == IdTagInfo(status, None, "GROUP")


@pytest.mark.req("AUTH-14")
async def test_the_operators_own_tag_is_the_last_known_verdict_and_may_have_expired(house: Any) -> None:
    house.enable(Authoriser(lambda _: None, delay=9), "external")
    station, expiry = await house.connect(), house.env.now() + timedelta(seconds=1)
    await house.core.tags.put(Tag("T", expires_at=expiry), actor="op")
    assert (await station.start("T")).id_tag_info == IdTagInfo("Expired", expiry)


@pytest.mark.req("AUTH-14")
async def test_the_switch_makes_an_unknown_tag_invalid_instead(open_house: Any) -> None:
    house = await open_house(start_unverified=False)
    house.enable(Authoriser(lambda _: None, delay=9), "external")
    assert (await (await house.connect()).start("T")).id_tag_info.status == "Invalid"


@pytest.mark.req("AUTH-01")
async def test_an_authoriser_that_leaves_a_tag_to_others_is_followed_by_the_operators_tags(house: Any) -> None:
    house.enable(Authoriser(lambda _: None), "external")
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    assert [(await station.authorize(tag)).status for tag in ("T", "U")] == ["Accepted", "Invalid"]
