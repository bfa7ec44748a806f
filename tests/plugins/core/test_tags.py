"""Id tags and their judgement: the same for Authorize, StartTransaction and StopTransaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from csmsd_core import (
    CoreConfig,
    IdTagInfo,
    InvalidTag,
    Tag,
    UnknownTag,
)
from csmsd_core.authorization import Authorization
from csmsd_core.folding import folded

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)


# -- decisions --------------------------------------------------------------------------------------------------------


@pytest.mark.req("AUTH-01", "TC_023_1", "TC_023_2", "TC_023_3", "TC_003", "MSG-01")
async def test_unknown_blocked_expired_and_accepted_in_this_order(house: Any) -> None:
    station, past = await house.connect(), house.env.now() - timedelta(days=1)
    await house.core.tags.put(Tag("GOOD"), actor="op")
    await house.core.tags.put(Tag("BLOCKED", "Blocked", expires_at=past), actor="op")
    await house.core.tags.put(Tag("OLD", expires_at=past), actor="op")
    statuses = [(await station.authorize(tag)).status for tag in ("NOBODY", "BLOCKED", "OLD", "GOOD")]
    assert statuses == ["Invalid", "Blocked", "Expired", "Accepted"]


@pytest.mark.req("AUTH-01")
async def test_a_tag_expires_at_its_date_and_not_before(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T", expires_at=house.env.now() + timedelta(seconds=10)), actor="op")
    await trio.sleep(9)
    assert (await station.authorize("T")).status == "Accepted"
    await trio.sleep(1)
    assert (await station.authorize("T")).status == "Expired"


@pytest.mark.req("AUTH-02", "TX-08")
async def test_concurrent_tx_is_for_starting_only(house: Any) -> None:
    first, second = await house.connect(), await house.connect("CP-2")
    await house.core.tags.put(Tag("ONE", max_active_transactions=1), actor="op")
    running = await first.start("ONE")
    assert (await second.start("ONE")).id_tag_info.status == "ConcurrentTx"
    assert (await second.authorize("ONE")).status == "Accepted"
    assert (await first.stop(running.transaction_id, "ONE")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-03", "VAL-07")
async def test_tags_compare_without_regard_to_case_and_keep_their_spelling(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("aBcD-ef_90 app"), actor="op")
    assert (await station.authorize("ABCD-EF_90 APP")).status == "Accepted"
    assert house.core.tags.get("abcd-EF_90 app").id_tag == "aBcD-ef_90 app"
    await house.core.tags.put(Tag("ABCD-EF_90 APP", "Blocked"), actor="op")
    assert len(house.core.tags) == 1


@pytest.mark.req("AUTH-03")
async def test_a_tag_has_twenty_characters_at_most(house: Any) -> None:
    await house.core.tags.put(Tag("x" * 20), actor="op")
    with pytest.raises(InvalidTag, match="21 characters"):
        house.core.tags.put(Tag("x" * 21), actor="op")


@pytest.mark.req("AUTH-04", "AUTH-06", "AUTH-07", "TC_053")
async def test_parent_and_expiry_are_the_same_in_all_three_answers_and_omitted_without(house: Any) -> None:
    station, expiry = await house.connect(), house.env.now() + timedelta(days=30)
    await house.core.tags.put(Tag("T", parent_id_tag="Group", expires_at=expiry), actor="op")
    await house.core.tags.put(Tag("LONELY"), actor="op")
    running = await station.start("T")
    stopped = await station.stop(running.transaction_id, "T")
    infos = [await station.authorize("T"), running.id_tag_info, stopped.id_tag_info]
    assert infos == [IdTagInfo("Accepted", expiry, "Group")] * 3
    assert await station.authorize("LONELY") == IdTagInfo("Accepted")


@pytest.mark.req("AUTH-05")
async def test_a_parent_is_no_token_unless_it_is_one_in_its_own_right(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T", parent_id_tag="GROUP"), actor="op")
    assert (await station.authorize("GROUP")).status == "Invalid"
    await house.core.tags.put(Tag("GROUP"), actor="op")
    assert (await station.authorize("GROUP")).status == "Accepted"


@pytest.mark.req("AUTH-07", "TX-21")
@pytest.mark.parametrize(("tag", "status"), [(Tag("T", "Blocked"), "Blocked"), (None, "Invalid")])
async def test_a_stop_tells_the_tags_own_status(house: Any, tag: Tag | None, status: str) -> None:
    station = await house.connect()
    if tag is not None:
        await house.core.tags.put(tag, actor="op")
    running = await station.start("T")
    assert running.id_tag_info.status == status
    assert (await station.stop(running.transaction_id, "T")).id_tag_info.status == status
    assert (await station.stop(running.transaction_id, None)).id_tag_info is None


@pytest.mark.req("AUTH-08", "TC_007", "TC_037_1")
async def test_a_transaction_starts_without_an_authorize_before(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    assert (await station.start("T")).id_tag_info.status == "Accepted"


tags = st.builds(
    Tag,
    id_tag=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20),
    status=st.sampled_from(["Accepted", "Blocked"]),
    parent_id_tag=st.sampled_from(["", "GROUP"]),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
moments = st.datetimes(timezones=st.just(UTC))


class Snapshot:
    """The tags of a property: one, or none."""

    def __init__(self, tag: Tag | None) -> None:
        self._tag = tag

    def find(self, id_tag: str) -> Tag | None:
        return self._tag if self._tag is not None and folded(self._tag.id_tag) == folded(id_tag) else None

    def permits(self, *_: object) -> bool:
        return False


@pytest.mark.req("AUTH-01", "AUTH-03", "AUTH-04", "AUTH-06")
@given(tag=st.none() | tags, now=moments, swap=st.booleans())
def test_every_tag_at_every_moment_has_exactly_the_status_of_the_decision_order(
    tag: Tag | None, now: datetime, swap: bool
) -> None:
    class FixedHost:
        class Env:
            @staticmethod
            def now() -> datetime:
                return now

        env = Env

    snapshot: Any = Snapshot(tag)
    host: Any = FixedHost
    authorization = Authorization(host, CoreConfig(), snapshot, snapshot)
    id_tag = "T" if tag is None else tag.id_tag.swapcase() if swap else tag.id_tag
    info = authorization.own_verdict("CP-1", id_tag)
    if tag is None:
        assert info == IdTagInfo("Invalid")
        return
    expected = "Blocked" if tag.status == "Blocked" else "Accepted"
    if expected == "Accepted" and tag.expires_at is not None and tag.expires_at <= now:
        expected = "Expired"
    assert info == IdTagInfo(expected, tag.expires_at, tag.parent_id_tag or None)  # type: ignore[arg-type] # a str by construction


# -- management -------------------------------------------------------------------------------------------------------


@on_both
@pytest.mark.req("AUTH-12", "OPS-03", "TC_023_2", "TC_023_3")
async def test_changes_of_a_tag_are_effective_immediately_and_survive_a_restart(open_house: Any) -> None:
    house = await open_house()
    station = await house.connect()
    put, change = house.core.tags.put, house.core.tags.change
    created = await put(Tag("T", note="van"), actor="op")
    assert (await station.authorize("T")).status == "Accepted"
    await trio.sleep(5)
    await change("t", actor="op", status="Blocked")
    assert (await station.authorize("T")).status == "Blocked"
    await change("T", actor="op", status="Accepted", expires_at=house.env.now())
    assert (await station.authorize("T")).status == "Expired"
    await change("T", actor="op", expires_at=None, parent_id_tag="G", max_active_transactions=2)
    house = await open_house()
    stored = house.core.tags.get("T")
    assert (stored.note, stored.parent_id_tag, stored.max_active_transactions) == ("van", "G", 2)
    assert stored.created_at == created.created_at < stored.changed_at
    await house.core.tags.delete("t", actor="op")
    assert (await (await house.connect()).authorize("T")).status == "Invalid"
    house = await open_house()
    assert house.core.tags.find("T") is None


@pytest.mark.req("AUTH-12")
async def test_a_change_counts_only_when_it_is_stored(house: Any) -> None:
    stored = house.core.tags.put(Tag("T"), actor="op")
    assert house.core.tags.find("T") is None
    await stored
    assert house.core.tags.find("T") is not None


@on_both
@pytest.mark.req("AUTH-12")
async def test_tags_are_listed_page_by_page(house: Any) -> None:
    for number in range(5):
        await house.core.tags.put(Tag(f"A_{number}"), actor="op")
    await house.core.tags.put(Tag("AX1"), actor="op")
    page = await house.core.tags.page(prefix="a_", limit=3)
    rest = await house.core.tags.page(prefix="a_", after=page[-1].id_tag, limit=3)
    assert [tag.id_tag for tag in (*page, *rest)] == ["A_0", "A_1", "A_2", "A_3", "A_4"]


@pytest.mark.req("AUTH-12")
async def test_who_changed_a_tag_is_audited(house: Any) -> None:
    await house.core.tags.put(Tag("T"), actor="alice")
    await house.core.tags.delete("T", actor="bob")
    entries = await house.audit.entries()
    assert [(each.actor, each.action, each.subject) for each in entries] == [
        ("bob", "tag.delete", "T"),
        ("alice", "tag.put", "T"),
    ]


@pytest.mark.req("AUTH-12")
@pytest.mark.parametrize(
    ("tag", "complaint"),
    [
        (Tag("a\nb"), "control"),
        (Tag("T", parent_id_tag="p" * 21), "parentIdTag"),
        (Tag("T", "Expired"), "expires_at"),  # type: ignore[arg-type] # what an operator may try
        (Tag("T", expires_at=datetime(2026, 1, 1)), "time zone"),
        (Tag("T", max_active_transactions=0), "1 at least"),
    ],
)
async def test_a_tag_that_could_not_be_sent_is_refused_with_the_reason(house: Any, tag: Tag, complaint: str) -> None:
    with pytest.raises(InvalidTag, match=complaint):
        house.core.tags.put(tag, actor="op")
    with pytest.raises(UnknownTag):
        house.core.tags.get("T")
    with pytest.raises(UnknownTag):
        house.core.tags.delete("T", actor="op")


@pytest.mark.req("AUTH-03")
async def test_all_tags_come_in_the_order_of_their_texts_whatever_the_case(house: Any) -> None:
    for id_tag in ("beta", "ALPHA", "Gamma"):
        await house.core.tags.put(Tag(id_tag), actor="test")
    assert [tag.id_tag for tag in house.core.tags.all()] == ["ALPHA", "beta", "Gamma"]


@on_both
@pytest.mark.req("AUTH-12")
async def test_changes_of_one_tag_in_one_batch_keep_their_order(open_house: Any) -> None:
    house = await open_house()
    await house.core.tags.put(Tag("A"), actor="test")
    changes = [
        house.core.tags.put(Tag("B"), actor="test"),
        house.core.tags.delete("A", actor="test"),
        house.core.tags.put(Tag("A", note="again"), actor="test"),
    ]
    for change in changes:
        await change
    house = await open_house()
    assert house.core.tags.get("A").note == "again"
